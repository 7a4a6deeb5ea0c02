// Package rangeserver serves an input, while it arrives, to ffmpeg and ffprobe: on the
// loopback interface, under paths that cannot be guessed. So they need no access to the
// network, and nothing of the file is fetched that they do not read.
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

	"github.com/copra-video/copra/storage/sparse"
)

// Server serves one file until it is closed.
type Server struct {
	file   *sparse.File
	base   string
	http   *http.Server
	cancel context.CancelFunc
	served sync.WaitGroup // the accept loop and each request

	mu     sync.Mutex
	open   map[string]*Address // by path
	closed bool
}

// Address is where one program reads the file.
type Address struct {
	// URL is http://127.0.0.1:PORT/SECRET.
	URL string

	server  *Server
	path    string
	ctx     context.Context //nolint:containedctx // of the requests under it
	cancel  context.CancelFunc
	bytes   atomic.Int64
	waiting atomic.Int64
}

// Serve starts a Server for a file. The server ends with ctx or by Close, which must be
// called.
func Serve(ctx context.Context, file *sparse.File) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s := &Server{file: file, base: "http://" + l.Addr().String(), open: map[string]*Address{}}
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

// Open makes an address for one program. Close of it must be called.
func (s *Server) Open(ctx context.Context) *Address {
	secret := make([]byte, 16)
	rand.Read(secret)
	a := &Address{server: s, path: "/" + hex.EncodeToString(secret)}
	a.URL = s.base + a.path
	a.ctx, a.cancel = context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[a.path] = a
	return a
}

// Served returns how many bytes were read at the address so far, and whether a reader
// waits for some.
func (a *Address) Served() (bytes int64, waiting bool) {
	return a.bytes.Load(), a.waiting.Load() > 0
}

// Close ends the requests at the address.
func (a *Address) Close() {
	a.cancel()
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	delete(a.server.open, a.path)
}

// smallBuffer keeps the system from reading ahead of ffprobe. Bytes in the
// buffer are fetched in vain when ffprobe seeks elsewhere.
func smallBuffer(c net.Conn, state http.ConnState) {
	if t, ok := c.(*net.TCPConn); ok && state == http.StateNew {
		_ = t.SetWriteBuffer(64 << 10)
	}
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

// ServeHTTP answers GET and HEAD of open addresses, with one range at a time.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.served.Done()
	s.mu.Lock()
	a := s.open[r.URL.Path]
	s.mu.Unlock()
	if a == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	size := s.file.Size()
	if size < 0 {
		h.Set("Accept-Ranges", "none")
		a.copy(w, r, http.StatusOK, 0, -1)
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
	a.copy(w, r, status, start, end)
}

// copy sends the bytes from start to end (-1: all). If the file fails it breaks the
// connection, so that no reader takes the part for the whole.
func (a *Address) copy(w http.ResponseWriter, r *http.Request, status int, start, end int64) {
	w.WriteHeader(status)
	if r.Method == http.MethodHead || start == end {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)()
	in := a.server.file.Reader(start)
	defer in.Close()
	if end >= 0 {
		a.send(ctx, w, in, end-start)
		return
	}
	buf := make([]byte, 64<<10)
	for {
		a.waiting.Add(1)
		n, err := in.Read(ctx, buf)
		a.waiting.Add(-1)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		sent, err := w.Write(buf[:n])
		a.bytes.Add(int64(sent))
		if err != nil {
			return
		}
	}
}

// sendBytes is how much is sent at most before it is counted.
const sendBytes = 256 << 10

// send sends so many bytes. The system copies them from the file to the connection.
func (a *Address) send(ctx context.Context, w io.Writer, in *sparse.Reader, left int64) {
	for left > 0 {
		a.waiting.Add(1)
		n, err := in.Wait(ctx, min(left, sendBytes))
		a.waiting.Add(-1)
		if err == nil {
			n, err = in.Send(w, n)
			a.bytes.Add(n)
			left -= n
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
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
