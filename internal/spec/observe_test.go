package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/backends"
	"github.com/copra-video/copra/storage/local"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// attempt is what is tried: a job, or a call of the API.
type attempt struct {
	job  string    // body of POST /v2/jobs
	film []string  // what differs in the input, as pairs old, new in film's JSON
	call *exchange // instead of a job
}

// film is what ffprobe says of the input: half a minute of 1080p with sound.
const film = `{"streams":[` +
	`{"index":0,"codec_name":"h264","codec_type":"video","profile":"High","width":1920,"height":1080,"sample_aspect_ratio":"1:1","pix_fmt":"yuv420p",` +
	`"r_frame_rate":"25/1","avg_frame_rate":"25/1","start_time":"0.000000","duration":"30.000000","bit_rate":"4000000","field_order":"progressive","disposition":{"default":1}},` +
	`{"index":1,"codec_name":"aac","codec_type":"audio","profile":"LC","sample_rate":"44100","channels":6,"channel_layout":"5.1",` +
	`"start_time":"0.000000","duration":"30.000000","bit_rate":"128000","disposition":{"default":1},"tags":{"language":"eng"}}],` +
	`"format":{"filename":"in.mov","format_name":"mov,mp4,m4a,3gp,3g2,mj2","start_time":"0.000000","duration":"30.000000","size":"1048576","bit_rate":"4200000","tags":{"title":"Film"}}}`

// world is a server without its database and FFmpeg.
type world struct {
	wire *wire
	// usual reaches the recorder and what is public, amazon has the recorder for
	// the service s3, and closed reaches what is public only.
	usual, amazon, closed *backends.Opener
	local                 *local.Store
	webhooks              *http.Client
	dir                   string
	known                 map[string][]string // observations by attempt
}

func newWorld(t *testing.T) *world {
	w := &world{wire: newWire(t), dir: t.TempDir(), known: map[string][]string{}}
	var err error
	if w.local, err = local.Open(local.Options{Dir: t.TempDir(), PublicURL: "https://copra.example.com"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.local.Close() })
	guard := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	open := func(o backends.Options) *backends.Opener {
		o.Local, o.UploadRetry.Tries = w.local, 1
		o.Retry = retry.Policy{Tries: 1}
		opener := backends.New(o)
		t.Cleanup(opener.Close)
		return opener
	}
	w.usual = open(backends.Options{Guard: guard})
	w.amazon = open(backends.Options{Guard: guard, S3Endpoint: w.wire.names.Replace("http://recorder:80")})
	w.closed = open(backends.Options{Guard: netguard.New(nil)})
	w.webhooks = guard.HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	t.Cleanup(w.webhooks.CloseIdleConnections)
	return w
}

// observe is all that an attempt brings about, as lines.
func (w *world) observe(t *testing.T, a attempt) []string {
	t.Helper()
	id := fmt.Sprintf("%q %q %#v", a.job, a.film, a.call)
	if lines, ok := w.known[id]; ok {
		return lines
	}
	var lines []string
	if a.call != nil {
		lines = w.exchange(t, *a.call)
	} else {
		lines = w.job(t, a)
	}
	for i, l := range lines {
		lines[i] = hashes.ReplaceAllString(w.wire.back.Replace(l), "${1}(hash)")
	}
	w.known[id] = unique(lines)
	return w.known[id]
}

// hashes are in the names of folders of the built-in storage, which are secret,
// and of files that are fetched from an address, here one with a port of chance.
var hashes = regexp.MustCompile(`(/storage/\d\d/\d\d/|/storage/uploads/|mark-)[0-9a-f]{16,32}`)

// job follows a job from the request to the last webhook.
func (w *world) job(t *testing.T, a attempt) (lines []string) {
	t.Helper()
	server := newAPI(w)
	post := exchange{method: "POST", path: "/v2/jobs", body: w.wire.names.Replace(a.job)}
	lines = server.do(t, post)
	if len(server.created) == 0 {
		return lines
	}
	spec := server.created[0].Spec
	lines = append(lines, fmt.Sprintf("queued with priority %d", queue.Priority(spec.Settings.Priority)))
	if s := spec.Settings.MaxDuration; s > 0 {
		lines = append(lines, fmt.Sprintf("ends after %ds at the latest", s))
	}
	input, err := w.input(t, spec.Input)
	lines = append(lines, input...)
	events := []job.Event{{Kind: job.JobStartedEvent}}
	if err != nil {
		events = append(events, job.Event{Kind: job.InputFailedEvent, Error: job.Message(err, err.Error())})
		return append(lines, w.end(t, server, spec, events)...)
	}
	raw := strings.NewReplacer(a.film...).Replace(film)
	media, err := job.ParseMedia([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	events = append(events, job.Event{Kind: job.InputProbedEvent, Metadata: media.Raw}, job.Event{Kind: job.InputTransferredEvent})
	made, ended := w.outputs(t, spec, media)
	return append(append(lines, made...), w.end(t, server, spec, append(events, ended...))...)
}

// input reads the input.
func (w *world) input(t *testing.T, in job.Input) ([]string, error) {
	t.Helper()
	src, err := w.usual.Source(t.Context(), in)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(w.dir, "input"); err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		err = storage.FetchRetrying(t.Context(), retry.Policy{Tries: 1}, src, f, large-1)
	}
	var lines []string
	for _, l := range w.wire.took() {
		lines = append(lines, "input: "+l)
	}
	if err == nil {
		return lines, nil
	}
	if strings.Contains(err.Error(), "192.0.2.1") {
		return lines, nil // it would have been reached
	}
	return append(lines, "input fails: "+refusal(err)), err
}

// outputs plans and stores what the job asks for, and says how each output ends.
func (w *world) outputs(t *testing.T, spec *job.Spec, media job.Media) (lines []string, ended []job.Event) {
	t.Helper()
	fail := func(key string, err error) {
		lines = append(lines, "output fails: "+refusal(err))
		ended = append(ended, job.Event{Kind: job.OutputFailedEvent, Output: key, Error: job.Message(err, err.Error())})
	}
	vars := coconut.Vars(media)
	outputs := make([]*job.Output, len(spec.Outputs))
	for i, req := range spec.Outputs {
		wanted, err := coconut.EvalCondition(req, vars)
		if err == nil && !wanted {
			lines = append(lines, "output is skipped: "+req.Key)
			ended = append(ended, job.Event{Kind: job.OutputSkippedEvent, Output: req.Key})
			continue
		}
		if err == nil {
			outputs[i], err = coconut.ResolveOutput(req, vars)
		}
		if err != nil {
			fail(req.Key, err)
		}
	}
	plan := transcode.Build(outputs, media, transcode.Options{})
	lines = append(lines, planLines(plan)...)
	for _, f := range plan.Fetches {
		if src, err := w.usual.URL(t.Context(), plan.Secrets[f.URL]); err == nil {
			_, _ = src.Open(t.Context(), 0)
		}
	}
	for _, l := range w.wire.took() {
		lines = append(lines, "fetched: "+l)
	}
	for i, o := range outputs {
		if o == nil {
			continue
		}
		if err := plan.Results[i].Err; err != nil {
			fail(o.Key, err)
			continue
		}
		result, stored, err := w.store(t, spec, o, plan.Results[i])
		lines = append(lines, stored...)
		if err != nil {
			fail(o.Key, err)
			continue
		}
		if result.Metadata = media.Raw; o.Type == job.TypeImage {
			result.Metadata = nil
		}
		ended = append(ended, job.Event{Kind: job.OutputCompletedEvent, Output: o.Key, Result: result})
	}
	return lines, ended
}

// store puts the first file of each kind into the storage, as a worker does.
func (w *world) store(t *testing.T, spec *job.Spec, o *job.Output, res transcode.Result) (result job.Result, lines []string, err error) {
	t.Helper()
	bucket, err := w.bucket(t.Context(), spec, o)
	if err != nil {
		return result, nil, err
	}
	defer storage.Close(bucket)
	form := map[string]string{"job_id": jobID, "encoded_video_id": o.Key}
	batch, isBatch := bucket.(storage.BatchPutter)
	for _, f := range published(o, res) {
		options := storage.PutOptions{ContentType: f.kind, Form: form}
		if isBatch {
			err = errors.Join(err, batch.PutBatch(t.Context(), []storage.Item{{Key: f.key, Body: strings.NewReader("made"), Options: options}}))
		} else {
			err = errors.Join(err, bucket.Put(t.Context(), f.key, strings.NewReader("made"), options))
		}
		switch u := bucket.URL(f.key); {
		case o.Type == job.TypeStream:
			result.Streams = append(result.Streams, job.StreamURL{Format: f.format, URL: u})
		case o.Type == job.TypeImage:
			result.URLs = append(result.URLs, u)
		default:
			result.URL = u
		}
	}
	for _, l := range w.wire.took() {
		lines = append(lines, "storage: "+l)
	}
	if err != nil && strings.Contains(err.Error(), "192.0.2.1") {
		err = nil // it would have been reached
	}
	return result, lines, err
}

func (w *world) bucket(ctx context.Context, spec *job.Spec, o *job.Output) (storage.Bucket, error) {
	opener := w.usual
	if spec.Storage != nil && spec.Storage.Service == "s3" && spec.Storage.Region == "recorded" {
		opener = w.amazon
	}
	if !o.URL.IsZero() {
		return opener.Upload(ctx, o.URL)
	}
	kind := "files"
	if o.Type == job.TypeStream {
		kind = "streams"
	}
	return opener.Bucket(ctx, spec.Storage, storage.Namespace{JobID: jobID, Kind: kind, Created: accepted})
}

type object struct{ key, kind, format string }

// published are the files that clients are told of. The entries of a stream are
// named as package stream names them.
func published(o *job.Output, res transcode.Result) (list []object) {
	for _, f := range res.Files {
		name := f.Path
		if f.Count > 0 {
			name = fmt.Sprintf(name, 1)
		}
		if !o.URL.IsZero() {
			name = string(o.Type) + "." + o.Format.Extension()
		}
		list = append(list, object{key: name, kind: f.ContentType})
	}
	for _, p := range res.Packages {
		format := "hls"
		if p.Layout == stream.CMAF {
			format = "hlsfmp4"
		}
		if p.HLS {
			list = append(list, object{path.Join(p.Path, p.Name+".m3u8"), "application/vnd.apple.mpegurl", format})
		}
		if p.DASH {
			list = append(list, object{path.Join(p.Path, p.Name+".mpd"), "application/dash+xml", "dash"})
		}
	}
	return list
}
