package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/internal/testmedia"
)

// TestConsumers replays what programs that use Coconut send (coconut-v2.md section 10).
// Requests have their shapes, with small inputs and with the addresses and keys of
// stand-ins. Where a consumer names a service without an "endpoint", the replay adds one,
// and its comment says so.
func TestConsumers(t *testing.T) {
	t.Parallel()
	shared(t)
	for name, replay := range map[string]func(*testing.T, *consumer){
		"craft-coconut":       replayCraft,
		"laravel-coconut":     replayLaravel,
		"laravel-coconut-v2":  replayLaravelStorages,
		"JustFans":            replayJustFans,
		"Sponzy":              replaySponzy,
		"Vankosoft":           replayVankosoft,
		"spin-archive":        replaySpinArchive,
		"B2 HLS service":      replayB2,
		"SvelteKit photos":    replayPhotos,
		"Azure HLS service":   replayAzureHLS,
		"R2 and Next":         replayR2,
		"Supabase":            replaySupabase,
		"FastAPI and IPFS":    replayFastAPI,
		"presigned and keyed": replayPresigned,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &consumer{client: shared(t).client, name: "consumer-" + strings.ToLower(strings.ReplaceAll(name, " ", "-"))}
			replay(t, c)
		})
	}
}

// consumer is one of those programs.
type consumer struct {
	client
	name   string // of its webhook, and of its bucket
	header http.Header
}

// fill puts the addresses of this run into a request. pairs are a word and its replacement,
// in turn. $INPUT and $HOOK are always known.
func (c *consumer) fill(t *testing.T, request string, pairs ...string) string {
	t.Helper()
	if strings.Contains(request, "$INPUT") {
		pairs = append(pairs, "$INPUT", short(t))
	}
	filled := strings.NewReplacer(append(pairs, "$HOOK", hooks(t).url(c.name))...).Replace(request)
	if strings.Contains(filled, "\"$") {
		t.Fatalf("a word is not filled in: %s", filled)
	}
	return filled
}

// post sends a body unchanged, with the consumer's own headers.
func (c *consumer) post(t *testing.T, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+"/jobs", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.key, "")
	for name, values := range c.header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// accepted posts a body that must be accepted.
func (c *consumer) accepted(t *testing.T, body string) jobDoc {
	t.Helper()
	status, answer := c.post(t, body)
	if status != http.StatusCreated {
		t.Fatalf("%d %s\n%s", status, answer, body)
	}
	j := parseJob(t, answer)
	if j.Status != "job.starting" || j.Progress != "0%" || len(j.ID) != 14 {
		t.Errorf("%s", answer)
	}
	return j
}

// done replays a request that must be accepted, and whose job must complete.
func (c *consumer) done(t *testing.T, body string) jobDoc {
	t.Helper()
	j := c.wait(t, c.accepted(t, body).ID, 90*time.Second)
	if j.Status != "job.completed" || j.Progress != "100%" {
		t.Fatalf("the job failed: %s", j.raw)
	}
	return j
}

// hooked waits for job.completed, and returns the consumer's webhooks up to then. Each must
// have the members of the captured envelope, in their order.
func (c *consumer) hooked(t *testing.T) []webhook {
	t.Helper()
	got := hooks(t).await(t, c.name, "job.completed", 30*time.Second)
	for _, h := range got {
		if diff := cmp.Diff([]string{"job_id", "event", "metadata", "data"}, members(t, h.raw)); diff != "" {
			t.Errorf("members of the envelope (-want +got):\n%s", diff)
		}
		if ct := h.header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
			t.Errorf("Content-Type %q", ct)
		}
	}
	return got
}

// members returns the names in an object, in their order.
func members(t *testing.T, raw []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(name))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// bucket makes the consumer's bucket in the S3 server and returns the pairs
// for fill.
func (c *consumer) bucket(t *testing.T) (*s3server.Server, []string) {
	t.Helper()
	return c.bucketOf(t, s3(t))
}

func (c *consumer) bucketOf(t *testing.T, s *s3server.Server) (*s3server.Server, []string) {
	t.Helper()
	s.CreateBucket(t, c.name)
	return s, []string{"$BUCKET", c.name, "$ENDPOINT", s.Endpoint, "$ACCESS", s.AccessKey, "$SECRET", s.SecretKey, "$REGION", s.Region}
}

// holds fails the test unless the bucket has objects with these keys, none of them empty.
func (c *consumer) holds(t *testing.T, s *s3server.Server, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if body, _, err := s.Object(c.name, key); err != nil || len(body) == 0 {
			t.Errorf("no %s (%v) among %q", key, err, s.Keys(t, c.name))
		}
	}
}

// ends fails the test unless an address ends with want.
func ends(t *testing.T, url, want string) {
	t.Helper()
	if !strings.HasSuffix(url, want) {
		t.Errorf("the address %s does not end with %s", url, want)
	}
}

// The Craft CMS plugin: hashes for formats, keys, lists, and all events with metadata. The
// captured webhooks are of this plugin.
func replayCraft(t *testing.T, c *consumer) {
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"service": "coconut", "path": "/_coconut/"},
		"outputs": {
			"avi:240p": {"key": "avi:240p", "format": {"resolution": "0x240", "video_bitrate": "500k"}, "path": "/avi-240p.avi"},
			"webm:480p": [
				{"key": "intro:webm:480p", "format": {"resolution": "0x480"}, "duration": 1, "path": "/intro.webm"},
				{"key": "webm:480p", "format": {"resolution": "0x480"}, "path": "/full.webm"}],
			"jpg:480x": {"key": "jpg:480x", "path": "/images/%.2d.jpg", "offsets": [0]},
			"gif:300x": {"key": "gif:300x", "path": "/a.gif", "scene": {"number": 1, "duration": 1}}
		},
		"notification": {"type": "http", "url": "$HOOK", "events": true, "metadata": true}}`))
	for key, format := range map[string]string{"avi:240p": "avi:0x240_500k", "intro:webm:480p": "webm:0x480", "webm:480p": "webm:0x480"} {
		o := j.output(t, key)
		if o.Format != format || o.Type != "video" || o.Status != "video.encoded" {
			t.Errorf("%+v", o)
		}
	}
	ends(t, j.output(t, "avi:240p").URL, "/avi-240p.avi")
	ends(t, j.output(t, "jpg:480x").images(t)[0], "/images/01.jpg")
	probe(t, save(t, j.output(t, "avi:240p").URL, "a.avi")).has(t, "avi", "mpeg4")

	got := c.hooked(t)
	for i, h := range got {
		var d struct {
			Type, Status, Progress string
			Metadata               json.RawMessage
		}
		if err := json.Unmarshal(h.Data, &d); err != nil {
			t.Fatal(err)
		}
		order, progress := []string{"status", "progress", "metadata"}, "100%"
		switch {
		case h.Event == "output.completed":
			progress = fmt.Sprintf("%d%%", 100*i/6) // five outputs, the input before them
			order = []string{"type", "status", "progress", "key", "url", "metadata"}
			if d.Type == "image" {
				order = []string{"type", "status", "progress", "key", "urls"}
			}
		case h.Event == "job.completed":
			order = []string{"type", "status", "progress", "id", "created_at", "completed_at", "input", "outputs"}
		}
		if diff := cmp.Diff(order, members(t, h.Data)); diff != "" {
			t.Errorf("data of %s (-want +got):\n%s", h.Event, diff)
		}
		if d.Progress != progress || h.Metadata != (d.Type != "image") {
			t.Errorf("%s has progress %s, want %s, and metadata %v", h.Event, d.Progress, progress, h.Metadata)
		}
	}
	if list := events(got); len(list) != 7 || list[0] != "input.transferred" || list[6] != "job.completed" {
		t.Errorf("events %q", list)
	}
}

// AmphiBee's Laravel package: outputs as strings, in Amazon's storage, in place of which the
// operator has configured another server, and a callback with the video's number in its
// path.
func replayLaravel(t *testing.T, c *consumer) {
	gateway, words := c.bucket(t)
	c.name += "/coconut/callback/17"
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"service": "s3", "bucket": "$BUCKET", "region": "$REGION", "credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}},
		"outputs": {"jpg:720x": "/17/path.jpg", "mp4:240p": {"path": "/17/240p.mp4"}},
		"notification": {"type": "http", "url": "$HOOK"}}`, words...))
	c.hooked(t)
	c.name = words[1]
	c.holds(t, gateway, "17/path.jpg", "17/240p.mp4")
	ends(t, j.output(t, "jpg:720x").images(t)[0], "/17/path.jpg")
}

// The storages that the Laravel packages configure and that have no stand-in here: the
// request is accepted. Its input does not exist, so nothing is sent to the services.
// storage/gcs and storage/ftp are tested with servers of their own.
func replayLaravelStorages(t *testing.T, c *consumer) {
	for _, storage := range []string{
		`{"service": "gcs", "bucket": "b", "credentials": {"access_key_id": "GOOG1", "secret_access_key": "s"}, "path": "/videos"}`,
		`{"url": "ftp://user:pass@ftp.example.com/videos", "public_host": "https://cdn.example.com"}`,
		`{"service": "s3", "bucket": "b", "region": "eu-west-3", "secure": true, "acl": "public-read", "credentials": {"access_key_id": "a", "secret_access_key": "s"}}`,
	} {
		body := c.fill(t, `{"input": {"url": "$GONE"}, "storage": `+storage+`, "outputs": {"mp4:720p": {"path": "/a.mp4"}}}`, "$GONE", inputs(t).srv.URL+"/status/404")
		if j := c.wait(t, c.accepted(t, body).ID, 60*time.Second); j.Input.Status != "input.failed" || j.Outputs[0].Status != "video.aborted" {
			t.Errorf("%s", j.raw)
		}
	}
}

// JustFans: its MinIO is the input too, written as the storage with a key.
func replayJustFans(t *testing.T, c *consumer) {
	gateway, words := c.bucket(t)
	first := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"}, "outputs": {"mp4:copy": {"path": "/posts/original.mp4"}},
		"storage": {"service": "s3other", "bucket": "$BUCKET", "endpoint": "$ENDPOINT", "force_path_style": true, "region": "$REGION",
			"credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}}}`, words...))
	ends(t, first.Outputs[0].URL, "/posts/original.mp4")
	j := c.done(t, c.fill(t, `{
		"settings": {"ultrafast": true},
		"input": {"service": "s3other", "bucket": "$BUCKET", "endpoint": "$ENDPOINT", "force_path_style": true, "region": "$REGION", "acl": "public-read", "path": "/posts",
			"credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}, "key": "/posts/original.mp4"},
		"storage": {"service": "s3other", "bucket": "$BUCKET", "endpoint": "$ENDPOINT", "force_path_style": true, "region": "$REGION", "acl": "public-read", "path": "/posts",
			"credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}},
		"outputs": {
			"jpg:540p": {"key": "jpg:medium", "path": "/thumbnails/a.jpg", "offsets": [1]},
			"jpg:720p": {"key": "jpg:blurred", "path": "/blurred/a.jpg", "offsets": [1], "blur": 5},
			"mp4": [
				{"key": "mp4:240p", "path": "/240.mp4", "format": {"resolution": "240p", "quality": 4}},
				{"key": "mp4:360p", "path": "/360.mp4", "format": {"resolution": "360p", "quality": 4}}]
		},
		"notification": {"type": "http", "url": "$HOOK?post=8", "metadata": true, "params": {"token": "a&b", "attachment": 7}}}`, words...))
	c.holds(t, gateway, "posts/thumbnails/a.jpg", "posts/blurred/a.jpg", "posts/240.mp4", "posts/360.mp4")
	if o := j.output(t, "mp4:360p"); o.Format != "mp4:360p::quality=4" {
		t.Errorf("%+v", o)
	}
	got := c.hooked(t)
	var data struct {
		Input struct {
			Metadata struct {
				Streams []struct {
					Width    int
					Duration string
				}
			}
		}
	}
	if err := json.Unmarshal(got[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	if s := data.Input.Metadata.Streams; len(got) != 1 || len(s) == 0 || s[0].Width != 320 || s[0].Duration == "" {
		t.Errorf("data.input.metadata.streams[0] of %s", got[0].Data)
	}
	if q := got[0].query; q.Get("post") != "8" || q.Get("token") != "a&b" || q.Get("attachment") != "7" {
		t.Errorf("query %v", q)
	}
}

// Sponzy: results arrive as forms. Only those of videos have a video_id.
func replaySponzy(t *testing.T, c *consumer) {
	forms := newFormServer(t)
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"url": "$FORMS/webhook/storage/9"},
		"outputs": {
			"mp4:::quality=5": {"path": "/a.mp4", "watermark": false},
			"jpg:240p": {"path": "/a.jpg", "number": 1}
		},
		"notification": {"type": "http", "url": "$HOOK"}}`, "$FORMS", forms.URL))
	c.hooked(t)
	ends(t, j.output(t, "mp4:::quality=5").URL, "/webhook/storage/9/a.mp4")
	for name, isVideo := range map[string]bool{"a.mp4": true, "a.jpg": false} {
		f, ok := forms.take(name)
		if !ok || f.path != "/webhook/storage/9/"+name || f.size == 0 || f.values.Get("job_id") != j.ID || f.values.Has("video_id") != isVideo {
			t.Errorf("form of %s: %+v", name, f)
		}
	}
}

// Vankosoft's platform: DigitalOcean Spaces with a watermark, and events with metadata. The
// endpoint is added.
func replayVankosoft(t *testing.T, c *consumer) {
	gateway, words := c.bucketOf(t, s3server.StartIn(t, "fra1"))
	words = append(words, "$LOGO", inputs(t).add(testmedia.Clip(t, testmedia.Logo)))
	c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"service": "dospaces", "bucket": "$BUCKET", "region": "$REGION", "endpoint": "$ENDPOINT", "path": "/transcoded", "acl": "private",
			"credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}},
		"outputs": {"mp4:360p": {"path": "/5/360p.mp4", "watermark": {"url": "$LOGO", "position": "bottomright"}}, "jpg:300x": {"path": "/5/thumb.jpg"}},
		"notification": {"type": "http", "url": "$HOOK", "events": true, "metadata": true, "params": {"video": 5}}}`, words...))
	c.holds(t, gateway, "transcoded/5/360p.mp4", "transcoded/5/thumb.jpg")
	if got := events(c.hooked(t)); len(got) != 4 || got[0] != "input.transferred" || !slices.Contains(got, "output.completed mp4:360p") {
		t.Errorf("events %q", got)
	}
}

// spin-archive: Wasabi, and a ladder of conditions. The endpoint is added.
func replaySpinArchive(t *testing.T, c *consumer) {
	gateway, words := c.bucket(t)
	j := c.done(t, c.fill(t, `{
		"input": {"url": "$INPUT"},
		"storage": {"service": "wasabi", "bucket": "$BUCKET", "region": "$REGION", "endpoint": "$ENDPOINT", "credentials": {"access_key_id": "$ACCESS", "secret_access_key": "$SECRET"}},
		"outputs": {
			"jpg:300x": {"path": "/u/1_thumb.jpg"},
			"mp4:240p::quality=4": {"key": "240p", "path": "/u/1_240.mp4", "if": "{{ input.width }} >= 320"},
			"mp4:720p::quality=4": {"key": "720p", "path": "/u/1_720.mp4", "if": "{{ input.width }} >= 1280"},
			"mp4:1080p::quality=4": {"key": "1080p", "path": "/u/1_1080.mp4", "if": "{{ input.width }} >= 1920"}
		},
		"notification": {"type": "http", "url": "$HOOK", "params": {"key": "secret"}, "events": true, "metadata": true}}`, words...))
	for key, status := range map[string]string{"240p": "video.encoded", "720p": "video.skipped", "1080p": "video.skipped"} {
		if o := j.output(t, key); o.Status != status {
			t.Errorf("%+v", o)
		}
	}
	c.holds(t, gateway, "u/1_thumb.jpg", "u/1_240.mp4")
	for _, h := range c.hooked(t) {
		if h.JobID != j.ID || h.Event == "" || len(h.Data) == 0 || h.query.Get("key") != "secret" {
			t.Errorf("%s with %v", h.raw, h.query)
		}
	}
}

// A demo site: the test storage, and JavaScript's fetch with a string, which sends
// text/plain.
func replaySupabase(t *testing.T, c *consumer) {
	c.header = http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}
	j := c.done(t, c.fill(t, `{"input":{"url":"$INPUT"},"storage":{"service":"coconut"},"outputs":{"mp4:360p":{"path":"/video.mp4"},"httpstream":{"hls":{"path":"hls/"}}}}`))
	probe(t, j.output(t, "httpstream").stream(t, "hls")).has(t, "hls", "h264")
	probe(t, j.output(t, "mp4:360p").URL).has(t, "mp4", "aac")
}

// The FastAPI service shows its users why a request was refused, and tries a bearer token
// first.
func replayFastAPI(t *testing.T, c *consumer) {
	for _, tt := range []struct{ body, code, says string }{
		{`{"input":{"url":"http://a/b.mp4"},"storage":{"service":"ipfs_pinata","credentials":{"api_key":"a","secret_api_key":"b"}},"outputs":{"mp4":{"path":"/a.mp4","video":{"codec":"h264"},"audio":{"codec":"aac"}}}}`, "output_param_not_valid", "video"},
		{`{"input":{"url":"http://a/b.mp4"},"storage":{"service":"ipfs"},"outputs":{"mp4":{"path":"/a.mp4"}}}`, "storage_service_not_valid", "ipfs"},
		{`{"input":{"url":"http://a/b.mp4"},"storage":{"credentials":{}},"outputs":{"mp4":{"path":"/a.mp4"}}}`, "storage_service_not_valid", "missing"},
		{`{"input":{"url":"http://a/b.mp4"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}},"notification":{}}`, "notification_not_valid", "url"},
		{`{"input":"http://a/b.mp4","storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}}}`, "input_not_valid", "input"},
	} {
		status, body := c.post(t, tt.body)
		refused(t, status, body, tt.code, tt.says)
	}
	c.header = http.Header{"Authorization": {"Bearer " + c.key}}
	if status, body := c.post(t, `{}`); status != http.StatusUnauthorized || !bytes.Contains(body, []byte(`"authentication_failed"`)) {
		t.Errorf("Bearer: %d %s", status, body)
	}
	// Both of its services are accepted. The input does not exist, so nothing is sent to
	// them.
	c.header = nil
	for _, storage := range []string{
		`{"service":"ipfs_pinata","credentials":{"api_key":"a","secret_api_key":"b"},"gateway_dns":"x.mypinata.cloud"}`,
		`{"service":"ipfs_infura","credentials":{"project_id":"a","project_secret":"b"}}`,
	} {
		c.accepted(t, c.fill(t, `{"input":{"url":"$GONE"},"storage":`+storage+`,"outputs":{"mp4":{"path":"/a.mp4"}}}`, "$GONE", inputs(t).srv.URL+"/status/404"))
	}
}
