package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// submitTo runs copra submit against the shared server.
func submitTo(t testing.TB, srv *standalone, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return finish(t, 60*time.Second, launch{
		args: append([]string{"submit"}, args...),
		env:  []string{"COPRA_SERVER=" + srv.base, "COPRA_API_KEY=" + srv.key},
	})
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	clip := testmedia.Clip(t, testmedia.Short)

	t.Run("file", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "results")
		code, table, lines := submitTo(t, srv, clip, "-o", "mp4:240p=/small.mp4", "-o", "jpg:100x;number=2", "-o", "httpstream", "--out", out)
		if code != 0 {
			t.Fatalf("exit code %d:\n%s%s", code, table, lines)
		}
		probe(t, filepath.Join(out, "mp4-240p", "small.mp4")).lasts(t, "mp4", 1, 0.1)
		pictures, _ := filepath.Glob(filepath.Join(out, "jpg-100x", "*.jpg"))
		if len(pictures) != 2 {
			t.Errorf("pictures %v", pictures)
		}
		for _, entry := range []string{"hls/master.m3u8", "dash/master.mpd", "dash/master.m3u8"} {
			f := probe(t, filepath.Join(out, "httpstream", filepath.FromSlash(entry)))
			f.lasts(t, entry, 1, 0.2)
		}
		// Output to a pipe is whole lines, without cursor movements.
		if strings.ContainsAny(table+lines, "\r\x1b\b") {
			t.Errorf("control characters in a pipe: %q", table+lines)
		}
		for _, want := range []string{
			`(?m)^\S{14} job\.starting$`, `(?m)^\S{14} mp4:240p video\.encoded`, `(?m)^\S{14} job\.completed$`, `(?m)^\S{14} 100%$`,
		} {
			if !regexp.MustCompile(want).MatchString(lines) {
				t.Errorf("no %s in\n%s", want, lines)
			}
		}
		if !regexp.MustCompile(`(?m)^mp4:240p +video\.encoded +http://127\.0\.0\.1:\d+/storage/\S+/small\.mp4$`).MatchString(table) {
			t.Errorf("table:\n%s", table)
		}
	})
	t.Run("URL and JSON", func(t *testing.T) {
		code, out, lines := submitTo(t, srv, "--json", inputs(t).add(clip), "-o", "mp3")
		var j jobDoc
		if err := json.Unmarshal([]byte(out), &j); err != nil || code != 0 || j.Status != "job.completed" {
			t.Errorf("%d %v\n%s%s", code, err, out, lines)
		}
	})
	t.Run("job.json", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "job.json")
		text, err := json.Marshal(jobOf(inputs(t).srv.URL+"/status/404", object{"mp3": object{"path": "/a.mp3"}}))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, _ := submitTo(t, srv, file)
		if code != 1 || !strings.Contains(out, "404") || !strings.Contains(out, "job.failed") {
			t.Errorf("%d %s", code, out)
		}
	})
	t.Run("refused", func(t *testing.T) {
		code, _, complaint := finish(t, 30*time.Second, launch{args: []string{"submit", clip},
			env: []string{"COPRA_SERVER=" + srv.base, "COPRA_API_KEY=k-wrong"}})
		if code != 1 || !strings.Contains(complaint, "authentication_failed") {
			t.Errorf("%d %s", code, complaint)
		}
	})
	t.Run("no server", func(t *testing.T) {
		code, _, complaint := finish(t, 30*time.Second, launch{args: []string{"submit", "--server", closedPort(t) + "/v2", clip}, env: []string{"COPRA_API_KEY=k"}})
		if code != 1 || !strings.Contains(complaint, "refused") {
			t.Errorf("%d %s", code, complaint)
		}
	})
}

// Without a server, submit starts its own, which reads the file without network.
// Its data folder is that of a standalone server.
func TestSubmitAlone(t *testing.T) {
	t.Parallel()
	data := filepath.Join(openDir(t), "data")
	clip := testmedia.Clip(t, testmedia.Short)
	code, out, complaint := finish(t, startTime, launch{args: []string{"submit", "--data", data, clip, "-o", "mp3"}})
	if code != 0 || !strings.Contains(out, "job.completed") {
		t.Fatalf("exit code %d:\n%s%s", code, out, complaint)
	}
	if _, err := os.Stat(filepath.Join(data, "api-key")); err != nil {
		t.Error(err)
	}
	eventually(t, 5*time.Second, "no process is left", func() bool { return len(children(-1, data)) == 0 })
}

// Wrong arguments are reported at once, by name, with exit code 2.
func TestBadCalls(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for _, tt := range []struct {
		args []string
		env  string
		says string
	}{
		{[]string{}, "", "subcommand"},
		{[]string{"frobnicate"}, "", "frobnicate"},
		{[]string{"standalone", "--frobnicate"}, "", "frobnicate"},
		{[]string{"standalone", "--data", data, "--allow-network", "10.0.0.0/33"}, "", "10.0.0.0/33"},
		{[]string{"standalone", "--data", data}, "COPRA_ALLOW_NETWORKS=everywhere", "COPRA_ALLOW_NETWORKS"},
		{[]string{"standalone", "--data", data}, "COPRA_SLOTS=many", "COPRA_SLOTS"},
		{[]string{"standalone", "--data", data}, "COPRA_S3_ENDPOINT=s3.local", "COPRA_S3_ENDPOINT"},
		{[]string{"standalone", "--data", data}, "COPRA_LOG_LEVEL=loud", "COPRA_LOG_LEVEL"},
		{[]string{"standalone", "--data", data, "--shutdown-grace", "soon"}, "", "shutdown-grace"},
		{[]string{"standalone", "--data", data, "stray"}, "", "stray"},
		{[]string{"api", "--listen", "127.0.0.1:0"}, "", "COPRA_SECRET_KEY_FILE"},
		{[]string{"worker"}, "COPRA_SECRET_KEYS=nonsense", "COPRA_SECRET_KEYS"},
		{[]string{"migrate"}, "", "COPRA_DATABASE_URL"},
		{[]string{"keys", "list"}, "", "COPRA_DATABASE_URL"},
		{[]string{"keys", "melt"}, "", "melt"},
		{[]string{"submit"}, "", "FILE"},
		{[]string{"submit", "--data", data, "/no/such/file.mp4"}, "", "/no/such/file.mp4"},
		{[]string{"submit", "--data", data, "main_test.go", "-o", "mp4:721q"}, "", "721q"},
		{[]string{"submit", "--server", "nowhere", "main_test.go"}, "", "server"},
	} {
		l := launch{args: tt.args}
		if tt.env != "" {
			l.env = []string{tt.env}
		}
		code, out, complaint := finish(t, 10*time.Second, l)
		if code != 2 || !strings.Contains(complaint, tt.says) || out != "" {
			t.Errorf("%q %s: exit code %d\n%s%s", tt.args, tt.env, code, out, complaint)
		}
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("a bad call made the data folder: %v", err)
	}
}

func TestTellsAboutItself(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"help"}, "standalone"},
		{[]string{"version"}, "copra "},
		{[]string{"standalone", "-h"}, "COPRA_ALLOW_NETWORKS"},
		{[]string{"help", "submit"}, "--out"},
		{[]string{"doctor", "--data", srv.data}, "libx264"},
		{[]string{"doctor", "--server", strings.TrimSuffix(srv.base, "/v2")}, "ready"},
	} {
		code, out, complaint := finish(t, 20*time.Second, launch{args: tt.args})
		if code != 0 || !strings.Contains(out, tt.says) {
			t.Errorf("%q: exit code %d\n%s%s", tt.args, code, out, complaint)
		}
	}
	// Every setting is shown with its variable.
	_, out, _ := finish(t, 10*time.Second, launch{args: []string{"standalone", "-h"}})
	for m := range strings.Lines(out) {
		if strings.HasPrefix(m, "  --") && !strings.Contains(m, "[COPRA_") {
			t.Errorf("a setting without a variable: %s", m)
		}
	}
}
