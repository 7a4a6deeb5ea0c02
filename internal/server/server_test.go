package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

// server is a process with the API and a database of its own, and with a worker
// when the test starts one.
type server struct {
	t     testing.TB
	srv   *Server
	base  string
	key   postgres.Key
	token job.Secret
}

func startServer(t testing.TB) *server {
	t.Helper()
	return startServerAt(t, pgtest.New(t).URL)
}

// startServerAt is startServer with the database at an address.
func startServerAt(t testing.TB, database string) *server {
	t.Helper()
	srv := NewAPI(settings.Settings{
		Listen: "127.0.0.1:0", DatabaseURL: database, DatabaseConns: 20, SecretKeys: job.NewSecret(seal.Generate()),
		StorageDir: t.TempDir(), WorkDir: t.TempDir(), AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Slots: 1, Uploads: 2, MaxInputBytes: 1 << 30,
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &server{t: t, srv: srv, base: srv.settings.PublicURL + "/v2"}
	var err error
	if s.key, s.token, err = srv.store.CreateKey(t.Context(), "test", job.Secret{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// startWorker adds a worker to the process.
func (s *server) startWorker() {
	s.t.Helper()
	file := CapabilityFile(s.srv.settings.WorkDir)
	detected.Lock()
	defer detected.Unlock()
	if detected.file != nil {
		if err := os.WriteFile(file, detected.file, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	life := context.WithoutCancel(s.t.Context())
	for _, start := range []part{(*Server).findMedia, (*Server).startWorker} {
		if err := start(s.srv, s.t.Context(), life); err != nil {
			s.t.Fatal(err)
		}
	}
	var err error
	if detected.file, err = os.ReadFile(file); err != nil {
		s.t.Fatal(err)
	}
}

// detected is the file of what ffmpeg can do that the first worker has written. The
// others find it in their work directories: asking ffmpeg takes longer than most
// tests.
var detected struct {
	sync.Mutex
	file []byte
}

// do sends a request and returns status and body.
func (s *server) do(method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth(s.token.Reveal(), "")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// create posts a job and returns its id.
func (s *server) create(body string) string {
	s.t.Helper()
	status, answer := s.do("POST", "/jobs", body)
	var j client.Job
	if err := json.Unmarshal([]byte(answer), &j); err != nil || status != 201 {
		s.t.Fatalf("POST: %d %s", status, answer)
	}
	return j.ID
}

func (s *server) get(id string) client.Job {
	s.t.Helper()
	status, answer := s.do("GET", "/jobs/"+id, "")
	var j client.Job
	if err := json.Unmarshal([]byte(answer), &j); err != nil || status != 200 {
		s.t.Fatalf("GET: %d %s", status, answer)
	}
	return j
}

// jobFor is a request with two outputs, and webhooks for every event.
func jobFor(input, hook string) string {
	return fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},
		"outputs":{"jpg:64x":{"path":"/a.jpg"},"mp4:480p":{"path":"/a.mp4"}},
		"notification":{"type":"http","url":%q,"events":true}}`, input, hook)
}

// unanswered is the address of an input whose server does not answer. A job
// waits for it until it is cancelled.
func unanswered(t testing.TB) string {
	t.Helper()
	release := make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	t.Cleanup(func() { close(release); source.Close() })
	return source.URL + "/a.mp4"
}

// hook is a webhook receiver.
type hook struct {
	mu     sync.Mutex
	got    []received
	answer func(n int) int // status of the nth request, from 1; nil: 204
}

type received struct {
	header http.Header
	body   []byte
	event  string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var e struct{ Event string }
	_ = json.Unmarshal(body, &e)
	h.mu.Lock()
	h.got = append(h.got, received{r.Header.Clone(), bytes.Clone(body), e.Event})
	n, answer := len(h.got), h.answer
	h.mu.Unlock()
	status := http.StatusNoContent
	if answer != nil {
		status = answer(n)
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
}

func (h *hook) all() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

// eventually waits until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.After(testtime.Allow(30 * time.Second))
	for tick := time.Tick(10 * time.Millisecond); !f(); {
		select {
		case <-tick:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}
