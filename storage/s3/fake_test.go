package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fake is an S3 server that records requests and answers as a test says. It is
// for what no real server does.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	requests []recorded
	// answer may handle request number n (from 1) itself. It reports whether it
	// has.
	answer func(n int, w http.ResponseWriter, r *http.Request) bool
}

type recorded struct {
	method, uri string
	header      http.Header
	body        string
}

func newFake(t *testing.T) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.requests = append(f.requests, recorded{r.Method, r.RequestURI, r.Header, string(body)})
	n := len(f.requests)
	f.mu.Unlock()
	if f.answer != nil && f.answer(n, w, r) {
		return
	}
	switch q := r.URL.Query(); {
	case r.Method == http.MethodPost && q.Has("uploads"):
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>up1</UploadId></InitiateMultipartUploadResult>")
	case r.Method == http.MethodPost:
		fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
	case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
		fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
	default:
		w.Header().Set("ETag", `"etag"`)
	}
}

func (f *fake) recorded() []recorded {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// fail answers like S3 with an error.
func fail(w http.ResponseWriter, status int, code string) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if code != "" {
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>text of the server</Message></Error>", code)
	}
	return true
}

// transport sends every request to the fake, whatever its host, and records the
// address.
type transport struct {
	f    *fake
	mu   sync.Mutex
	urls []string
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	t.urls = append(t.urls, r.URL.String())
	t.mu.Unlock()
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(t.f.URL, "http://")
	return http.DefaultTransport.RoundTrip(r)
}
