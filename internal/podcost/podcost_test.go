package podcost

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// cluster is a server of the API that keeps what was patched.
func cluster(t *testing.T, status int) (o Options, patches <-chan string) {
	t.Helper()
	got := make(chan string, 100)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}, " ")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"namespace": "video\n", "token": "secret\n",
		"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Server: s.URL, Mount: dir, Pod: "worker-1", Log: slog.New(slog.DiscardHandler)}, got
}

func TestPatch(t *testing.T) {
	o, patches := cluster(t, http.StatusOK)
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	r.Begin()
	got := <-patches
	head, body, _ := strings.Cut(got, "{")
	if head != "PATCH /api/v1/namespaces/video/pods/worker-1 Bearer secret application/merge-patch+json " {
		t.Errorf("asked %s", head)
	}
	var patch struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal([]byte("{"+body), &patch); err != nil || patch.Metadata.Annotations[Annotation] != "1" {
		t.Errorf("patched %s: %v", body, err)
	}
	cancel()
	<-ended
}

// A cluster that refuses is asked again; the error names what is missing and not
// the token.
func TestRefused(t *testing.T) {
	o, _ := cluster(t, http.StatusForbidden)
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = r.write(t.Context(), 1)
	if err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "verb patch on pods") || strings.Contains(err.Error(), "secret") {
		t.Errorf("write: %v", err)
	}
}

func TestOutsideOfAPod(t *testing.T) {
	if _, err := New(Options{Mount: t.TempDir(), Pod: "x"}); err == nil || !strings.Contains(err.Error(), "namespace") {
		t.Errorf("New: %v", err)
	}
}

// The cost is that of the oldest job, and is written seldom.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Reporter{now: time.Now, running: map[int]time.Time{}, changed: make(chan struct{}, 1)}
		if c := r.Cost(); c != 0 {
			t.Errorf("idle: %d", c)
		}
		first := r.Begin()
		if c := r.Cost(); c != 1 {
			t.Errorf("just begun: %d", c)
		}
		time.Sleep(100 * time.Second) //nolint:forbidigo // the clock of synctest
		second := r.Begin()
		if c := r.Cost(); c != 64 {
			t.Errorf("after 100 s: %d", c)
		}
		first()
		if c := r.Cost(); c != 1 {
			t.Errorf("the younger one is left: %d", c)
		}
		second()
		if c := r.Cost(); c != 0 {
			t.Errorf("idle again: %d", c)
		}
	})
}
