package admin

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
)

// TestKeyLimits: a POST is held to the limits that copra keys sets.
func TestKeyLimits(t *testing.T) {
	vars := map[string]string{"COPRA_DATABASE_URL": pgtest.New(t).URL, "COPRA_SECRET_KEYS": seal.Generate()}
	api := server.NewAPI(settings.Settings{
		Listen: "127.0.0.1:0", DatabaseURL: vars["COPRA_DATABASE_URL"], DatabaseConns: 4, SecretKeys: job.NewSecret(vars["COPRA_SECRET_KEYS"]),
		StorageDir: t.TempDir(),
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := api.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Stop(); err != nil {
			t.Error(err)
		}
	})
	keys := func(args ...string) (printed, messages string) {
		t.Helper()
		var out, notes bytes.Buffer
		e := command.Stdio{Getenv: func(name string) string { return vars[name] }, Stdout: &out, Stderr: &notes}
		if err := Keys(t.Context(), command.Call{Stdio: e, Name: "keys", Args: args}); err != nil {
			t.Fatalf("keys %v: %v\n%s", args, err, notes.String())
		}
		return out.String(), notes.String()
	}
	token, note := keys("create")
	id, _, _ := strings.Cut(strings.TrimPrefix(note, "key "), ";")
	const body = `{"input":{"url":"https://example.com/in.mp4"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}}}`
	post := func(want int) {
		t.Helper()
		status, answer := post(t, api.URL()+"/v2/jobs", strings.TrimSpace(token), body)
		if status != want || want == 429 && !strings.Contains(answer, `"error_code":"too_many_jobs"`) {
			t.Errorf("%d %s, want %d", status, answer, want)
		}
	}
	keys("limit", id, "--queued", "1", "--running", "2", "--minutes", "500", "--keep", "720h")
	list, _ := keys("list")
	if words := strings.Fields(list); len(words) < 4 || strings.Join(words[len(words)-4:], " ") != "1 2 500 720h0m0s" {
		t.Errorf("listed as %q", words)
	}
	post(201)
	post(429)
	keys("limit", id)
	post(201)
	keys("create", "--name", "small", "--queued", "7")
	if list, _ = keys("list"); !strings.Contains(strings.Join(strings.Fields(list), " "), " - - 7 - ") {
		t.Errorf("listed as\n%s", list)
	}
}

func post(t *testing.T, url, token, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(token, "")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
