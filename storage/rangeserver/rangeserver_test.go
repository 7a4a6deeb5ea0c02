package rangeserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
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

func serve(t *testing.T, src storage.Source) *Server {
	t.Helper()
	s, err := Serve(t.Context(), src, retry.Policy{Waits: []time.Duration{0}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
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
	s := serve(t, &source{content: []byte("0123456789"), size: 10, ranges: true})
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
		resp, body, err := get(t, "GET", s.URL(), tt.byteRange)
		if err != nil || resp.StatusCode != tt.status || body != tt.body || resp.Header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%q: %v %q %q, %v", tt.byteRange, resp.Status, body, resp.Header.Get("Content-Range"), err)
		}
		sum += len(body)
	}
	if s.Bytes() != int64(sum) {
		t.Errorf("counted %d bytes, want %d", s.Bytes(), sum)
	}
	if resp, _, _ := get(t, "HEAD", s.URL(), ""); resp.ContentLength != 10 || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %v", resp.Header)
	}
	for _, u := range []string{strings.TrimSuffix(s.URL(), s.path) + "/", s.URL() + "x", s.URL() + "/"} {
		if resp, _, _ := get(t, "GET", u, ""); resp.StatusCode != 404 {
			t.Errorf("%s: %s", u, resp.Status)
		}
	}
	if resp, _, _ := get(t, "POST", s.URL(), ""); resp.StatusCode != 405 {
		t.Errorf("POST: %s", resp.Status)
	}
}

func TestWithoutRanges(t *testing.T) {
	for name, src := range map[string]*source{
		"no ranges":    {content: []byte("0123456789"), size: 10},
		"unknown size": {content: []byte("0123456789"), size: -1, ranges: true},
	} {
		resp, body, err := get(t, "GET", serve(t, src).URL(), "bytes=5-")
		if err != nil || resp.StatusCode != 200 || body != "0123456789" || resp.Header.Get("Accept-Ranges") != "none" {
			t.Errorf("%s: %v %q, %v", name, resp, body, err)
		}
	}
	resp, body, err := get(t, "GET", serve(t, &source{ranges: true}).URL(), "")
	if err != nil || resp.StatusCode != 200 || body != "" {
		t.Errorf("empty: %v %q, %v", resp, body, err)
	}
}

func TestSourceFails(t *testing.T) {
	gone := job.Errorf(job.InputNotFound, "The file is gone.")
	s := serve(t, &source{size: 10, ranges: true, fail: gone})
	if _, body, err := get(t, "GET", s.URL(), ""); err == nil {
		t.Errorf("a broken source was served: %q", body)
	}
	if err := s.Err(); !errors.Is(err, gone) {
		t.Errorf("Err = %v", err)
	}
}

func TestCloseEndsRequests(t *testing.T) {
	src := &source{size: 10, ranges: true, block: make(chan struct{})}
	s := serve(t, src)
	done := make(chan error)
	go func() {
		resp, err := client.Get(s.URL())
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
	if s.Err() != nil {
		t.Errorf("Err = %v", s.Err())
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
	s := serve(t, &source{content: content, size: int64(len(content)), ranges: true})
	out, err = exec.Command(ffprobe, "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", s.URL()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "video") || !strings.Contains(string(out), "audio") {
		t.Errorf("ffprobe: %v, %s", err, out)
	}
	if s.Bytes() > int64(len(content))/2 {
		t.Errorf("%d of %d bytes were read", s.Bytes(), len(content))
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
