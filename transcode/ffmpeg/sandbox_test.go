package ffmpeg

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

// sandboxedTools are tools whose files and ports the kernel restricts.
func sandboxedTools(t *testing.T) *Toolchain {
	t.Helper()
	f := tools(t)
	if r, err := sandbox.Check(t.Context(), sandbox.Trial{}); err != nil || !r.Full() {
		testmedia.Missing(t, fmt.Sprintf("%v, %v", r, err))
	}
	return f
}

// The kernel refuses what the allowlists would let through. No planner makes these
// commands.
func TestSandboxFiles(t *testing.T) {
	f := sandboxedTools(t)
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "canary"), []byte(strings.Repeat("canary", 4000)), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, outside, "in.mp4", testmedia.Short)
	put(t, dir, "in.mp4", testmedia.Short)
	raw := []string{"-f", "s16le", "-ar", "8000", "-ac", "1"}
	for name, c := range map[string]struct {
		args []string
		ok   bool
	}{
		"own":                  {[]string{"-i", "in.mp4", "-c", "copy", "out.mp4"}, true},
		"raw canary":           {append(raw, "-i", filepath.Join(outside, "canary"), "out.wav"), false},
		"raw passwd":           {append(raw, "-i", "/etc/passwd", "out.wav"), false},
		"our environment":      {append(raw, "-i", "/proc/1/environ", "out.wav"), false},
		"media outside":        {[]string{"-i", filepath.Join(outside, "in.mp4"), "-c", "copy", "out.mp4"}, false},
		"writing outside":      {[]string{"-i", "in.mp4", "-c", "copy", filepath.Join(outside, "out.mp4")}, false},
		"a filter's file":      {[]string{"-f", "lavfi", "-i", "movie=" + filepath.Join(outside, "in.mp4"), "out.mp4"}, false},
		"another run's folder": {[]string{"-i", "../" + filepath.Base(outside) + "/in.mp4", "-c", "copy", "out.mp4"}, false},
	} {
		err := f.Run(t.Context(), Command{Dir: dir, Args: c.args})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if e, is := errors.AsType[*RunError](err); !c.ok && (!is || !strings.Contains(e.Tail, "Permission denied")) {
			t.Errorf("%s: not refused by the kernel: %v", name, err)
		}
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) != 2 {
		t.Errorf("outside: %v, %v", list, err)
	}
}

func TestSandboxConnections(t *testing.T) {
	f := sandboxedTools(t)
	var hits atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer s.Close()
	dir := t.TempDir()
	// allowlistInputs would refuse the protocol, so it is not used here.
	run := func(port uint16) string {
		in := probeSource{port: port}
		var messages stderrTail
		err := child{path: f.ffprobe, args: []string{"-loglevel", "level+warning", "-i", s.URL + "/in.mp4"}, dir: dir, stderr: &messages, killDelay: f.killDelay, rules: f.probeRules(in)}.run(t.Context())
		if err == nil {
			t.Error("an empty answer was probed")
		}
		return messages.String()
	}
	in, err := openLoopbackSource(s.URL + "/in.mp4")
	if err != nil {
		t.Fatal(err)
	}
	if run(in.port); hits.Load() == 0 {
		t.Error("the port that is probed was not reached")
	}
	hits.Store(0)
	for _, port := range []uint16{0, in.port ^ 1} {
		if m := run(port); hits.Load() != 0 || !strings.Contains(m, "Permission denied") {
			t.Errorf("%d requests: %s", hits.Load(), m)
		}
	}
}

func TestSandboxMemory(t *testing.T) {
	f := tools(t).Sandboxed(Sandbox{Memory: 256 << 20})
	err := f.Run(t.Context(), Command{Dir: t.TempDir(), Args: []string{
		"-f", "lavfi", "-i", "color=s=4096x4096:d=0.5", "-c:v", "libx264", "-preset", "medium", "out.mp4",
	}})
	if Reason(err) != job.ServerOutOfMemory {
		t.Errorf("reason %s: %v", Reason(err), err)
	}
}

// BenchmarkSandbox measures what starting through our own program costs.
func BenchmarkSandbox(b *testing.B) {
	for name, rules := range map[string]*sandbox.Rules{"plain": nil, "sandboxed": {Landlock: true, Write: []string{b.TempDir()}}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := (child{path: "/bin/true", rules: rules}).run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
