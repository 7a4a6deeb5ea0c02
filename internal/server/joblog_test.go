package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// TestJobLog: the log of a job shows what ffmpeg was told, and
// nothing of the credentials in the request and in the input.
func TestJobLog(t *testing.T) {
	clip := testmedia.Clip(t, testmedia.Recipe{Name: "telling.mp4", Args: []string{
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1", "-c:v", "libx264", "-preset", "ultrafast",
		"-metadata", "title=https://user:canary-title@example.com/a?sig=canary-title"}})
	whole, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "whole.mp4"), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "reader" || password != "canary-password" || r.URL.Query().Get("sig") != "canary-query" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer source.Close()
	s := startServer(t)
	s.startWorker()
	address := strings.Replace(source.URL, "http://", "http://reader:canary-password@", 1) + "/whole.mp4?sig=canary-query"
	id := s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"mp4:240p":{"path":"/a.mp4"}}}`, address))
	eventually(t, "the end", func() bool { return s.get(id).Status == "job.completed" })
	status, log := s.do("GET", "/jobs/"+id+"/logs", "")
	for _, want := range []string{`"command":["ffmpeg",`, `"libx264"`, `"kind":"encode"`, `"cpu_seconds":0.`, `"speed":`, `"run":2,`} {
		if status != 200 || !strings.Contains(log, want) {
			t.Errorf("%d: no %s in %s", status, want, log)
		}
	}
	if strings.Contains(log, "canary") {
		t.Errorf("the log tells a credential: %s", log)
	}
	if n, err := s.srv.store.SweepLogs(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("%d new runs were swept, %v", n, err)
	}
	if n, err := s.srv.store.SweepLogs(t.Context(), 0); n == 0 || err != nil {
		t.Errorf("%d runs were swept, %v", n, err)
	}
	if _, log := s.do("GET", "/jobs/"+id+"/logs", ""); log != fmt.Sprintf(`{"job_id":%q,"logs":[]}`, id) {
		t.Errorf("after the sweep: %s", log)
	}
}
