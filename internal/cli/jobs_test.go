package cli

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/internal/testmedia"
)

// openDir is a folder that other users may enter, as whom a server of root runs programs.
// What holds t.TempDir is root's alone.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "copra-cli-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// standalone starts a server in this process and returns a client and the variables
// of a subcommand that is to find it.
func standalone(t *testing.T) (*client.Client, map[string]string) {
	t.Helper()
	testmedia.Tool(t, "ffmpeg")
	data := openDir(t)
	var s settings.Settings
	if err := s.ParseFlags(command.Call{
		Stdio: command.Stdio{Getenv: func(string) string { return "" }, Stdout: io.Discard, Stderr: io.Discard},
		Name:  "standalone", Args: []string{"--data", data, "--listen", "127.0.0.1:0", "--allow-network", "127.0.0.0/8"},
	}, settings.Standalone); err != nil {
		t.Fatal(err)
	}
	local, err := server.EnsureStandalone(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := local.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(client.Options{BaseURL: local.URL, APIKey: local.Key})
	if err != nil {
		t.Fatal(err)
	}
	return c, map[string]string{"COPRA_DATA_DIR": data}
}

// missingInput answers 404 once it is released, and keeps jobs waiting until then.
func missingInput(t *testing.T) (url string, release func()) {
	t.Helper()
	released := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
			http.NotFound(w, r)
		case <-r.Context().Done():
		}
	}))
	release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(func() { release(); srv.Close() })
	return srv.URL + "/a.mp4", release
}

// TestControl lists, shows, follows, cancels and retries a job whose input does not
// come, on a server that is found by its data folder.
func TestControl(t *testing.T) {
	c, env := standalone(t)
	input, release := missingInput(t)
	j, err := c.CreateJob(t.Context(), &client.JobRequest{
		Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"},
		Outputs: client.Outputs{"mp3": "/a.mp3"}, Metadata: map[string]string{"order": "4711"},
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(run subcommand, args ...string) result { return called(t.Context(), run, env, args...) }

	for _, filter := range [][]string{nil, {"--metadata", "order:4711"}, {"--text", "MP3", "--limit", "0"}} {
		call(Jobs, filter...).expect(t, 0, "ID ", "STATUS", j.ID, "mp3")
	}
	for _, filter := range [][]string{{"--status", "completed"}, {"--metadata", "order:1"}, {"--text", "nothing"}} {
		if got := call(Jobs, append(filter, "--json")...); got.code != 0 || strings.TrimSpace(got.out) != "[]" {
			t.Errorf("%q: %+v", filter, got)
		}
	}
	call(Jobs, "--status", "odd").expect(t, 1, "query_not_valid")
	call(Job, j.ID).expect(t, 0, "mp3", "video.", j.ID)
	call(Job, "none").expect(t, 1, "404")
	interrupted(t, env, j.ID)

	call(Retry, j.ID).expect(t, 1, client.CodeJobNotFinished)
	call(Cancel, j.ID).expect(t, 0, "cancelled", "job.failed")
	call(Cancel, j.ID).expect(t, 1, client.CodeJobFinished)
	call(Job, j.ID, "--watch").expect(t, 1, "cancelled")
	call(Jobs, "--status", "failed").expect(t, 0, j.ID, "cancelled")

	release()
	got := call(Retry, "--watch", j.ID, "--json")
	got.expect(t, 1, "job.failed", "404")
	var ended client.Job
	if err := json.Unmarshal([]byte(got.out), &ended); err != nil || ended.ID != j.ID || ended.Input.Status != client.InputFailed {
		t.Errorf("%v: %+v", err, got)
	}

	body := file(t, "job.json", severalOutputs)
	named := map[string]string{"COPRA_SERVER": c.BaseURL(), "COPRA_API_KEY": "k-wrong"}
	called(t.Context(), Plan, named, body).expect(t, 1, "authentication_failed")
	called(t.Context(), Jobs, named).expect(t, 1, "authentication_failed")
	named = map[string]string{"COPRA_SERVER": c.BaseURL(), "COPRA_API_KEY_FILE": env["COPRA_DATA_DIR"] + "/api-key"}
	args := []string{body, "--json", "--width", "640", "--fps", "30"}
	there, here := called(t.Context(), Plan, named, args...), called(t.Context(), Plan, nil, args...)
	there.expect(t, 1)
	if diff := cmp.Diff(planJSON(t, here), planJSON(t, there)); diff != "" {
		t.Errorf("the plan here (-) is not that of the server (+):\n%s", diff)
	}
}

// interrupted presses Ctrl-C while a job is followed.
func interrupted(t *testing.T, env map[string]string, id string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var shown syncBuffer
	ended := make(chan error, 1)
	go func() {
		ended <- Job(ctx, command.Call{
			Stdio: command.Stdio{Getenv: func(n string) string { return env[n] }, Stdout: io.Discard, Stderr: &shown},
			Name:  "job", Args: []string{id, "--watch"},
		})
	}()
	eventually(t, "the job to be followed", func() bool { return strings.Contains(shown.String(), id) || len(ended) > 0 })
	interrupt()
	if code := command.ExitCode(<-ended, &shown); code != 130 || !strings.Contains(shown.String(), "copra cancel "+id) {
		t.Errorf("exit code %d:\n%s", code, shown.String())
	}
}

// TestNoServer: without a server that runs there are no jobs to ask for.
func TestNoServer(t *testing.T) {
	for _, run := range []subcommand{Job, Cancel, Retry} {
		called(t.Context(), run, map[string]string{"COPRA_DATA_DIR": t.TempDir()}, "S9BkOufdntiPR9").expect(t, 1, "no server runs in", "--server")
	}
}
