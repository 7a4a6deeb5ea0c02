package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/job"
)

var (
	created = time.Date(2021, 9, 25, 17, 45, 59, 0, time.UTC)
	ended   = created.Add(63 * time.Second)
	probe   = json.RawMessage(`{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","profile":"High","width":1280,"height":720,
		"pix_fmt":"yuv420p","avg_frame_rate":"24/1","duration":"15.020833","bit_rate":"1027518","tags":{"language":"und"}},
		{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"44100","channels":2,"channel_layout":"stereo","duration":"N/A"}],
		"format":{"format_name":"mov,mp4","duration":"15.045000","size":"2299653","bit_rate":1222813}}`)
)

// state is a job of the server with everything that answers can show.
func state() job.State {
	return job.State{
		ID: "S9BkOufdntiPR9", CreatedAt: created, CompletedAt: ended, Status: job.JobFailed, Error: "cancelled",
		Input: job.InputState{Status: job.InputTransferred, Metadata: probe},
		Outputs: []job.OutputState{
			{Key: "mp4:720p", Type: job.TypeVideo, Format: "mp4:720p", Stage: job.Done, Result: job.Result{URL: "https://example.com/a.mp4", Metadata: probe}},
			{Key: "jpg", Type: job.TypeImage, Format: "jpg:300x", Stage: job.Done, Result: job.Result{URLs: []string{"https://example.com/1.jpg", "https://example.com/2.jpg"}}},
			{Key: "s", Type: job.TypeStream, Format: "httpstream", Stage: job.Done, Result: job.Result{
				Streams:  []job.StreamURL{{Format: "hls", URL: "https://example.com/m.m3u8"}},
				Metadata: json.RawMessage(`{"hls":` + string(probe) + `}`),
			}},
			{Key: "webm", Type: job.TypeVideo, Format: "webm:720p", Stage: job.Failed, Error: "It could not be encoded."},
		},
	}
}

var (
	wantOutputs = []client.OutputState{
		{Key: "mp4:720p", Type: "video", Format: "mp4:720p", Status: "video.encoded", URL: "https://example.com/a.mp4"},
		{Key: "jpg", Type: "image", Format: "jpg:300x", Status: "image.created", URLs: []client.Address{{URL: "https://example.com/1.jpg"}, {URL: "https://example.com/2.jpg"}}},
		{Key: "s", Type: "httpstream", Format: "httpstream", Status: "httpstream.packaged", URLs: []client.Address{{Format: "hls", URL: "https://example.com/m.m3u8"}}},
		{Key: "webm", Type: "video", Format: "webm:720p", Status: "video.failed", Error: "It could not be encoded."},
	}
	wantJob = client.Job{
		ID: "S9BkOufdntiPR9", CreatedAt: client.Time{Time: created}, CompletedAt: client.Time{Time: ended}, Status: client.JobFailed,
		Progress: 100, Error: "cancelled", Input: client.InputState{Status: client.InputTransferred}, Outputs: wantOutputs,
	}
	wantProbe = client.Probe{
		Streams: []client.Stream{
			{Type: "video", Codec: "h264", Profile: "High", Width: 1280, Height: 720, PixelFormat: "yuv420p", FrameRate: "24/1", Duration: 15020833 * time.Microsecond, BitRate: 1027518, Tags: map[string]string{"language": "und"}},
			{Index: 1, Type: "audio", Codec: "aac", SampleRate: 44100, Channels: 2, ChannelLayout: "stereo"},
		},
		Format: client.Format{Name: "mov,mp4", Duration: 15045 * time.Millisecond, Size: 2299653, BitRate: 1222813},
	}
)

// exceptRaw compares without the documents of ffprobe, whose spaces the encoder
// takes out.
var exceptRaw = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Raw" }, cmp.Ignore())

// TestJob: what the server encodes is what the client decodes, and encodes
// again.
func TestJob(t *testing.T) {
	body := coconut.EncodeJob(state())
	got, err := against(t, answer(200, string(body))).Job(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&wantJob, got); diff != "" {
		t.Error(diff)
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(object(t, body), object(t, again)); diff != "" {
		t.Errorf("encoded again:\n%s", diff)
	}
	fresh := job.NewState("a", created, nil)
	if again, err := json.Marshal(decodeJob(t, coconut.EncodeJob(fresh))); err != nil || !strings.Contains(string(again), `"completed_at":null`) {
		t.Errorf("%s, %v", again, err)
	}
}

func decodeJob(t *testing.T, body []byte) (j client.Job) {
	t.Helper()
	if err := json.Unmarshal(body, &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func object(t *testing.T, data []byte) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestJobHelpers(t *testing.T) {
	j := decodeJob(t, coconut.EncodeJob(state()))
	if got, want := j.Err().Error(), "the job S9BkOufdntiPR9 failed: cancelled; webm: It could not be encoded."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := (&client.Job{Status: client.JobCompleted}).Err(); err != nil {
		t.Errorf("a completed job has the error %v", err)
	}
	if j.Output("none") != nil || j.Output("jpg") != &j.Outputs[1] {
		t.Error("Output finds another")
	}
	if files := j.Output("mp4:720p").Files(); len(files) != 1 || files[0].URL != "https://example.com/a.mp4" {
		t.Errorf("files of a video: %v", files)
	}
	if files := j.Output("s").Files(); len(files) != 1 || files[0].Format != "hls" {
		t.Errorf("files of a stream: %v", files)
	}
}

func TestMetadata(t *testing.T) {
	got, err := against(t, answer(200, string(coconut.EncodeMetadata(state())))).Metadata(t.Context(), "S9BkOufdntiPR9")
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Metadata{JobID: "S9BkOufdntiPR9", Input: &wantProbe, Outputs: []client.OutputMetadata{
		{Key: "mp4:720p", MediaInfo: client.MediaInfo{Probe: &wantProbe}},
		{Key: "s", MediaInfo: client.MediaInfo{Packagings: map[string]*client.Probe{"hls": &wantProbe}}},
	}}
	if diff := cmp.Diff(want, got, exceptRaw); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(object(t, probe), object(t, got.Input.Raw)); diff != "" {
		t.Error(diff)
	}
	if got.Output("s") != &got.Outputs[1].MediaInfo || got.Output("jpg") != nil {
		t.Error("Output finds another")
	}
	early, err := against(t, answer(200, string(coconut.EncodeMetadata(job.NewState("a", created, nil))))).Metadata(t.Context(), "a")
	if diff := cmp.Diff(&client.Metadata{JobID: "a"}, early); diff != "" || err != nil {
		t.Errorf("before the probe: %v\n%s", err, diff)
	}
}

func TestMetadataOf(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.URL.Path, "/v2/metadata/jobs/x/")
		body, ok := coconut.EncodeMetadataKey(state(), key)
		if !ok {
			w.WriteHeader(404)
			return
		}
		answer(200, string(body))(w, r)
	})
	for key, want := range map[string]*client.MediaInfo{
		"input":    {Probe: &wantProbe},
		"source":   {Probe: &wantProbe},
		"mp4:720p": {Probe: &wantProbe},
		"s":        {Packagings: map[string]*client.Probe{"hls": &wantProbe}},
		"jpg":      nil,
	} {
		got, err := c.MetadataOf(t.Context(), "x", key)
		if diff := cmp.Diff(want, got, exceptRaw); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", key, err, diff)
		}
	}
	if _, err := c.MetadataOf(t.Context(), "x", "mp4:1/2"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a key that is not there: %v", err)
	}
}

func TestEvents(t *testing.T) {
	h := job.History{State: state(), Events: []job.RecordedEvent{
		{N: 1, Event: job.Event{Kind: job.JobStartedEvent, At: created}},
		{N: 2, Event: job.Event{Kind: job.OutputCompletedEvent, At: ended, Output: "jpg", Result: job.Result{URLs: []string{"https://example.com/1.jpg"}}}},
	}}
	got, err := against(t, answer(200, string(coconut.EncodeHistory(h)))).Events(t.Context(), "x", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []client.Event{
		{ID: 1, Name: client.EventJobStarted, At: created},
		{ID: 2, Name: client.EventOutputCompleted, At: ended, Output: "jpg", Status: "image.created", URLs: []client.Address{{URL: "https://example.com/1.jpg"}}},
	}
	if diff := cmp.Diff(want, got.Events); diff != "" {
		t.Error(diff)
	}
	if got.JobID != "S9BkOufdntiPR9" || got.Progress != 100 || len(got.Outputs) != 4 || got.Outputs[0] != (client.OutputProgress{Key: "mp4:720p", Status: "video.encoded", Progress: 100}) {
		t.Errorf("got %+v", got.JobProgress)
	}
}

func TestDeliveries(t *testing.T) {
	log := job.DeliveryLog{
		N: 3, Event: job.JobFailedEvent, State: job.DeliveryPending, CreatedAt: created, NextAt: ended,
		Attempts: []job.DeliveryAttempt{{At: created, Status: 500, Error: "no", Duration: 48 * time.Millisecond}, {At: ended, Error: "no answer"}},
	}
	want := client.Delivery{
		Number: 3, Event: client.EventJobFailed, State: client.DeliveryPending, CreatedAt: created, NextAt: &ended,
		Attempts: []client.Attempt{{At: created, Status: 500, Error: "no", DurationMS: 48}, {At: ended, Error: "no answer"}},
	}
	all, err := against(t, answer(200, string(coconut.EncodeDeliveries("x", []job.DeliveryLog{log})))).Deliveries(t.Context(), "x")
	if diff := cmp.Diff([]client.Delivery{want}, all); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	one, err := against(t, answer(202, string(coconut.EncodeDelivery(log)))).Replay(t.Context(), "x", 3)
	if diff := cmp.Diff(&want, one); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := against(t, answer(202, "{}")).Replay(t.Context(), "x", 0); err == nil {
		t.Error("delivery 0 was asked for")
	}
}

// TestForeignAnswers: JSON of some other service is not taken for an empty
// answer.
func TestForeignAnswers(t *testing.T) {
	for _, body := range []string{"{}", "null", `{"status":"ok","jobs":null}`, `{"jobs":[{}]}`, `{"jobs":[null]}`, "[]", `"x"`, ""} {
		c := against(t, answer(200, body))
		for name, err := range map[string]error{
			"Job": second(c.Job(t.Context(), "x")), "Cancel": second(c.Cancel(t.Context(), "x")), "ListPage": second(c.ListPage(t.Context(), client.ListOptions{})),
			"Events": second(c.Events(t.Context(), "x", 0)), "Deliveries": second(c.Deliveries(t.Context(), "x")),
			"Metadata": second(c.Metadata(t.Context(), "x")), "MetadataOf": second(c.MetadataOf(t.Context(), "x", "k")),
		} {
			if err == nil {
				t.Errorf("%s took %q for its answer", name, body)
			}
		}
	}
}

func TestParseNotification(t *testing.T) {
	s := state()
	fault := job.Event{Kind: job.OutputFailedEvent, Output: "webm", Error: "It could not be encoded."}
	withMetadata := wantJob
	withMetadata.Outputs = append([]client.OutputState(nil), wantOutputs...)
	withMetadata.Input.Metadata = &wantProbe
	withMetadata.Outputs[0].Metadata = &client.MediaInfo{Probe: &wantProbe}
	withMetadata.Outputs[2].Metadata = &client.MediaInfo{Packagings: map[string]*client.Probe{"hls": &wantProbe}}
	for _, c := range []struct {
		body []byte
		want client.Notification
	}{
		{
			coconut.EncodeNotification(s, job.Event{Kind: job.InputTransferredEvent}, true),
			client.Notification{Event: client.EventInputTransferred, Progress: 100, Input: &client.InputState{Status: client.InputTransferred, Metadata: &wantProbe}},
		},
		{
			coconut.EncodeNotification(s, fault, false),
			client.Notification{Event: client.EventOutputFailed, Progress: 80, Output: &client.OutputState{Key: "webm", Type: "video", Status: "video.failed", Error: "It could not be encoded."}},
		},
		{
			coconut.EncodeNotification(s, job.Event{Kind: job.JobFailedEvent}, true),
			client.Notification{Event: client.EventJobFailed, Progress: 100, Job: &withMetadata},
		},
	} {
		got, err := client.ParseNotification(c.body)
		c.want.JobID = s.ID
		if diff := cmp.Diff(&c.want, got, exceptRaw); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	for _, body := range []string{"", "null", "{}", `{"job_id":"x","event":"job.failed"}`, `{"event":"job.failed","data":{}}`, `{"job_id":"x","event":"weather","data":{}}`, `{"job_id":"x","event":"job.failed","data":[]}`} {
		if n, err := client.ParseNotification([]byte(body)); err == nil {
			t.Errorf("%q was parsed as %+v", body, n)
		}
	}
}

// TestVerifyNotification holds the signatures against the library of Standard
// Webhooks.
func TestVerifyNotification(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	body, at := []byte(`{"job_id":"x"}`), time.Unix(1674087231, 0)
	signature, err := signer.Sign("msg_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	header := func(id, stamp, signature string) http.Header {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", signature)
		return h
	}
	good := header("msg_1", "1674087231", signature)
	for name, c := range map[string]struct {
		secret string
		header http.Header
		body   string
		now    time.Time
		ok     bool
	}{
		"good":              {secret, good, string(body), at, true},
		"one of several":    {secret, header("msg_1", "1674087231", "v1a,xx v1,AAAA "+signature), string(body), at, true},
		"a little late":     {secret, good, string(body), at.Add(4 * time.Minute), true},
		"too old":           {secret, good, string(body), at.Add(6 * time.Minute), false},
		"ahead":             {secret, good, string(body), at.Add(-6 * time.Minute), false},
		"another body":      {secret, good, "{}", at, false},
		"another id":        {secret, header("msg_2", "1674087231", signature), string(body), at, false},
		"another time":      {secret, header("msg_1", "1674087232", signature), string(body), at, false},
		"another secret":    {"whsec_" + "AAAA", good, string(body), at, false},
		"no signature":      {secret, http.Header{}, string(body), at, false},
		"time out of range": {secret, header("msg_1", "9223372036854775807", signature), string(body), at, false},
		"empty secret":      {"whsec_", good, string(body), at, false},
		"broken secret":     {"whsec_%", good, string(body), at, false},
	} {
		if err := client.Verify(c.secret, c.header, []byte(c.body), c.now); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := client.VerifyNotification(secret, good, body); !errors.Is(err, client.ErrSignature) {
		t.Errorf("a signature of 2023: %v", err)
	}
}
