package e2e

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// inputServer serves files in the ways of real servers. The first part of the
// path selects the way.
type inputServer struct {
	srv    *httptest.Server
	ending chan struct{}

	mu    sync.Mutex
	files map[string]string // by name in the URL: the path
	cuts  map[string]int    // by URL path: how often the connection was cut
}

func newInputServer() *inputServer {
	s := &inputServer{ending: make(chan struct{}), files: map[string]string{}, cuts: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/file/{dir}/{name}", s.whole)
	mux.HandleFunc("/plain/{dir}/{name}", s.plain)
	mux.HandleFunc("/slow/{dir}/{name}", s.slow)
	mux.HandleFunc("/cutting/{dir}/{name}", s.cutting)
	mux.HandleFunc("/broken/{dir}/{name}", s.broken)
	mux.HandleFunc("/single/{dir}/{name}", s.single)
	mux.HandleFunc("/replaced/{dir}/{name}", s.turns(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"second"`)
		s.whole(w, r)
	}))
	mux.HandleFunc("/expires/{dir}/{name}", s.turns(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "expired", http.StatusForbidden)
	}))
	mux.HandleFunc("/misplaced/{dir}/{name}", s.turns(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Range", "bytes=0-99")
		r.Header.Del("If-Range")
		s.whole(w, r)
	}))
	mux.HandleFunc("/redirect/{dir}/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(r.URL.String(), "/redirect/", "/file/", 1), http.StatusFound)
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		http.Error(w, "no", code)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusFound)
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-s.ending:
		}
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>")
	})
	s.srv = httptest.NewServer(mux)
	return s
}

func (s *inputServer) close() {
	close(s.ending)
	s.srv.CloseClientConnections()
	s.srv.Close()
}

// add makes the file at path available and returns its address.
func (s *inputServer) add(path string) string { return s.as("file", path) }

// as is the address of the file at path, served in the given way.
func (s *inputServer) as(way, path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
	s.files[name] = path
	return s.srv.URL + "/" + way + "/" + name
}

func (s *inputServer) open(w http.ResponseWriter, r *http.Request) *os.File {
	s.mu.Lock()
	path := s.files[r.PathValue("dir")+"/"+r.PathValue("name")]
	s.mu.Unlock()
	f, err := os.Open(path)
	if err != nil {
		http.NotFound(w, r)
		return nil
	}
	return f
}

// whole serves as web servers do, with ranges.
func (s *inputServer) whole(w http.ResponseWriter, r *http.Request) {
	if f := s.open(w, r); f != nil {
		defer f.Close()
		http.ServeContent(w, r, "", time.Time{}, f)
	}
}

// plain supports no ranges and sends no length.
func (s *inputServer) plain(w http.ResponseWriter, r *http.Request) {
	if f := s.open(w, r); f != nil {
		defer f.Close()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, f)
	}
}

// slow takes about two seconds for a file.
func (s *inputServer) slow(w http.ResponseWriter, r *http.Request) {
	f := s.open(w, r)
	if f == nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.CopyN(w, f, st.Size()/20+1); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// cutting breaks every second connection off in the middle of its answer.
func (s *inputServer) cutting(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.cuts[r.URL.Path]++
	n := s.cuts[r.URL.Path]
	s.mu.Unlock()
	if n%2 == 0 {
		s.whole(w, r)
		return
	}
	s.whole(&cutWriter{ResponseWriter: w, left: 20 << 10}, r)
}

// single serves one request at a time, and asks others to come later.
func (s *inputServer) single(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.cuts[r.URL.Path]++
	busy := s.cuts[r.URL.Path] > 1
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.cuts[r.URL.Path]--; s.mu.Unlock() }()
	if busy {
		w.Header().Set("Retry-After", "0")
		http.Error(w, "one at a time", http.StatusTooManyRequests)
		return
	}
	w.Header().Set("ETag", `"first"`)
	s.whole(w, r)
}

// turns serves a file well, until most of it is asked for: that answer breaks off, and then
// answers every request.
func (s *inputServer) turns(then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		from, to := 0, math.MaxInt
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		most := to-from > 1<<20
		turned := s.cuts[r.URL.Path] > 0
		if most {
			s.cuts[r.URL.Path]++
		}
		s.mu.Unlock()
		switch {
		case turned:
			then(w, r)
		case most:
			w.Header().Set("ETag", `"first"`)
			s.whole(&cutWriter{ResponseWriter: w, left: 512 << 10}, r)
		default:
			w.Header().Set("ETag", `"first"`)
			s.whole(w, r)
		}
	}
}

// broken announces the whole length, and never sends more than the first half.
func (s *inputServer) broken(w http.ResponseWriter, r *http.Request) {
	f := s.open(w, r)
	if f == nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	_, _ = io.CopyN(w, f, st.Size()/2)
	panic(http.ErrAbortHandler)
}

// cutWriter breaks the connection off after some bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// closedPort is an address at which connections are refused.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}
