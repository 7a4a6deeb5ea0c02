package sparse

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/retry"
)

// TestConnectionsBreak: each request is cut after some bytes.
func TestConnectionsBreak(t *testing.T) {
	o := &origin{t: t, content: pattern(3 << 20)}
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, n int) bool {
		from, to := rangeOf(r, len(o.content))
		if n == 1 || to-from < 200_000 {
			return false
		}
		head(w, from, to, len(o.content))
		o.write(w, o.content[from:from+70_000+n*1000])
		panic(http.ErrAbortHandler)
	}
	f := o.open(quick)
	o.want(f, 1<<20, 1<<20)
	o.wantWhole(f)
}

// TestNeverWhole: a server that always breaks off at the same place.
func TestNeverWhole(t *testing.T) {
	o := &origin{t: t, content: pattern(3 << 20)}
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, _ int) bool {
		from, to := rangeOf(r, len(o.content))
		head(w, from, to, len(o.content))
		o.write(w, o.content[from:max(from, min(to, 1<<20))])
		return true
	}
	f := o.open(quick)
	if err := f.FetchAll(); err != nil {
		t.Fatal(err)
	}
	o.wantError(f, 0, "the connection broke off after 1048576 bytes, again and again")
}

// TestWithoutRanges: the file is read from the front, and who needs its end waits.
func TestWithoutRanges(t *testing.T) {
	for _, sized := range []bool{true, false} {
		breaks := 1
		o := &origin{t: t, content: pattern(3 << 20)}
		o.serve = func(o *origin, w http.ResponseWriter, _ *http.Request, n int) bool {
			w.Header().Set("ETag", tag)
			if sized {
				w.Header().Set("Content-Length", strconv.Itoa(len(o.content)))
			}
			if n > 1 && n <= 1+breaks {
				o.write(w, o.content[:1<<20])
				panic(http.ErrAbortHandler)
			}
			o.write(w, o.content)
			return true
		}
		f := o.open(quick)
		o.want(f, 2<<20, 1<<20)
		o.want(f, 0, len(o.content))
		o.wantWhole(f)
		if len(o.requests) != 3 {
			t.Errorf("there were %d requests", len(o.requests))
		}
	}
}

// TestRangesAreIgnored: a server that has answered the first request for a range answers
// later ones with the whole file. Nothing is thrown away.
func TestRangesAreIgnored(t *testing.T) {
	o := &origin{t: t, content: pattern(3 << 20)}
	o.serve = func(_ *origin, _ http.ResponseWriter, r *http.Request, n int) bool {
		if n > 2 {
			r.Header.Del("Range")
		}
		return false
	}
	f := o.open(quick)
	o.want(f, 1<<20, 1000)
	o.want(f, 2<<20, 1<<20)
	o.wantWhole(f)
	if len(o.requests) != 3 {
		t.Errorf("there were %d requests: %q", len(o.requests), o.requests)
	}
}

// TestLies: another file than at first is never read as a part of the first one.
func TestLies(t *testing.T) {
	other := make([]byte, 3<<20)
	for _, tt := range []struct {
		name, says string
		serve      func(o *origin, w http.ResponseWriter, r *http.Request)
	}{
		{"the file is replaced", "changed on 127.0.0.1 while it was being read", func(o *origin, w http.ResponseWriter, r *http.Request) {
			o.send(w, r, `"v2"`, other)
		}},
		{"the file is replaced, and If-Range ignored", "changed on 127.0.0.1 while it was being read", func(o *origin, w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			o.send(w, r, `"v2"`, other)
		}},
		{"the file grows", "changed on 127.0.0.1 while it was being read", func(o *origin, w http.ResponseWriter, r *http.Request) {
			o.send(w, r, tag, append(slices.Clone(other), 0))
		}},
		{"the file shrinks", "changed on 127.0.0.1 while it was being read", func(_ *origin, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes */1000000")
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}},
		{"another part", "answers requests for a part of it with another part", func(o *origin, w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=0-999999")
			o.send(w, r, tag, other)
		}},
		{"another total", "changed on 127.0.0.1 while it was being read", func(o *origin, w http.ResponseWriter, r *http.Request) {
			from, to := rangeOf(r, len(other))
			w.Header().Set("ETag", tag)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(other)+5))
			w.WriteHeader(http.StatusPartialContent)
			o.write(w, other[from:to])
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &origin{t: t, content: pattern(3 << 20)}
			o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, n int) bool {
				if n > 2 {
					tt.serve(o, w, r)
				}
				return n > 2
			}
			f := o.open(quick)
			o.want(f, 1<<20, 1000)
			o.wantError(f, 2<<20, tt.says)
			if _, err := read(t.Context(), f, 0, 10); err == nil {
				t.Error("the file is read on")
			}
		})
	}
}

// TestReplacedWhileSent: a connection breaks, and the file is another one when it is taken up.
func TestReplacedWhileSent(t *testing.T) {
	o := &origin{t: t, content: pattern(3 << 20)}
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 2 {
			o.send(w, r, `"v2"`, make([]byte, len(o.content)))
			return true
		}
		if n == 2 {
			w.Header().Set("ETag", tag)
			w.Header().Set("Content-Length", strconv.Itoa(len(o.content)))
			o.write(w, o.content[:1<<20])
			panic(http.ErrAbortHandler)
		}
		return false
	}
	f := o.open(quick)
	if err := f.FetchAll(); err != nil {
		t.Fatal(err)
	}
	o.wantError(f, 0, "changed on 127.0.0.1 while it was being read")
}

// TestOneConnection: a server that serves one request at a time, and asks others to wait.
func TestOneConnection(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		o := &origin{t: t, content: pattern(24 << 20)}
		o.serve = func(o *origin, w http.ResponseWriter, _ *http.Request, _ int) bool {
			o.mu.Lock()
			busy := o.running > 1
			o.mu.Unlock()
			if busy {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
			}
			return busy
		}
		f := o.open(Options{Retry: retry.Policy{Waits: []time.Duration{20 * time.Millisecond}}})
		if err := f.FetchAll(); err != nil {
			t.Fatal(err)
		}
		o.want(f, 23<<20, 1000)
		o.want(f, 20<<20, 1<<20)
		o.wantWhole(f)
	}
}

// TestAddressExpires: requests are refused after a time, as with signed addresses. What is
// being sent goes on.
func TestAddressExpires(t *testing.T) {
	more := make(chan struct{})
	o := &origin{t: t, content: pattern(24 << 20)}
	o.serve = func(o *origin, w http.ResponseWriter, _ *http.Request, n int) bool {
		switch {
		case n == 2:
			w.Header().Set("ETag", tag)
			o.write(w, o.content[:1<<20])
			w.(http.Flusher).Flush()
			<-more
			o.write(w, o.content[1<<20:])
		case n > 2:
			w.WriteHeader(http.StatusForbidden)
			close(more)
		}
		return n > 1
	}
	f := o.open(quick)
	if err := f.FetchAll(); err != nil {
		t.Fatal(err)
	}
	o.want(f, 0, 1<<20)
	o.want(f, 23<<20, 1000)
	o.wantWhole(f)

	o = &origin{t: t, content: pattern(3 << 20)}
	o.serve = func(_ *origin, w http.ResponseWriter, _ *http.Request, n int) bool {
		if n > 2 {
			w.WriteHeader(http.StatusForbidden)
		}
		return n > 2
	}
	f = o.open(quick)
	o.want(f, 0, 1000)
	o.wantError(f, 2<<20, "HTTP status code: 403 (Forbidden: access is denied, or a signed address has expired)")
}

// TestCrawls: a server that sends a few bytes and then next to nothing.
func TestCrawls(t *testing.T) {
	o := &origin{t: t, content: pattern(3 << 20)}
	slow := 5
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, n int) bool {
		if n == 1 || n > 1+slow {
			return false
		}
		from, to := rangeOf(r, len(o.content))
		head(w, from, to, len(o.content))
		o.write(w, o.content[from:from+10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	options := quick
	options.Crawl = 20 * time.Millisecond
	f := o.open(options)
	o.wantError(f, 1<<20, "the server sends less than 64 KiB in 20ms, again and again")

	slow, o.requests = 4, nil // the next origin counts anew
	f = o.open(options)
	o.want(f, 1<<20, 100) // the fifth connection is a good one
}
