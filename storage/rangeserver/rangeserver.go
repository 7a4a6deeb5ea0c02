// Package rangeserver serves a storage.Source to ffprobe: on the loopback
// interface, under a path that cannot be guessed. So a file is probed without
// fetching all of it, and ffprobe needs no access to the network.
package rangeserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Server serves one source until it is closed.
type Server struct {
	src    storage.Source
	policy retry.Policy
	url    string
	path   string
	http   *http.Server
	cancel context.CancelFunc
	served sync.WaitGroup // the accept loop and each request
	bytes  atomic.Int64
	mu     sync.Mutex
	err    error
	closed bool
}

// Serve starts a Server for src. p is for its broken connections. The server
// ends with ctx or by Close, which must be called.
func Serve(ctx context.Context, src storage.Source, p retry.Policy) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	secret := make([]byte, 16)
	rand.Read(secret)
	s := &Server{src: src, policy: p, path: "/" + hex.EncodeToString(secret)}
	s.url = "http://" + l.Addr().String() + s.path
	ctx, s.cancel = context.WithCancel(ctx)
	s.http = &http.Server{
		Handler:     s,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   smallBuffer,
		ErrorLog:    log.New(io.Discard, "", 0), // ffprobe hangs up once it has read enough, which is no error
	}
	s.served.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// smallBuffer keeps the system from reading ahead of ffprobe. Bytes in the
// buffer are fetched in vain when ffprobe seeks elsewhere.
func smallBuffer(c net.Conn, state http.ConnState) {
	if t, ok := c.(*net.TCPConn); ok && state == http.StateNew {
		_ = t.SetWriteBuffer(64 << 10)
	}
}

// URL is the address to probe.
func (s *Server) URL() string { return s.url }

// Bytes returns how many bytes were read so far.
func (s *Server) Bytes() int64 { return s.bytes.Load() }

// Err is the first failure of the source that explains a failed probe (a
// *job.Error).
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the requests that are under way and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	s.served.Wait()
	return err
}

// enter counts a request as running, unless the server is closed already.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.served.Add(1)
	return true
}

// ServeHTTP answers GET and HEAD of the one path, with one range at a time.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.served.Done()
	if r.URL.Path != s.path {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	size := s.src.Size()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if size < 0 || !s.src.Ranges() {
		h.Set("Accept-Ranges", "none")
		if size >= 0 {
			h.Set("Content-Length", strconv.FormatInt(size, 10))
		}
		s.copy(w, r, http.StatusOK, 0, size)
		return
	}
	h.Set("Accept-Ranges", "bytes")
	start, end, partial, ok := parseRange(r.Header.Get("Range"), size)
	if !ok {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	h.Set("Content-Length", strconv.FormatInt(end-start, 10))
	status := http.StatusOK
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, size))
		status = http.StatusPartialContent
	}
	s.copy(w, r, status, start, end)
}

// copy sends the bytes from start to end (-1: all). If the source fails it
// breaks the connection, so that no reader takes the part for the whole.
func (s *Server) copy(w http.ResponseWriter, r *http.Request, status int, start, end int64) {
	if r.Method == http.MethodHead || start == end {
		w.WriteHeader(status)
		return
	}
	in := storage.NewReader(r.Context(), s.src, start, s.policy)
	defer func() { _ = in.Close() }()
	var body io.Reader = in
	if end >= 0 {
		body = io.LimitReader(in, end-start)
	}
	w.WriteHeader(status)
	n, err := io.CopyBuffer(onlyWriter{w, &s.bytes}, body, make([]byte, 32<<10))
	if err == nil && end >= 0 && n != end-start {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		s.note(err)
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) note(err error) {
	if _, ok := errors.AsType[*job.Error](err); !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

type onlyWriter struct {
	w io.Writer
	n *atomic.Int64
}

func (o onlyWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.n.Add(int64(n))
	return n, err
}

// parseRange reads a Range header for a file of size bytes: the bytes from start
// up to, not including, end. A header that is not understood is ignored, as RFC
// 9110 asks. ok is false when no byte can be served.
func parseRange(header string, size int64) (start, end int64, partial, ok bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash || strings.Contains(spec, ",") {
		return 0, size, false, true
	}
	from, errFrom := strconv.ParseInt(first, 10, 64)
	to, errTo := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && errTo == nil && to >= 0: // the last bytes
		return max(size-to, 0), size, true, to > 0 && size > 0
	case errFrom != nil || from < 0 || last != "" && (errTo != nil || to < from):
		return 0, size, false, true
	case last == "" || to >= size:
		to = size - 1
	}
	return from, to + 1, true, from < size
}
