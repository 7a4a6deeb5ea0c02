package coconut

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

var (
	created   = time.Date(2021, 9, 25, 19, 45, 59, 0, time.FixedZone("CEST", 2*3600))
	completed = time.Date(2021, 9, 25, 17, 46, 59, 0, time.UTC)
	probe     = json.RawMessage(`{"streams": [{"index": 0, "duration": "15.020833"}], "format": {"filename": "a&b<c>"}}`)
)

const (
	probeJSON   = `{"streams":[{"index":0,"duration":"15.020833"}],"format":{"filename":"a&b<c>"}}`
	ffmpegError = "The media file couldn't be encoded because of a FFmpeg error."
)

// state is a job with a finished output of each type and a failed one.
func state() job.State {
	return job.State{
		ID: "S9BkOufdntiPR9", CreatedAt: created, CompletedAt: completed, Status: job.JobFailed,
		Input: job.InputState{Status: job.InputTransferred, Metadata: probe},
		Outputs: []job.OutputState{
			{Key: "mp4:720p", Type: job.TypeVideo, Format: "mp4:720p", Stage: job.Done,
				Result: job.Result{URL: "https://h/vid.mp4?a=1&b=2", Metadata: probe}},
			{Key: "httpstream", Type: job.TypeStream, Format: "httpstream", Stage: job.Done,
				Result: job.Result{Streams: []job.StreamURL{{Format: "hls", URL: "https://h/hls/master.m3u8"}}, Metadata: json.RawMessage(`{"hls":` + probeJSON + `}`)}},
			{Key: "jpg:480x", Type: job.TypeImage, Format: "jpg:480x", Stage: job.Done,
				Result: job.Result{URLs: []string{"https://h/image.jpg"}, Metadata: probe}},
			{Key: "webm:480p", Type: job.TypeVideo, Format: "webm:0x480", Stage: job.Failed, Error: ffmpegError},
		},
	}
}

func TestEncodeJob(t *testing.T) {
	fresh := job.NewState("S9BkOufdntiPR9", created, []job.OutputRequest{
		{Key: "mp4:720p", Type: job.TypeVideo, Format: "mp4:720p"},
		{Key: "httpstream", Type: job.TypeStream, Format: "httpstream"},
		{Key: "jpg:480x", Type: job.TypeImage, Format: "jpg:480x"},
		{Key: "gif:300x", Type: job.TypeImage, Format: "gif:300x"},
	})
	running := state()
	running.Status, running.CompletedAt = job.JobProcessing, time.Time{}
	running.Outputs = []job.OutputState{
		{Key: "a", Type: job.TypeVideo, Format: "mp4", Stage: job.Encoding, Progress: 0.5},
		{Key: "b", Type: job.TypeStream, Format: "httpstream", Stage: job.Queued},
		{Key: "c", Type: job.TypeImage, Format: "jpg", Stage: job.Skipped},
	}
	failed := job.NewState("id", created, []job.OutputRequest{{Key: "mp4", Type: job.TypeVideo, Format: "mp4"}})
	if _, err := failed.Apply(job.Event{Kind: job.InputFailedEvent, At: completed, Error: "HTTP status code: 404"}); err != nil {
		t.Fatal(err)
	}
	cancelled := job.NewState("id", created, []job.OutputRequest{{Key: "jpg", Type: job.TypeImage, Format: "jpg"}})
	if _, err := cancelled.Apply(job.Event{Kind: job.JobCancelledEvent, At: completed}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		state job.State
		want  string
	}{
		{"right after creation, as captured", fresh, `{"id":"S9BkOufdntiPR9","created_at":"2021-09-25 17:45:59 +0000","completed_at":null,
			"status":"job.starting","progress":"0%","input":{"status":"input.starting"},"outputs":[
			{"key":"mp4:720p","type":"video","format":"mp4:720p","status":"video.waiting"},
			{"key":"httpstream","type":"httpstream","format":"httpstream","status":"httpstream.waiting"},
			{"key":"jpg:480x","type":"image","format":"jpg:480x","status":"image.waiting"},
			{"key":"gif:300x","type":"image","format":"gif:300x","status":"image.waiting"}]}`},
		{"finished, one output failed", state(), `{"id":"S9BkOufdntiPR9","created_at":"2021-09-25 17:45:59 +0000","completed_at":"2021-09-25 17:46:59 +0000",
			"status":"job.failed","progress":"100%","input":{"status":"input.transferred"},"outputs":[
			{"key":"mp4:720p","type":"video","format":"mp4:720p","url":"https://h/vid.mp4?a=1&b=2","status":"video.encoded"},
			{"key":"httpstream","type":"httpstream","format":"httpstream","urls":[{"format":"hls","url":"https://h/hls/master.m3u8"}],"status":"httpstream.packaged"},
			{"key":"jpg:480x","type":"image","format":"jpg:480x","urls":["https://h/image.jpg"],"status":"image.created"},
			{"key":"webm:480p","type":"video","format":"webm:0x480","error":"` + ffmpegError + `","status":"video.failed"}]}`},
		{"running", running, `{"id":"S9BkOufdntiPR9","created_at":"2021-09-25 17:45:59 +0000","completed_at":null,
			"status":"job.processing","progress":"37%","input":{"status":"input.transferred"},"outputs":[
			{"key":"a","type":"video","format":"mp4","status":"video.encoding"},
			{"key":"b","type":"httpstream","format":"httpstream","status":"httpstream.variants.queued"},
			{"key":"c","type":"image","format":"jpg","status":"image.skipped"}]}`},
		{"failed input", failed, `{"id":"id","created_at":"2021-09-25 17:45:59 +0000","completed_at":"2021-09-25 17:46:59 +0000",
			"status":"job.failed","progress":"100%","input":{"status":"input.failed","error":"HTTP status code: 404"},"outputs":[
			{"key":"mp4","type":"video","format":"mp4","status":"video.aborted"}]}`},
		{"cancelled", cancelled, `{"id":"id","created_at":"2021-09-25 17:45:59 +0000","completed_at":"2021-09-25 17:46:59 +0000",
			"status":"job.failed","progress":"100%","error":"cancelled","input":{"status":"input.starting"},"outputs":[
			{"key":"jpg","type":"image","format":"jpg","status":"image.aborted"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) { sameBytes(t, c.want, EncodeJob(c.state)) })
	}
}

func TestEncodeMetadata(t *testing.T) {
	before := job.NewState("id", created, []job.OutputRequest{{Key: "mp4", Type: job.TypeVideo}})
	probed := before
	probed.Input.Metadata = probe
	for _, c := range []struct {
		name  string
		state job.State
		want  string
	}{
		{"before the probe", before, `{"job_id":"id","metadata":{}}`},
		{"after the probe", probed, `{"job_id":"id","metadata":{"input":` + probeJSON + `,"outputs":[]}}`},
		{"finished: no image, no failed output", state(), `{"job_id":"S9BkOufdntiPR9","metadata":{"input":` + probeJSON + `,"outputs":[
			{"mp4:720p":` + probeJSON + `},{"httpstream":{"hls":` + probeJSON + `}}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) { sameBytes(t, c.want, EncodeMetadata(c.state)) })
	}
}

func TestEncodeMetadataKey(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"input", `{"job_id":"S9BkOufdntiPR9","metadata":{"input":` + probeJSON + `}}`},
		{"source", `{"job_id":"S9BkOufdntiPR9","metadata":{"source":` + probeJSON + `}}`},
		{"mp4:720p", `{"job_id":"S9BkOufdntiPR9","metadata":{"mp4:720p":` + probeJSON + `}}`},
		{"jpg:480x", `{"job_id":"S9BkOufdntiPR9","metadata":{}}`},
		{"webm:480p", `{"job_id":"S9BkOufdntiPR9","metadata":{}}`},
	} {
		got, ok := EncodeMetadataKey(state(), c.key)
		if !ok {
			t.Errorf("%s: not found", c.key)
		}
		sameBytes(t, c.want, got)
	}
	if body, ok := EncodeMetadataKey(state(), "nothing"); ok {
		t.Errorf("an unknown key yields %s", body)
	}
}

func TestEncodeNotification(t *testing.T) {
	// The state when one, two ... of the four outputs have ended.
	at := func(done int) job.State {
		s := state()
		s.Status, s.CompletedAt = job.JobProcessing, time.Time{}
		for i := done; i < len(s.Outputs); i++ {
			s.Outputs[i].Stage, s.Outputs[i].Result = job.Waiting, job.Result{}
		}
		return s
	}
	two := state()
	two.Outputs = two.Outputs[2:]
	noImages := state()
	noImages.Input.Metadata = nil
	noImages.Outputs = noImages.Outputs[2:3]
	noImages.Status = job.JobCompleted
	outputEvent := func(s job.State, i int) job.Event {
		o := s.Outputs[i]
		kind := job.OutputCompletedEvent
		if o.Stage == job.Failed {
			kind = job.OutputFailedEvent
		}
		return job.Event{Kind: kind, Output: o.Key, Result: o.Result, Error: o.Error}
	}
	for _, c := range []struct {
		name     string
		state    job.State
		event    job.Event
		metadata bool
		want     string
	}{
		{"input.transferred", at(0), job.Event{Kind: job.InputTransferredEvent}, true,
			`{"job_id":"S9BkOufdntiPR9","event":"input.transferred","metadata":true,
			"data":{"status":"input.transferred","progress":"100%","metadata":` + probeJSON + `}}`},
		{"input.transferred without metadata", at(0), job.Event{Kind: job.InputTransferredEvent}, false,
			`{"job_id":"S9BkOufdntiPR9","event":"input.transferred","metadata":false,
			"data":{"status":"input.transferred","progress":"100%"}}`},
		{"video", at(1), outputEvent(at(1), 0), true,
			`{"job_id":"S9BkOufdntiPR9","event":"output.completed","metadata":true,
			"data":{"type":"video","status":"video.encoded","progress":"20%","key":"mp4:720p","url":"https://h/vid.mp4?a=1&b=2","metadata":` + probeJSON + `}}`},
		{"httpstream", at(2), outputEvent(at(2), 1), true,
			`{"job_id":"S9BkOufdntiPR9","event":"output.completed","metadata":true,
			"data":{"type":"httpstream","status":"httpstream.packaged","progress":"40%","key":"httpstream",
			"urls":[{"format":"hls","url":"https://h/hls/master.m3u8"}],"metadata":{"hls":` + probeJSON + `}}}`},
		{"image: the flag is false although metadata was asked for", at(3), outputEvent(at(3), 2), true,
			`{"job_id":"S9BkOufdntiPR9","event":"output.completed","metadata":false,
			"data":{"type":"image","status":"image.created","progress":"60%","key":"jpg:480x","urls":["https://h/image.jpg"]}}`},
		{"the last of two outputs: 66 %, although the job has ended", two, outputEvent(two, 1), true,
			`{"job_id":"S9BkOufdntiPR9","event":"output.failed","metadata":false,
			"data":{"type":"video","status":"video.failed","progress":"66%","key":"webm:480p","error":"` + ffmpegError + `"}}`},
		{"job.failed", state(), job.Event{Kind: job.JobFailedEvent}, true,
			`{"job_id":"S9BkOufdntiPR9","event":"job.failed","metadata":true,
			"data":{"type":"job","status":"job.failed","progress":"100%","id":"S9BkOufdntiPR9",
			"created_at":"2021-09-25 17:45:59 +0000","completed_at":"2021-09-25 17:46:59 +0000",
			"input":{"status":"input.transferred","metadata":` + probeJSON + `},"outputs":[
			{"key":"mp4:720p","type":"video","format":"mp4:720p","url":"https://h/vid.mp4?a=1&b=2","status":"video.encoded","metadata":` + probeJSON + `},
			{"key":"httpstream","type":"httpstream","format":"httpstream","urls":[{"format":"hls","url":"https://h/hls/master.m3u8"}],"status":"httpstream.packaged","metadata":{"hls":` + probeJSON + `}},
			{"key":"jpg:480x","type":"image","format":"jpg:480x","urls":["https://h/image.jpg"],"status":"image.created"},
			{"key":"webm:480p","type":"video","format":"webm:0x480","error":"` + ffmpegError + `","status":"video.failed"}]}}`},
		{"job.completed with nothing to tell", noImages, job.Event{Kind: job.JobCompletedEvent}, true,
			`{"job_id":"S9BkOufdntiPR9","event":"job.completed","metadata":false,
			"data":{"type":"job","status":"job.completed","progress":"100%","id":"S9BkOufdntiPR9",
			"created_at":"2021-09-25 17:45:59 +0000","completed_at":"2021-09-25 17:46:59 +0000",
			"input":{"status":"input.transferred"},"outputs":[
			{"key":"jpg:480x","type":"image","format":"jpg:480x","urls":["https://h/image.jpg"],"status":"image.created"}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) { sameBytes(t, c.want, EncodeNotification(c.state, c.event, c.metadata)) })
	}
}

func TestEncodeNeverNullNorBroken(t *testing.T) {
	s := state()
	s.Input.Metadata = json.RawMessage(`{"streams": [`)
	s.Outputs[0].Result.Metadata = json.RawMessage(`null`)
	s.Outputs[1].Result = job.Result{}
	s.Outputs[2].Result = job.Result{}
	for _, body := range [][]byte{EncodeJob(s), EncodeMetadata(s), EncodeNotification(s, job.Event{Kind: job.JobFailedEvent}, true)} {
		if !json.Valid(body) || strings.Contains(string(body), "null") {
			t.Errorf("got %s", body)
		}
	}
}

func TestSent(t *testing.T) {
	for kind, want := range map[job.EventKind][2]bool{ // without and with events
		job.InputTransferredEvent: {false, true},
		job.OutputCompletedEvent:  {false, true},
		job.OutputFailedEvent:     {false, true},
		job.JobCompletedEvent:     {true, true},
		job.JobFailedEvent:        {true, true},
		job.JobStartedEvent:       {false, false},
		job.InputProbedEvent:      {false, false},
		job.InputFailedEvent:      {false, false},
		job.OutputStageEvent:      {false, false},
		job.OutputSkippedEvent:    {false, false},
		job.OutputNoteEvent:       {false, false},
		job.StreamPlayableEvent:   {false, true},
		job.JobCancelledEvent:     {false, false},
	} {
		got := [2]bool{Sent(kind, job.Notification{}), Sent(kind, job.Notification{Events: true})}
		if got != want {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
	}
}

func TestEncodeError(t *testing.T) {
	sameBytes(t, `{"message":"The job 'input' is not a valid object.","error_code":"input_not_valid","status":"error"}`,
		EncodeError(job.Errorf(job.InputNotValid, "The job 'input' is not a valid object.")))
}

// sameBytes compares with want without its line breaks.
func sameBytes(t *testing.T, want string, got []byte) {
	t.Helper()
	lines := strings.Split(want, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if diff := cmp.Diff(strings.Join(lines, ""), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
