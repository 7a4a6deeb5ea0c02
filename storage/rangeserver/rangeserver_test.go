package rangeserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/sparse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type source struct {
	content []byte
	size    int64
	ranges  bool
	fail    error
	block   chan struct{}
}

func (s *source) Size() int64  { return s.size }
func (s *source) Ranges() bool { return s.ranges }

func (s *source) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	if s.block != nil {
		close(s.block)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return io.NopCloser(bytes.NewReader(s.content[offset:])), nil
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func serve(t *testing.T, src storage.Source) (*Server, *Address) {
	t.Helper()
	f, err := sparse.Open(t.Context(), src, filepath.Join(t.TempDir(), "in"), sparse.Options{Retry: retry.Policy{Waits: []time.Duration{0}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); f.Close() })
	return s, s.Open(t.Context())
}

func get(t *testing.T, method, url, byteRange string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestRanges(t *testing.T) {
	_, a := serve(t, &source{content: []byte("0123456789"), size: 10, ranges: true})
	tests := []struct {
		byteRange    string
		status       int
		body         string
		contentRange string
	}{
		{"", 200, "0123456789", ""},
		{"bytes=0-", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=3-5", 206, "345", "bytes 3-5/10"},
		{"bytes=9-9", 206, "9", "bytes 9-9/10"},
		{"bytes=5-1000", 206, "56789", "bytes 5-9/10"},
		{"bytes=-3", 206, "789", "bytes 7-9/10"},
		{"bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=10-", 416, "", "bytes */10"},
		{"bytes=-0", 416, "", "bytes */10"},
		{"bytes=5-3", 200, "0123456789", ""},
		{"bytes=a-b", 200, "0123456789", ""},
		{"bytes=1-2,4-5", 200, "0123456789", ""},
		{"lines=1-2", 200, "0123456789", ""},
	}
	sum := 0
	for _, tt := range tests {
		resp, body, err := get(t, "GET", a.URL, tt.byteRange)
		if err != nil || resp.StatusCode != tt.status || body != tt.body || resp.Header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%q: %v %q %q, %v", tt.byteRange, resp.Status, body, resp.Header.Get("Content-Range"), err)
		}
		sum += len(body)
	}
	if n, waits := a.Served(); n != int64(sum) || waits {
		t.Errorf("counted %d bytes, want %d; waiting: %t", n, sum, waits)
	}
	if resp, _, _ := get(t, "HEAD", a.URL, ""); resp.ContentLength != 10 || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %v", resp.Header)
	}
	for _, u := range []string{strings.TrimSuffix(a.URL, a.path) + "/", a.URL + "x", a.URL + "/"} {
		if resp, _, _ := get(t, "GET", u, ""); resp.StatusCode != 404 {
			t.Errorf("%s: %s", u, resp.Status)
		}
	}
	if resp, _, _ := get(t, "POST", a.URL, ""); resp.StatusCode != 405 {
		t.Errorf("POST: %s", resp.Status)
	}
	a.Close()
	if resp, _, _ := get(t, "GET", a.URL, ""); resp.StatusCode != 404 {
		t.Errorf("closed: %s", resp.Status)
	}
}

// A source without ranges is read from its front, and parts of it are served when they
// have come; one of unknown size is served in one go.
func TestWithoutRanges(t *testing.T) {
	_, a := serve(t, &source{content: []byte("0123456789"), size: 10})
	resp, body, err := get(t, "GET", a.URL, "bytes=5-")
	if err != nil || resp.StatusCode != 206 || body != "56789" || resp.Header.Get("Content-Range") != "bytes 5-9/10" {
		t.Errorf("no ranges: %v %q, %v", resp, body, err)
	}
	_, a = serve(t, &source{content: []byte("0123456789"), size: -1, ranges: true})
	resp, body, err = get(t, "GET", a.URL, "bytes=5-")
	if err != nil || resp.StatusCode != 200 || body != "0123456789" || resp.Header.Get("Accept-Ranges") != "none" {
		t.Errorf("unknown size: %v %q, %v", resp, body, err)
	}
	_, a = serve(t, &source{ranges: true})
	resp, body, err = get(t, "GET", a.URL, "")
	if err != nil || resp.StatusCode != 200 || body != "" {
		t.Errorf("empty: %v %q, %v", resp, body, err)
	}
}

func TestSourceFails(t *testing.T) {
	gone := job.Errorf(job.InputNotFound, "The file is gone.")
	s, a := serve(t, &source{size: 10, ranges: true, fail: gone})
	if _, body, err := get(t, "GET", a.URL, ""); err == nil {
		t.Errorf("a broken source was served: %q", body)
	}
	if err := s.file.Err(); !errors.Is(err, gone) {
		t.Errorf("Err = %v", err)
	}
}

func TestCloseEndsRequests(t *testing.T) {
	src := &source{size: 10, ranges: true, block: make(chan struct{})}
	s, a := serve(t, src)
	done := make(chan error)
	go func() {
		resp, err := client.Get(a.URL)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		done <- err
	}()
	<-src.block
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("the request succeeded")
	}
	if err := s.file.Err(); err != nil {
		t.Errorf("Err = %v", err)
	}
}

// TestCloseOfAddress: what one program reads ends with it, and others read on.
func TestCloseOfAddress(t *testing.T) {
	src := &source{size: 10, ranges: true, block: make(chan struct{})}
	s, a := serve(t, src)
	done := make(chan error)
	go func() { _, _, err := get(t, "GET", a.URL, ""); done <- err }()
	<-src.block
	if _, waits := a.Served(); !waits {
		t.Error("nobody waits")
	}
	a.Close()
	if err := <-done; err == nil {
		t.Error("the request succeeded")
	}
	if resp, _, _ := get(t, "HEAD", s.Open(t.Context()).URL, ""); resp.StatusCode != 200 {
		t.Errorf("another address: %s", resp.Status)
	}
}

// TestProbe checks that ffprobe finds the index at the end of a file without
// reading everything before it.
func TestProbe(t *testing.T) {
	ffmpeg, ffprobe := testmedia.Tool(t, "ffmpeg"), testmedia.Tool(t, "ffprobe")
	clip := t.TempDir() + "/clip.mp4"
	out, err := exec.Command(ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x36:d=1", "-f", "lavfi",
		"-i", "anullsrc=r=48000:cl=stereo:d=200", "-t", "200", "-c:a", "pcm_s16le", "-f", "mov", clip).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content := readFile(t, clip)
	s, a := serve(t, &source{content: content, size: int64(len(content)), ranges: true})
	out, err = exec.Command(ffprobe, "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", a.URL).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "video") || !strings.Contains(string(out), "audio") {
		t.Errorf("ffprobe: %v, %s", err, out)
	}
	if n := s.file.Received(); n > int64(len(content))/2 {
		t.Errorf("%d of %d bytes were read", n, len(content))
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
