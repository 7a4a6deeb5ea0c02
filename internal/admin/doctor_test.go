package admin

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// TestCheckSpeech: doctor asks the speech service, and says why it does not transcribe.
func TestCheckSpeech(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer canary" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("WEBVTT\n\n"))
	}))
	defer service.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, file, want string }{
		{"", "", "ok  speech service        none"},
		{service.URL, key, "ok  speech service        " + service.URL + "/v1/audio/transcriptions answered for the model whisper-1 in "},
		{service.URL, "", "--  speech service        " + service.URL + "/v1/audio/transcriptions: answered 401 Unauthorized, so it does not take the key"},
		{closed.URL, key, "could not be reached (dial tcp"},
		{service.URL, "/no/such", "BAD speech service        read the key of the speech service (--speech-key-file"},
	} {
		vars := map[string]string{"COPRA_SPEECH_URL": c.url, "COPRA_SPEECH_KEY_FILE": c.file}
		var s settings.Settings
		if err := s.ParseFlags(command.Call{Stdio: command.Stdio{Getenv: func(name string) string { return vars[name] }}}, settings.Media); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		checkSpeech(t.Context(), &findings{w: &out}, &s)
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "canary") {
			t.Errorf("%s: %s", c.url, out.String())
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
