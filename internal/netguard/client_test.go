package netguard

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func loopbackAllowed() *Guard {
	return New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")})
}

func newTestClient(t *testing.T, o Options) *http.Client {
	c := loopbackAllowed().HTTPClient(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestRedirectLoopEnds(t *testing.T) {
	hits := 0
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		if ref := r.Header.Get("Referer"); ref != "" {
			t.Errorf("Referer %q was sent", ref)
		}
		http.Redirect(w, r, srv.URL+"/again?token=x", http.StatusFound)
	}))
	defer srv.Close()
	_, err := newTestClient(t, Options{}).Get(srv.URL + "?token=secret")
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Message != "The address redirects more than 10 times." {
		t.Errorf("error = %v", err)
	}
	if hits != 11 {
		t.Errorf("%d requests, want 11", hits)
	}
	resp, err := newTestClient(t, Options{MaxRedirects: NoRedirects}).Get(srv.URL)
	if err != nil || resp.StatusCode != http.StatusFound {
		t.Fatalf("without redirects: %v, %v", resp, err)
	}
	resp.Body.Close()
}

func TestRedirectToOtherScheme(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	}))
	defer srv.Close()
	_, err := newTestClient(t, Options{}).Get(srv.URL)
	if e, ok := errors.AsType[*job.Error](err); !ok || !strings.Contains(e.Message, `"file"`) {
		t.Errorf("error = %v", err)
	}
}

func TestProxyIsIgnored(t *testing.T) {
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	resp, err := newTestClient(t, Options{}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestStalledBody(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		<-release
	}))
	defer srv.Close()
	defer close(release)
	resp, err := newTestClient(t, Options{IdleTimeout: 50 * time.Millisecond}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if string(got) != "half" || !errors.Is(err, ErrStalled) {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestStalledUpload(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	endless := struct{ io.Reader }{io.LimitReader(zeros{}, 1<<30)}
	_, err := newTestClient(t, Options{IdleTimeout: 50 * time.Millisecond}).Post(srv.URL, "", endless)
	if err == nil || Describe(err) != "it did not answer in time" {
		t.Errorf("error = %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestHeaderTimeout(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	_, err := newTestClient(t, Options{HeaderTimeout: 50 * time.Millisecond}).Get(srv.URL)
	if Describe(err) != "it did not answer in time" {
		t.Errorf("Describe(%v) = %q", err, Describe(err))
	}
}

func TestDescribe(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := httptest.NewServer(nil)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	defer secure.Close()
	breaks := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer breaks.Close()
	client := newTestClient(t, Options{})
	for url, want := range map[string]string{
		closed.URL: "the connection was refused",
		secure.URL: "its TLS certificate is signed by an unknown authority",
		breaks.URL: "the connection broke off",
		strings.Replace(plain.URL, "http:", "https:", 1): "it does not speak TLS",
	} {
		_, err := client.Get(url + "/?token=secret")
		if got := Describe(err); got != want {
			t.Errorf("Describe(%v) = %q, want %q", err, got, want)
		}
		if s := StripURL(err).Error(); strings.Contains(s, "secret") {
			t.Errorf("StripURL left %q", s)
		}
	}
	for err, want := range map[error]string{
		&net.DNSError{IsNotFound: true}:  "the host name does not exist",
		&net.DNSError{IsTemporary: true}: "the host name could not be looked up",
		context.DeadlineExceeded:         "it did not answer in time",
		tls.AlertError(40):               "it refused the TLS handshake",
		errors.New("odd"):                "the connection did not work",
	} {
		if got := Describe(err); got != want {
			t.Errorf("Describe(%v) = %q, want %q", err, got, want)
		}
	}
}
