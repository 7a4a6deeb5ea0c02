package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

func TestCheckArtifactStore(t *testing.T) {
	for address, want := range map[string]string{
		"":            "ok  artifact store",
		t.TempDir():   "ok  artifact store",
		"/no/such/at": "BAD artifact store",
	} {
		var out strings.Builder
		checkArtifactStore(t.Context(), &findings{w: &out}, &settings.ArtifactStore{Address: address})
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("%q: %s", address, out.String())
		}
	}
}

// TestCheckTraces: doctor asks the collector, with its credential, and says why it takes
// no traces.
func TestCheckTraces(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/v1/traces":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "canary":
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer collector.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct{ endpoint, headers, want string }{
		{"", "", "ok  traces                none; OTEL_EXPORTER_OTLP_ENDPOINT"},
		{collector.URL, "authorization=canary", "ok  traces                taken by " + collector.URL + "/v1/traces"},
		{collector.URL, "", "--  traces                not taken by " + collector.URL + "/v1/traces: it answered 401 Unauthorized: its credential belongs into OTEL_EXPORTER_OTLP_HEADERS"},
		{collector.URL + "/a", "authorization=canary", "port is 4318?"},
		{closed.URL, "authorization=canary", "could not be reached: the connection was refused"},
	} {
		vars := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.endpoint, "OTEL_EXPORTER_OTLP_HEADERS": c.headers}
		var s settings.Settings
		if err := s.ParseFlags(command.Call{Stdio: command.Stdio{Getenv: func(name string) string { return vars[name] }}}, settings.Traces); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		checkTraces(t.Context(), &findings{w: &out}, &s)
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "canary") {
			t.Errorf("%s: %s", c.endpoint, out.String())
		}
	}
}
