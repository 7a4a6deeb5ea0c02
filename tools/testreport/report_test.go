package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// module has a package of each kind.
var module = map[string]string{
	"go.mod": "module m\n\ngo 1.26\n",
	"good/good_test.go": `package good
import "testing"
func TestQuick(t *testing.T) { t.Log("not to be seen") }
func TestSkipped(t *testing.T) { t.Skip("no such thing here") }
func TestSub(t *testing.T) { t.Run("a", func(t *testing.T) {}); t.Run("b", func(t *testing.T) {}) }
`,
	"bad/bad_test.go": `package bad
import "testing"
func TestBad(t *testing.T) {
	t.Run("fine", func(t *testing.T) {})
	t.Run("wrong", func(t *testing.T) {
		t.Cleanup(func() { t.Log("the server wrote:\nmsg=request") })
		t.Error("it is wrong:\n-one\n+two")
		t.Error("so is this")
	})
}
`,
	"panics/panics_test.go": `package panics
import "testing"
func TestPanic(t *testing.T) { panic("all is lost") }
`,
	"exits/exits_test.go": `package exits
import ("os"; "testing")
func TestExit(t *testing.T) { t.Log("said before the end"); os.Exit(3) }
`,
	"broken/broken_test.go": "package broken\nvar x int = \"\"\n",
	"none/none.go":          "package none\n",
}

var (
	seconds = regexp.MustCompile(`\d+\.\d+s`)
	stack   = regexp.MustCompile(`(?s)goroutine \d+.*?\nFAIL\t`)
)

// runIn runs the program in a new module and returns what it prints.
func runIn(t *testing.T, files map[string]string, args ...string) (printed string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var w strings.Builder
	plan, dirs, err := newPlan(t.Context(), args, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newReport(&w, dirs)
	for _, s := range plan {
		if err := goTest(t.Context(), r, []string{"-p=1", "-count=1"}, s.packages); err != nil {
			t.Fatal(err)
		}
	}
	r.close(3*time.Second, 2)
	printed = stack.ReplaceAllString(w.String(), "(stack)\nFAIL\t")
	return seconds.ReplaceAllString(printed, "0s"), r.ok()
}

func TestGood(t *testing.T) {
	got, ok := runIn(t, module, "./good", "./none")
	want := `ok  	m/good	0s

skipped:
  m/good TestSkipped: no such thing here

slowest:
     0s  m/good TestQuick
     0s  m/good TestSkipped
in 3s

4 passed, 0 failed, 1 skipped
`
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("ok %v (-want +got):\n%s", ok, diff)
	}
}

// TestSummary: at the end stands each failed test once more with its messages, without logs,
// the first of them on the line that names it.
func TestSummary(t *testing.T) {
	got, _ := runIn(t, module, "./bad", "./panics", "./exits", "./good")
	_, summary, _ := strings.Cut(got, "in 3s\n\n")
	want := `FAIL	m/bad TestBad/wrong: bad_test.go:7: it is wrong:
        -one
        +two
    bad_test.go:8: so is this
FAIL	m/panics TestPanic: panic: all is lost [recovered, repanicked]
FAIL	m/exits TestExit
5 passed, 3 failed, 1 skipped
`
	if diff := cmp.Diff(want, summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s\nof\n%s", diff, got)
	}
}

// TestBounds: a message of any length takes few lines of the summary.
func TestBounds(t *testing.T) {
	var text strings.Builder
	for range 20 {
		text.WriteString("    a_test.go:1: " + strings.Repeat("ä", 500) + "\n" + strings.Repeat("        more\n", 20))
	}
	var w strings.Builder
	newFailure("p", "TestA", text.String(), "").print(&w)
	if lines := strings.Count(w.String(), "\n"); lines != mostMessages*(mostLines+1)+1 || w.Len() > 8000 {
		t.Errorf("%d lines, %d bytes:\n%s", lines, w.Len(), w.String())
	}
}

// TestBad: whatever goes wrong is seen, and makes the end a bad one.
func TestBad(t *testing.T) {
	for name, wanted := range map[string][]string{
		"bad":    {"--- FAIL: TestBad/wrong", "it is wrong", "--- FAIL: TestBad", "FAIL\tm/bad", "5 passed, 2 failed, 1 skipped\n"},
		"panics": {"panic: all is lost", "FAIL\tm/panics"},
		"exits":  {"said before the end", "FAIL\tm/exits"},
		"broken": {"broken_test.go:2", "FAIL\tm/broken [build failed]", "FAIL\tm/broken: # m/broken [m/broken.test]\n    broken/broken_test.go:2:13: cannot use"},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := runIn(t, module, "./"+name, "./good")
			if ok {
				t.Error("it ended well")
			}
			for _, w := range append(wanted, "ok  \tm/good") {
				if !strings.Contains(got, w) {
					t.Errorf("nothing says %q:\n%s", w, got)
				}
			}
			if strings.Contains(got, "not to be seen") || strings.Contains(got, "=== RUN") {
				t.Errorf("too much is said:\n%s", got)
			}
		})
	}
}

func TestNoSuchPackage(t *testing.T) {
	if ok, err := run(t.Context(), []string{"./nothing"}); ok || err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("%v, %v", ok, err)
	}
}
