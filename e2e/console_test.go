package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
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
	ask, err := json.Marshal(object{
		"base": strings.TrimSuffix(s.base, "/v2"), "operator": strings.TrimSpace(string(operator)),
		"requests": object{"good": string(good), "bad": string(bad)}, "pictures": os.Getenv("COPRA_TEST_PICTURES"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "console.mjs", modules, chromium)
	cmd.Stdin = bytes.NewReader(ask)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node console.mjs: %v\n%s", err, stderr.String())
	}
	var seen struct {
		Steps, Problems, Axe, Menus []string
		FirstLoad                   int
		Why, Token                  string
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
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
	if !strings.Contains(strings.Join(seen.Menus, " "), "Quality") {
		t.Errorf("the player has the menus %q", seen.Menus)
	}
	hook.count(t, "console", 2, time.Minute)
	if status, _, _ := (client{s.base, seen.Token}).send(t, "GET", "/jobs", nil); status != 401 {
		t.Errorf("the key that was revoked is answered %d", status)
	}
}
