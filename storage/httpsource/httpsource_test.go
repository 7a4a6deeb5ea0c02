package httpsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noWait = retry.Policy{Waits: []time.Duration{0}}

func newClient(t *testing.T, o netguard.Options) *http.Client {
	t.Helper()
	c := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}).HTTPClient(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func open(t *testing.T, address string) (*Source, error) {
	t.Helper()
	return Open(t.Context(), newClient(t, netguard.Options{}), job.NewSecret(address), noWait)
}

func mustOpen(t *testing.T, address string) *Source {
	t.Helper()
	s, err := open(t, address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(s *Source, offset int64) (string, error) {
	r, err := s.Open(context.Background(), offset)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

const content = "0123456789"

func withRanges(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"v1"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
}

func withoutRanges(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10")
	io.WriteString(w, content)
}

func chunked(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, content[:5])
	w.(http.Flusher).Flush()
	io.WriteString(w, content[5:])
}

func refusesRanges(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(status)
			return
		}
		withoutRanges(w, r)
	}
}

func TestServers(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		size    int64
		ranges  bool
	}{
		{"ranges", withRanges, 10, true},
		{"no ranges", withoutRanges, 10, false},
		{"chunked", chunked, -1, false},
		{"400 to ranges", refusesRanges(400), 10, false},
		{"416 to ranges", refusesRanges(416), 10, false},
		{"501 to ranges", refusesRanges(501), 10, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustOpen(t, newServer(t, tt.handler).URL+"/clip.mp4?sig=x#t=1")
			if s.Size() != tt.size || s.Ranges() != tt.ranges {
				t.Errorf("size %d, ranges %v; want %d, %v", s.Size(), s.Ranges(), tt.size, tt.ranges)
			}
			for _, offset := range []int64{0, 1, 9} {
				if got, err := read(s, offset); err != nil || got != content[offset:] {
					t.Errorf("from %d: %q, %v", offset, got, err)
				}
			}
			if got, err := read(s, 10); tt.size >= 0 && (err != nil || got != "") {
				t.Errorf("from the end: %q, %v", got, err)
			}
		})
	}
}

func TestEmptyFile(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"ranges": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(""))
		},
		"416": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes */0")
			w.WriteHeader(416)
		},
		"no ranges": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
	} {
		s := mustOpen(t, newServer(t, h).URL)
		if s.Size() != 0 {
			t.Errorf("%s: size %d", name, s.Size())
		}
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) { got = r; withRanges(w, r) })
	address := strings.Replace(srv.URL, "http://", "http://us%40er:pa%3Ass@", 1) + "/a%20b%2Fc.mp4?X-Amz-Signature=abc%2B"
	s := mustOpen(t, address)
	if _, err := read(s, 5); err != nil {
		t.Fatal(err)
	}
	if user, password, ok := got.BasicAuth(); !ok || user != "us@er" || password != "pa:ss" {
		t.Errorf("Basic auth %q %q", user, password)
	}
	if got.RequestURI != "/a%20b%2Fc.mp4?X-Amz-Signature=abc%2B" {
		t.Errorf("request for %s", got.RequestURI)
	}
	for name, want := range map[string]string{"Range": "bytes=5-", "If-Range": `"v1"`, "Accept-Encoding": "identity"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v", s.url), "pa") {
		t.Errorf("the source keeps the password in %+v", s.url)
	}
}

func TestChangedFile(t *testing.T) {
	type version struct{ content, etag, modified string }
	const monday, tuesday = "Mon, 23 Nov 2026 10:00:00 GMT", "Tue, 24 Nov 2026 10:00:00 GMT"
	tests := []struct {
		name          string
		before, after version
		ranges        bool
		changed       bool
	}{
		{"same", version{content, `"1"`, monday}, version{content, `"1"`, monday}, true, false},
		{"other etag", version{content, `"1"`, ""}, version{content, `"2"`, ""}, true, true},
		{"other size", version{content, "", ""}, version{content + "x", "", ""}, true, true},
		{"other date", version{content, "", monday}, version{content, "", tuesday}, true, true},
		{"other node of a cluster", version{content, `"1"`, monday}, version{content, `"2"`, monday}, true, false},
		{"weak etags tell nothing", version{content, `W/"1"`, ""}, version{content, `W/"2"`, ""}, true, false},
		{"other etag without ranges", version{content, `"1"`, ""}, version{content, `"2"`, ""}, false, true},
		{"shorter", version{content, "", ""}, version{"012", "", ""}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := tt.before
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if now.etag != "" {
					w.Header().Set("ETag", now.etag)
				}
				if now.modified != "" {
					w.Header().Set("Last-Modified", now.modified)
				}
				if !tt.ranges {
					r.Header.Del("Range")
				}
				modified, _ := http.ParseTime(now.modified)
				http.ServeContent(w, r, "", modified, strings.NewReader(now.content))
			})
			s := mustOpen(t, srv.URL)
			now = tt.after
			got, err := read(s, 4)
			if !tt.changed && (err != nil || got != content[4:]) {
				t.Errorf("read %q, %v", got, err)
			}
			if msg := job.Message(err, ""); tt.changed && msg != "The input changed on 127.0.0.1 while it was being read." {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

func TestWrongRange(t *testing.T) {
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-0/10")
		w.WriteHeader(206)
		io.WriteString(w, "0")
	})
	if _, err := read(mustOpen(t, srv.URL), 4); !strings.Contains(job.Message(err, ""), "with another part") {
		t.Errorf("error = %v", err)
	}
}

func TestSentences(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	const from = "The input could not be downloaded from 127.0.0.1: "
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(withRanges))
	secure.StartTLS()
	t.Cleanup(secure.Close)
	tests := []struct {
		name, url string
		handler   http.HandlerFunc
		requests  int
		want      string
	}{
		{"404", "", status(404), 1, from + "HTTP status code: 404 (Not Found)."},
		{"410", "", status(410), 1, from + "HTTP status code: 410 (Gone)."},
		{"401", "", status(401), 1, from + "HTTP status code: 401 (Unauthorized: the address needs a user name and a password, or those in it are wrong)."},
		{"403", "", status(403), 1, from + "HTTP status code: 403 (Forbidden: access is denied, or a signed address has expired)."},
		{"500", "", status(500), 3, from + "HTTP status code: 500 (Internal Server Error)."},
		{"429", "", status(429), 3, from + "HTTP status code: 429 (Too Many Requests)."},
		{"unknown", "", status(799), 3, from + "HTTP status code: 799."},
		{"405 twice", "", status(405), 2, from + "HTTP status code: 405 (Method Not Allowed)."},
		{"breaks", "", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 3, from + "the connection broke off."},
		{"hangs", "", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 1, from + "it did not answer in time."},
		{"redirects for ever", "", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x?token=secret", http.StatusFound) }, 11, "The address redirects more than 10 times."},
		{"refused", closed.URL, nil, 0, from + "the connection was refused."},
		{"TLS", secure.URL, nil, 0, from + "its TLS certificate is signed by an unknown authority."},
		{"private address", "http://10.0.0.1", nil, 0, "The address 10.0.0.1 is refused because it is a private address; the operator of this server can allow it with COPRA_ALLOW_NETWORKS or --allow-network."},
		{"no URL", "http://", nil, 0, "The input has a 'url' that is not a valid http or https address."},
		{"scheme", "file:///etc/passwd", nil, 0, "The input has a 'url' that is not a valid http or https address."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			if tt.handler != nil {
				tt.url = newServer(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); tt.handler(w, r) }).URL
			}
			address := strings.Replace(tt.url, "://", "://hunter1:hunter2@", 1) + "/hunter3?token=hunter4"
			if tt.url == "http://" {
				address = tt.url
			}
			client := newClient(t, netguard.Options{HeaderTimeout: 50 * time.Millisecond})
			_, err := Open(t.Context(), client, job.NewSecret(address), noWait)
			e, ok := errors.AsType[*job.Error](err)
			if !ok || e.Message != tt.want {
				t.Fatalf("error = %v\nwant %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error tells secrets: %v", err)
			}
			if n := int(requests.Load()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

func TestRecoversWhileOpening(t *testing.T) {
	var requests atomic.Int32
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) < 3 {
			w.WriteHeader(503)
			return
		}
		withRanges(w, r)
	})
	if s := mustOpen(t, srv.URL); s.Size() != 10 {
		t.Errorf("size %d", s.Size())
	}
}

func TestCancelledWhileOpening(t *testing.T) {
	cancelled := errors.New("cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	srv := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(cancelled)
		<-r.Context().Done()
	})
	_, err := Open(ctx, newClient(t, netguard.Options{}), job.NewSecret(srv.URL), noWait)
	if !errors.Is(err, cancelled) {
		t.Errorf("error = %v", err)
	}
}

// TestFetch fetches a file from a server that breaks off, stalls and fails.
func TestFetch(t *testing.T) {
	large := bytes.Repeat([]byte(content), 100_000)
	var requests atomic.Int32
	release := make(chan struct{})
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		switch requests.Add(1) {
		case 2: // half, then a break
			w.Header().Set("Content-Length", "1000000")
			w.Write(large[:500_000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case 3:
			w.WriteHeader(503)
		case 4: // some, then silence
			w.Header().Set("Content-Range", "bytes 500000-999999/1000000")
			w.Header().Set("Content-Length", "500000")
			w.WriteHeader(206)
			w.Write(large[500_000:600_000])
			w.(http.Flusher).Flush()
			<-release
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(large))
		}
	})
	defer close(release)
	client := newClient(t, netguard.Options{IdleTimeout: 100 * time.Millisecond})
	s, err := Open(t.Context(), client, job.NewSecret(srv.URL), noWait)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "input"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := storage.FetchRetrying(t.Context(), noWait, s, f, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(f.Name()); !bytes.Equal(got, large) {
		t.Errorf("%d bytes arrived", len(got))
	}
	if n := requests.Load(); n != 5 {
		t.Errorf("%d requests, want 5", n)
	}
}

func TestParseContentRange(t *testing.T) {
	for s, want := range map[string][2]int64{
		"bytes 0-0/10": {0, 10}, "bytes 5-9/*": {5, -1}, "bytes 5-9/ 10 ": {5, 10},
	} {
		if start, total, ok := parseContentRange(s); !ok || start != want[0] || total != want[1] {
			t.Errorf("parseContentRange(%q) = %d, %d, %v", s, start, total, ok)
		}
	}
	for _, s := range []string{"", "bytes", "bytes */10", "bytes 0-9", "0-9/10", "bytes a-b/c", "bytes 0-9/-5"} {
		if _, _, ok := parseContentRange(s); ok {
			t.Errorf("parseContentRange(%q) succeeded", s)
		}
	}
}
