package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/internal/testmedia"
)

// tracingTo are settings that send traces to an address; "": nowhere.
func tracingTo(t *testing.T, address string) settings.Settings {
	t.Helper()
	var st settings.Settings
	err := st.ParseFlags(command.Call{Name: "worker", Stdio: command.Stdio{Stdout: t.Output(), Stderr: t.Output(), Getenv: func(name string) string {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return address
		}
		return ""
	}}}, settings.Traces)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestCollectorHangs: a collector that answers nothing delays no job, and the stop of
// the process only for a moment.
func TestCollectorHangs(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	asked, ending := make(chan struct{}, 1000), make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-ending:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(ending); collector.Close() }) // after the stop of the server
	s := startServer(t)
	s.srv.settings.Traces = tracingTo(t, collector.URL).Traces
	if err := (*Server).startTracing(s.srv, t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
	s.startWorker()
	clip := testmedia.Clip(t, testmedia.Short)
	files := httptest.NewServer(http.FileServer(http.Dir(clip[:strings.LastIndex(clip, "/")])))
	defer files.Close()
	id := s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"mp4:240p":{"path":"/a.mp4"}}}`, files.URL+clip[strings.LastIndex(clip, "/"):]))
	eventually(t, "the end", func() bool { return s.get(id).Status == "job.completed" })
	<-asked
}

// TestUntracedJob: where nothing is set, nothing is sent and nothing is stored of a
// trace, also for a client that has one.
func TestUntracedJob(t *testing.T) {
	s := startServer(t)
	s.srv.settings.Traces = tracingTo(t, "").Traces
	if err := (*Server).startTracing(s.srv, t.Context(), t.Context()); err != nil || s.srv.tracer != nil {
		t.Fatalf("%v, %v", err, s.srv.tracer)
	}
	status, answer := s.do("POST", "/jobs", `{"input":{"url":"http://127.0.0.1:1/a"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}}}`,
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	var stored string
	if err := s.srv.store.Pool().QueryRow(t.Context(), `SELECT string_agg(traceparent, '') FROM jobs`).Scan(&stored); err != nil || stored != "" {
		t.Errorf("stored %q, %v", stored, err)
	}
}
