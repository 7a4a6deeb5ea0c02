package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// long takes longer to encode than any test waits.
var long = testmedia.Recipe{Name: "long.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=120", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50"}}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
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

// TestSubmitInterrupted presses Ctrl-C on a job that encodes.
func TestSubmitInterrupted(t *testing.T) {
	clip := testmedia.Clip(t, long)
	data := openDir(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out syncBuffer
	env := map[string]string{"COPRA_DATA_DIR": data}
	ended := make(chan error, 1)
	go func() {
		ended <- Submit(ctx, command.Call{
			Stdio: command.Stdio{Getenv: func(n string) string { return env[n] }, Stdout: io.Discard, Stderr: &out},
			Name:  "submit", Args: []string{clip, "-o", "mp4:480p"},
		})
	}()
	eventually(t, "the encoder", func() bool { return strings.Contains(out.String(), "video.encoding") || len(ended) > 0 })
	interrupt()
	select {
	case err := <-ended:
		if e, ok := errors.AsType[command.ExitError](err); !ok || e.Code != 130 || !strings.Contains(out.String(), "was cancelled") {
			t.Errorf("it ended with %v:\n%s", err, out.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestFollowWithoutStream follows a job on a server that has no such stream.
func TestFollowWithoutStream(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			http.NotFound(w, r)
			return
		}
		status := "job.processing"
		if asked++; asked == 3 {
			status = "job.completed"
		}
		fmt.Fprintf(w, `{"id":"x","status":%q,"progress":"%d%%"}`, status, asked*30)
	}))
	defer srv.Close()
	c, err := client.New(client.Options{BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	j, err := follow(t.Context(), c, "x", func(s snapshot) { shown = append(shown, s.progress.String()) })
	if err != nil || j.Status != "job.completed" || strings.Join(shown, " ") != "30% 60% 90%" {
		t.Errorf("%+v %v %v", j, err, shown)
	}
}
