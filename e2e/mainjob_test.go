package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/testmedia"
)

// counterSeconds is long enough for three segments of six seconds.
const counterSeconds, counterRate = 13, 25

// The main job of the program: files, pictures and a stream of one input, with
// everything that a client sees of it.
func TestMainJob(t *testing.T) {
	t.Parallel()
	srv, hook := shared(t), hooks(t)
	clip := testmedia.Counter(t, "25", counterSeconds, 640, 360)
	const frames = counterSeconds * counterRate

	posted := time.Now()
	created := srv.create(t, object{
		"input":   object{"url": inputs(t).add(clip)},
		"storage": object{"service": "coconut", "path": "/main"},
		"outputs": object{
			"mp4:360p":   object{"path": "/360.mp4"},
			"webm:320x0": object{"path": "/small.webm", "key": "web"},
			"jpg:160x":   object{"path": "/thumb_%.2d.jpg", "number": 3},
			"httpstream": object{"hls": object{"path": "hls/"}, "dash": object{"path": "/dash", "hlsfmp4": true}, "loudness": -30},
		},
		"notification": object{"type": "http", "url": hook.url("main") + "?video=1&x=a%20b", "events": true, "metadata": true, "params": object{"token": "p&q"}},
	})
	t.Run("answer", func(t *testing.T) { checkAnswer(t, created, posted) })
	j := srv.wait(t, created.ID, 100*time.Second)
	if j.Status != "job.completed" {
		t.Fatalf("the job failed: %s", j.raw)
	}
	t.Run("job", func(t *testing.T) {
		form := regexp.MustCompile(`^\{"id":"` + j.ID + `","created_at":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000","completed_at":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000",` +
			`"status":"job.completed","progress":"100%","input":\{"status":"input.transferred"\},"outputs":\[` +
			`\{"key":"httpstream","type":"httpstream","format":"httpstream","urls":\[\{"format":"hls","url":"[^"]+/main/?hls/master.m3u8"\},\{"format":"dash","url":"[^"]+/main/dash/master.mpd"\},\{"format":"hlsfmp4","url":"[^"]+/main/dash/master.m3u8"\}\],"status":"httpstream.packaged"\},` +
			`\{"key":"jpg:160x","type":"image","format":"jpg:160x","urls":\["[^"]+/main/thumb_01.jpg","[^"]+/main/thumb_02.jpg","[^"]+/main/thumb_03.jpg"\],"status":"image.created"\},` +
			`\{"key":"mp4:360p","type":"video","format":"mp4:360p","url":"[^"]+/main/360.mp4","status":"video.encoded"\},` +
			`\{"key":"web","type":"video","format":"webm:320x0","url":"[^"]+/main/small.webm","status":"video.encoded"\}\]\}\s*$`)
		if !form.Match(j.raw) {
			t.Errorf("job: %s", j.raw)
		}
	})
	t.Run("mp4", func(t *testing.T) {
		u := j.output(t, "mp4:360p").URL
		file := save(t, u, "a.mp4")
		f := probe(t, file)
		f.has(t, "mp4", "h264")
		f.has(t, "mp4", "aac")
		f.lasts(t, "mp4", counterSeconds, 0.1)
		if w, h := f.video(t, "mp4"); w != 640 || h != 360 {
			t.Errorf("mp4 is %dx%d", w, h)
		}
		inOrder(t, "mp4", testmedia.ReadFrames(t, file), frames)
		if beeps := testmedia.Beeps(t, file); len(beeps) != counterSeconds || beeps[0] > 0.05 {
			t.Errorf("beeps %v", beeps)
		}
		checkRanges(t, u, "video/mp4")
	})
	t.Run("webm", func(t *testing.T) {
		f := probe(t, save(t, j.output(t, "web").URL, "a.webm"))
		f.has(t, "webm", "vp8")
		f.has(t, "webm", "vorbis")
		f.lasts(t, "webm", counterSeconds, 0.1)
		if w, h := f.video(t, "webm"); w != 320 || h != 180 {
			t.Errorf("webm is %dx%d", w, h)
		}
	})
	t.Run("jpg", func(t *testing.T) {
		urls := j.output(t, "jpg:160x").images(t)
		var shown []int
		for _, u := range urls {
			file := save(t, u, "a.jpg")
			if w, h := probe(t, file).video(t, "picture"); w != 160 || h != 90 {
				t.Errorf("picture is %dx%d", w, h)
			}
			shown = append(shown, testmedia.ReadFrames(t, file)...)
		}
		if len(urls) != 3 || len(shown) != 3 || !slices.IsSorted(shown) || shown[0] < 0 || shown[2]-shown[1] < frames/6 || shown[1]-shown[0] < frames/6 {
			t.Errorf("%d pictures show the frames %v of %d", len(urls), shown, frames)
		}
	})
	stream := j.output(t, "httpstream")
	t.Run("hls", func(t *testing.T) { checkHLS(t, stream.stream(t, "hls"), ".ts", frames) })
	t.Run("hlsfmp4", func(t *testing.T) { checkHLS(t, stream.stream(t, "hlsfmp4"), ".m4s", frames) })
	t.Run("dash", func(t *testing.T) {
		u := stream.stream(t, "dash")
		f := probe(t, u)
		f.lasts(t, "dash", counterSeconds, 0.1)
		if f.count("video") != 2 || f.count("audio") == 0 {
			t.Errorf("dash has %+v", f.Streams)
		}
		// The first of its variants, by another demuxer than that of HLS.
		inOrder(t, "dash", testmedia.ReadFrames(t, u), frames)
		checkRanges(t, u, "application/dash+xml")
	})
	t.Run("loudness", func(t *testing.T) { checkLoudness(t, srv.client, j, stream.stream(t, "hls")) })
	t.Run("webhooks", func(t *testing.T) { checkWebhooks(t, hook.count(t, "main", 6, 20*time.Second), j) })
	t.Run("metadata", func(t *testing.T) { checkMetadata(t, srv.client, j) })
	t.Run("described", func(t *testing.T) {
		d := served(t, srv.client)
		d.holds(t, "Job", created.raw)
		d.holds(t, "Job", j.raw)
		for _, h := range hook.all("main") {
			d.holds(t, "Notification", h.raw)
		}
		_, metadata, _ := srv.send(t, http.MethodGet, "/metadata/jobs/"+j.ID, nil)
		d.holds(t, "Metadata", metadata)
	})
}

func checkAnswer(t *testing.T, j jobDoc, posted time.Time) {
	form := regexp.MustCompile(`^\{"id":"[0-9A-Za-z]{14}","created_at":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000","completed_at":null,` +
		`"status":"job.starting","progress":"0%","input":\{"status":"input.starting"\},"outputs":\[` +
		`\{"key":"httpstream","type":"httpstream","format":"httpstream","status":"httpstream.waiting"\},` +
		`\{"key":"jpg:160x","type":"image","format":"jpg:160x","status":"image.waiting"\},` +
		`\{"key":"mp4:360p","type":"video","format":"mp4:360p","status":"video.waiting"\},` +
		`\{"key":"web","type":"video","format":"webm:320x0","status":"video.waiting"\}\]\}\s*$`)
	if !form.Match(j.raw) {
		t.Errorf("answer: %s", j.raw)
	}
	at, err := time.Parse("2006-01-02 15:04:05 -0700", j.CreatedAt)
	if err != nil || at.Sub(posted).Abs() > time.Minute {
		t.Errorf("created at %q, posted at %s: %v", j.CreatedAt, posted, err)
	}
}

// checkRanges makes the requests that players make for a file.
func checkRanges(t *testing.T, u, contentType string) {
	t.Helper()
	whole := fetch(t, u)
	status, part, h := fetchRange(t, u, "bytes=10-19")
	if status != http.StatusPartialContent || !bytes.Equal(part, whole[10:20]) || h.Get("Content-Range") != fmt.Sprintf("bytes 10-19/%d", len(whole)) {
		t.Errorf("a range of %s: %d, %q, %v", u, status, part, h)
	}
	if h.Get("Content-Type") != contentType || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s is served with %v", u, h)
	}
	// An address with another secret part must not exist.
	if other := regexp.MustCompile(`/[0-9a-f]{32}/`).ReplaceAllString(u, "/"+strings.Repeat("0", 32)+"/"); other == u {
		t.Errorf("%s can be guessed", u)
	} else if status, _, _ := fetchRange(t, other, ""); status != http.StatusNotFound {
		t.Errorf("%s answered %d", other, status)
	}
}

// checkHLS downloads a stream through its playlists and decodes every frame.
func checkHLS(t *testing.T, master, segment string, frames int) {
	dir := t.TempDir()
	names := downloadHLS(t, master, dir)
	text, err := os.ReadFile(filepath.Join(dir, "master.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("#EXT-X-STREAM-INF:")); n != 3 { // 240p, 360p and sound alone
		t.Errorf("master playlist of %d variants:\n%s", n, text)
	}
	segments := 0
	for _, n := range names {
		if path.Ext(n) == segment {
			segments++
		}
	}
	if segments < 2*3 {
		t.Errorf("%d segments of kind %s in %v", segments, segment, names)
	}
	inOrder(t, "the best variant", testmedia.ReadFrames(t, best(t, text, dir)), frames)
	f := probe(t, filepath.Join(dir, "master.m3u8"))
	f.lasts(t, "hls", counterSeconds, 0.15)
	if w, h := f.video(t, "hls"); h != 240 && h != 360 {
		t.Errorf("the first variant is %dx%d", w, h)
	}
}

// best is the playlist of the variant with the most lines.
func best(t *testing.T, master []byte, dir string) string {
	t.Helper()
	m := regexp.MustCompile(`#EXT-X-STREAM-INF:[^\n]*RESOLUTION=640x360[^\n]*\n([^\n]+)`).FindSubmatch(master)
	if m == nil {
		t.Fatalf("no variant of 640x360 in\n%s", master)
	}
	return filepath.Join(dir, filepath.FromSlash(strings.TrimSpace(string(m[1]))))
}

var playlistURI = regexp.MustCompile(`(?m)^([^#\s].*)$|URI="([^"]+)"`)

// downloadHLS downloads a multivariant playlist and everything it names into
// dir.
func downloadHLS(t *testing.T, master, dir string) []string {
	t.Helper()
	base, err := url.Parse(master)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	todo := []string{path.Base(base.Path)}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		body := fetch(t, base.ResolveReference(&url.URL{Path: name}).String())
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if path.Ext(name) == ".m3u8" {
			for _, m := range playlistURI.FindAllStringSubmatch(string(body), -1) {
				todo = append(todo, path.Join(path.Dir(name), strings.TrimSpace(m[1]+m[2])))
			}
		}
	}
	return names
}

// keyOrder are the members of a JSON object, in order.
func keyOrder(t *testing.T, raw []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		t.Fatalf("no object: %s", raw)
	}
	var keys []string
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, tok.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func checkWebhooks(t *testing.T, got []webhook, j jobDoc) {
	if len(got) != 6 {
		t.Fatalf("%d webhooks: %v", len(got), events(got))
	}
	// Each is delivered by a River job of its own, so their order may change.
	type key struct{ event, key string }
	seen := map[key]object{}
	progress := map[string]bool{}
	for _, h := range got {
		if ua := h.header.Get("User-Agent"); !strings.HasPrefix(ua, "Copra/") || h.header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", h.header)
		}
		want := url.Values{"video": {"1"}, "x": {"a b"}, "token": {"p&q"}}
		if diff := cmp.Diff(want, h.query); diff != "" {
			t.Errorf("query: %s", diff)
		}
		if d := cmp.Diff([]string{"job_id", "event", "metadata", "data"}, keyOrder(t, h.raw)); d != "" || h.JobID != j.ID {
			t.Errorf("envelope: %s %s", d, h.raw)
		}
		var data object
		if err := json.Unmarshal(h.Data, &data); err != nil {
			t.Fatal(err)
		}
		k, _ := data["key"].(string)
		if seen[key{h.Event, k}] != nil {
			t.Errorf("%s of %q came twice", h.Event, k)
		}
		seen[key{h.Event, k}] = data
		_, has := data["metadata"]
		var order []string
		switch h.Event {
		case "input.transferred":
			order = []string{"status", "progress", "metadata"}
			if data["progress"] != "100%" || !h.Metadata {
				t.Errorf("%s", h.raw)
			}
		case "output.completed":
			order = []string{"type", "status", "progress", "key", "url", "metadata"}
			if data["type"] != "video" {
				order[4] = "urls"
			}
			if data["type"] == "image" {
				order = order[:5]
			}
			if h.Metadata != has {
				t.Errorf("the flag says %v: %s", h.Metadata, h.raw)
			}
			progress[data["progress"].(string)] = true
		case "job.completed":
			order = []string{"type", "status", "progress", "id", "created_at", "completed_at", "input", "outputs"}
			if !h.Metadata || data["progress"] != "100%" || data["type"] != "job" || data["id"] != j.ID || data["completed_at"] == nil {
				t.Errorf("%s", h.raw)
			}
			checkEnd(t, h.Data)
		default:
			t.Errorf("event %s", h.Event)
		}
		if d := cmp.Diff(order, keyOrder(t, h.Data)); d != "" {
			t.Errorf("data of %s: %s", h.Event, d)
		}
	}
	want := map[string]bool{"20%": true, "40%": true, "60%": true, "80%": true}
	if diff := cmp.Diff(want, progress); diff != "" {
		t.Errorf("progress of the outputs: %s", diff)
	}
	stream := seen[key{"output.completed", "httpstream"}]
	if stream == nil {
		t.Fatalf("no event of the stream: %v", events(got))
	}
	m, _ := stream["metadata"].(object)
	for _, f := range []string{"hls", "dash", "hlsfmp4"} {
		if of, _ := m[f].(object); of["streams"] == nil || of["format"] == nil {
			t.Errorf("metadata of %s: %v", f, of)
		}
	}
}

// checkEnd reads the metadata of job.completed as scripts do.
func checkEnd(t *testing.T, data []byte) {
	var doc struct {
		Input   struct{ Metadata facts }
		Outputs []struct {
			Key      string
			Type     string
			Metadata json.RawMessage
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if w, h := doc.Input.Metadata.video(t, "input"); w != 640 || h != 360 || len(doc.Outputs) != 4 {
		t.Errorf("%s", data)
	}
	for _, o := range doc.Outputs {
		if (o.Metadata == nil) != (o.Type == "image") {
			t.Errorf("metadata of %s: %s", o.Key, o.Metadata)
		}
	}
}

func checkMetadata(t *testing.T, c client, j jobDoc) {
	get := func(path string) []byte {
		t.Helper()
		status, body, h := c.send(t, http.MethodGet, "/metadata/jobs/"+j.ID+path, nil)
		if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
			t.Errorf("GET metadata%s: %d %s", path, status, body)
		}
		return body
	}
	whole := get("")
	if slashed := get("/"); !bytes.Equal(whole, slashed) {
		t.Errorf("with a slash: %s", slashed)
	}
	var doc struct {
		JobID    string `json:"job_id"`
		Metadata struct {
			Input   facts
			Outputs []map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(whole, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.JobID != j.ID {
		t.Errorf("job_id %q", doc.JobID)
	}
	var keys []string
	for _, o := range doc.Metadata.Outputs {
		for k := range o {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if d := cmp.Diff([]string{"httpstream", "mp4:360p", "web"}, keys); d != "" {
		t.Errorf("outputs: %s", d)
	}
	doc.Metadata.Input.lasts(t, "input", counterSeconds, 0.1)
	for p, key := range map[string]string{"/input": "input", "/mp4:360p": "mp4:360p", "/mp4%3A360p": "mp4:360p", "/source": "source", "/web": "web"} {
		var one struct {
			JobID    string `json:"job_id"`
			Metadata map[string]facts
		}
		if err := json.Unmarshal(get(p), &one); err != nil {
			t.Fatal(err)
		}
		m, ok := one.Metadata[key]
		if one.JobID != j.ID || !ok && key != "source" {
			t.Errorf("metadata%s: %+v", p, one)
		} else if ok {
			m.lasts(t, key, counterSeconds, 0.1)
		}
	}
	if status, body, _ := c.send(t, http.MethodGet, "/metadata/jobs/"+j.ID+"/nothing", nil); status != http.StatusNotFound || len(body) != 0 {
		t.Errorf("metadata of no key: %d %s", status, body)
	}
}

// checkWorkFiles waits until the work files are deleted, which is shortly after
// the job has ended.
func checkWorkFiles(t *testing.T, srv *standalone) {
	t.Helper()
	dir := filepath.Join(srv.data, "work")
	eventually(t, 10*time.Second, "work directory is empty", func() bool { return len(workFiles(t, dir)) == 0 })
}

// checkLoudness measures the sound of the stream, and compares it with what was asked
// for and with the metadata. Of short beeps the meter's blocks of 400 ms see more or
// less, by when they begin.
func checkLoudness(t *testing.T, c client, j jobDoc, u string) {
	_, body, _ := c.send(t, http.MethodGet, "/metadata/jobs/"+j.ID+"/httpstream", nil)
	var doc struct {
		Metadata map[string]struct {
			Loudness []struct{ Target, Input, Gain, Output float64 }
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	list := doc.Metadata["httpstream"].Loudness
	if len(list) != 1 || list[0].Target != -30 || list[0].Output != -30 || math.Abs(list[0].Input+list[0].Gain-list[0].Output) > 0.01 {
		t.Fatalf("figures %+v in %s", list, body)
	}
	out, err := exec.CommandContext(t.Context(), testmedia.Tool(t, "ffmpeg"), "-nostdin", "-i", u, "-map", "0:a:0", "-af", "ebur128", "-f", "null", "-").CombinedOutput()
	_, summary, _ := strings.Cut(string(out), "Integrated loudness:")
	var got float64
	if _, scan := fmt.Sscanf(strings.TrimSpace(summary), "I: %f LUFS", &got); err != nil || scan != nil || math.Abs(got+30) > 1.5 {
		t.Errorf("the stream has %.1f LUFS, want -30: %v", got, errors.Join(err, scan))
	}
}
