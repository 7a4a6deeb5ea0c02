package sparse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/httpsource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// origin is a web server with one file. Its members may be changed by serve, for one
// request, under its lock.
type origin struct {
	t       *testing.T
	content []byte
	serve   func(o *origin, w http.ResponseWriter, r *http.Request, n int) (done bool) // nil: nothing special

	mu       sync.Mutex
	requests []string // their ranges
	running  int
	sent     int64
}

const tag = `"v1"`

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.requests = append(o.requests, r.Header.Get("Range"))
	n := len(o.requests)
	o.running++
	o.mu.Unlock()
	defer func() { o.mu.Lock(); o.running--; o.mu.Unlock() }()
	if o.serve != nil && o.serve(o, w, r, n) {
		return
	}
	o.send(w, r, tag, o.content)
}

// send answers as a server does that keeps the rules.
func (o *origin) send(w http.ResponseWriter, r *http.Request, etag string, content []byte) {
	from, to := rangeOf(r, len(content))
	if m := r.Header.Get("If-Range"); m != "" && m != etag {
		from, to = 0, len(content)
	}
	w.Header().Set("ETag", etag)
	head(w, from, to, len(content))
	o.write(w, content[from:to])
}

// head sends the header of an answer.
func head(w http.ResponseWriter, from, to, size int) {
	if _, set := w.Header()["Etag"]; !set {
		w.Header().Set("ETag", tag)
	}
	w.Header().Set("Content-Length", strconv.Itoa(to-from))
	if to-from < size {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
		w.WriteHeader(http.StatusPartialContent)
	}
}

func (o *origin) write(w io.Writer, p []byte) {
	for len(p) > 0 {
		n, err := w.Write(p[:min(len(p), 16<<10)])
		if err != nil {
			return
		}
		p = p[n:]
		o.mu.Lock()
		o.sent += int64(n)
		o.mu.Unlock()
	}
}

func rangeOf(r *http.Request, size int) (from, to int) {
	a, b, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	from, _ = strconv.Atoi(a)
	to, err := strconv.Atoi(b)
	if err != nil || to >= size {
		to = size - 1
	}
	return from, to + 1
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

var quick = Options{Retry: retry.Policy{Waits: []time.Duration{time.Millisecond}}}

// open starts the origin and opens its file.
func (o *origin) open(options Options) *File {
	o.t.Helper()
	srv := httptest.NewServer(o)
	o.t.Cleanup(srv.Close)
	client := srv.Client()
	o.t.Cleanup(client.CloseIdleConnections)
	src, err := httpsource.Open(o.t.Context(), client, job.NewSecret(srv.URL+"/in.mp4"), options.Retry)
	if err != nil {
		o.t.Fatal(err)
	}
	f, err := Open(o.t.Context(), src, filepath.Join(o.t.TempDir(), "in"), options)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = f.Close() })
	return f
}

// read reads n bytes at an offset.
func read(ctx context.Context, f *File, at int64, n int) ([]byte, error) {
	p := make([]byte, n)
	got, err := f.ReaderAt(ctx).ReadAt(p, at)
	return p[:got], err
}

func (o *origin) want(f *File, at int64, n int) {
	o.t.Helper()
	got, err := read(o.t.Context(), f, at, n)
	if err != nil || string(got) != string(o.content[at:at+int64(n)]) {
		o.t.Errorf("%d bytes at %d: %d bytes, %v", n, at, len(got), err)
	}
}

// wantWhole has all of the file fetched, and compares it.
func (o *origin) wantWhole(f *File) {
	o.t.Helper()
	if err := f.FetchAll(); err != nil {
		o.t.Fatal(err)
	}
	if err := f.Wait(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	o.want(f, 0, len(o.content))
	if !f.Complete() || f.Size() != int64(len(o.content)) {
		o.t.Errorf("complete: %t, %d bytes", f.Complete(), f.Size())
	}
}

// wantError checks that reading ends with a sentence.
func (o *origin) wantError(f *File, at int64, says string) {
	o.t.Helper()
	got, err := read(o.t.Context(), f, at, len(o.content)-int(at))
	if string(got) != string(o.content[at:at+int64(len(got))]) {
		o.t.Errorf("at %d something else was read", at)
	}
	o.isError(err, says)
	o.isError(f.Err(), says)
}

func (o *origin) isError(err error, says string) {
	o.t.Helper()
	e, ok := errors.AsType[*job.Error](err)
	if !ok || !strings.Contains(e.Message, says) {
		o.t.Errorf("the error is %v, want %q", err, says)
	}
}
