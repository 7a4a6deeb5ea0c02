package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// browser returns the folder of npm packages and a Chromium.
func browser(t testing.TB) (modules, chromium string) {
	t.Helper()
	modules = os.Getenv("COPRA_TEST_NODE_MODULES")
	if modules == "" {
		modules, _ = filepath.Abs("../.cache/node/node_modules")
	}
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join(modules, name)); err != nil {
			testmedia.Missing(t, "run scripts/setup.sh test: "+err.Error())
		}
	}
	own, _ := filepath.Abs("../.cache/tools/bin/chromium") // where setup.sh puts one that is no package's
	for _, name := range []string{own, "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return modules, path
		}
	}
	testmedia.Missing(t, "chromium is not installed, run scripts/setup.sh test")
	return "", ""
}

// TestConsole has a browser do what people do with the console, and axe-core judge
// every page. COPRA_TEST_PICTURES is a folder for pictures of all pages.
func TestConsole(t *testing.T) {
	t.Parallel()
	modules, chromium := browser(t)
	s := shared(t)
	operator, err := os.ReadFile(filepath.Join(s.data, "operator-key"))
	if err != nil {
		t.Fatal(err)
	}
	hook := hooks(t)
	good, err := json.Marshal(object{
		"input": object{"url": short(t)}, "storage": object{"service": "coconut"}, "metadata": object{"order": "4711"},
		"outputs": object{
			"jpg:160x":   object{"path": "/t_%03d.jpg", "interval": 1, "sprite": object{"limit": 10, "columns": 2}, "vtt": object{"filename": "thumbs"}},
			"httpstream": object{"variants": []string{"mp4:240p", "mp4:160x90"}, "hls": object{"path": "/hls"}, "dash": object{"path": "/dash"}},
		},
		"notification": object{"type": "http", "url": hook.url("console")},
	})
	if err != nil {
		t.Fatal(err)
	}
	bad, err := json.Marshal(object{
		"input": object{"url": inputs(t).srv.URL + "/status/404"}, "storage": object{"service": "coconut"}, "outputs": object{"mp4:240p": object{"path": "/a.mp4"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Steps, Problems, Axe, Menus []string
		FirstLoad                   int
		Why, Token, Storage         string
	}
	driveConsole(t, "console.mjs", modules, chromium, object{
		"base": strings.TrimSuffix(s.base, "/v2"), "operator": strings.TrimSpace(string(operator)),
		"requests": object{"good": string(good), "bad": string(bad)}, "pictures": os.Getenv("COPRA_TEST_PICTURES"),
	}, &seen)
	t.Logf("%q, first load %d bytes, menus %q", seen.Steps, seen.FirstLoad, seen.Menus)
	for _, p := range append(seen.Problems, seen.Axe...) {
		t.Error(p)
	}
	if seen.FirstLoad == 0 || seen.FirstLoad > 300_000 {
		t.Errorf("the first load is %d bytes, want at most 300,000", seen.FirstLoad)
	}
	if !strings.Contains(seen.Why, "404") {
		t.Errorf("the failed job says %q", seen.Why)
	}
	if !strings.Contains(seen.Storage, "written and read back, and it is deleted again") {
		t.Errorf("the storage check says %q", seen.Storage)
	}
	if !strings.Contains(strings.Join(seen.Menus, " "), "Quality") {
		t.Errorf("the player has the menus %q", seen.Menus)
	}
	hook.count(t, "console", 2, time.Minute)
	if status, _, _ := (client{s.base, seen.Token}).send(t, "GET", "/jobs", nil); status != 401 {
		t.Errorf("the key that was revoked is answered %d", status)
	}
}

// driveConsole runs a script that drives the console in a browser, and reads what it saw.
func driveConsole(t testing.TB, script, modules, browser string, ask object, seen any) {
	t.Helper()
	text, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", script, modules, browser)
	cmd.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", script, err, stderr.String())
	}
	if err := json.Unmarshal(out, seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestConsoleFirefox has Firefox sign in, find a job and play its stream. Ubuntu's
// Firefox is snapd's, so setup.sh does not install it there.
func TestConsoleFirefox(t *testing.T) {
	t.Parallel()
	modules, _ := browser(t)
	program := ""
	for _, name := range []string{"firefox-esr", "firefox"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		testmedia.Missing(t, "Firefox is not installed, run scripts/setup.sh test")
	}
	s := shared(t)
	c := client{s.base, s.key}
	j := c.create(t, object{
		"input": object{"url": short(t)}, "storage": object{"service": "coconut"},
		"outputs": object{"httpstream": object{"variants": []string{"mp4:160x90"}, "hls": object{"path": "/hls"}}},
	})
	var seen struct{ Steps, Problems []string }
	driveConsole(t, "firefox.mjs", modules, program, object{"base": strings.TrimSuffix(s.base, "/v2"), "key": s.key, "job": j.ID}, &seen)
	t.Logf("%q", seen.Steps)
	for _, p := range seen.Problems {
		t.Error(p)
	}
	if len(seen.Steps) == 0 {
		t.Error("nothing was done")
	}
}

// TestBuilderCode runs the code of the request builder against a real server: curl, and the
// published Node client.
func TestBuilderCode(t *testing.T) {
	t.Parallel()
	modules, s := nodeModules(t), shared(t)
	c := client{s.base, s.key}
	request, err := json.MarshalIndent(object{
		"input": object{"url": inputs(t).srv.URL + "/status/404"}, "storage": object{"service": "coconut"},
		"outputs": object{"mp3": object{"path": "/it's `a`.mp3"}}, "metadata": object{"note": "ü $HOME ''' \\ EOF"},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "code.mjs")
	module, err := filepath.Abs("../console/static/code.mjs")
	if err != nil {
		t.Fatal(err)
	}
	text := "import { snippets } from " + strconv.Quote(module) + ";\nconst [api, request] = process.argv.slice(2);\nconsole.log(JSON.stringify(snippets(api, request)));\n"
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "node", script, s.base, string(request)).Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var code map[string]string
	if err := json.Unmarshal(out, &code); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "COPRA_API_KEY="+s.key, "NODE_PATH="+modules)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	ids := []string{run("node", "-e", code["Node"]), parseJob(t, []byte(run("sh", "-c", code["curl"]))).ID}
	for _, id := range ids {
		status, body, _ := c.send(t, "GET", "/jobs/"+id, nil)
		var got struct{ Metadata map[string]string }
		if err := json.Unmarshal(body, &got); err != nil || status != 200 || got.Metadata["note"] != "ü $HOME ''' \\ EOF" {
			t.Errorf("%s: %d %s", id, status, body)
		}
	}
}
