package main

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/command"
)

// call runs the program with these arguments and without variables.
func call(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, messages strings.Builder
	err = run(t.Context(), args, command.Stdio{Getenv: func(string) string { return "" }, Stdout: &out, Stderr: &messages})
	return out.String(), messages.String(), err
}

// TestHelp: help lists every subcommand, and each shows its own help, by either
// spelling.
func TestHelp(t *testing.T) {
	list, _, err := call(t, "help")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subcommands() {
		if !strings.Contains(list, "  "+s.name+" ") {
			t.Errorf("copra help does not list %s:\n%s", s.name, list)
		}
		first, _, err := call(t, "help", s.name)
		second, _, again := call(t, s.name, "-h")
		if !errors.Is(err, flag.ErrHelp) || !errors.Is(again, flag.ErrHelp) {
			t.Errorf("copra help %s: %v, copra %s -h: %v", s.name, err, s.name, again)
		}
		want := strings.TrimSpace("copra " + s.name + ": " + s.about + "\n\nUsage: copra " + s.name + " " + s.args)
		if first != second || !strings.HasPrefix(first, want+"\n") {
			t.Errorf("copra help %s prints\n%s\nwant\n%s", s.name, first, want)
		}
	}
}

// TestMistakes: a call that cannot be carried out is a usage error, which ends
// with exit code 2.
func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"":                         "a subcommand is missing",
		"serve":                    `"serve"`,
		"version now":              `"now"`,
		"worker --slots none":      "slots",
		"api --listen 127.0.0.1:0": "secret-key-file",
		"keys":                     "say create",
		"keys limit":               "name one KEY",
		"keys list all":            `"all"`,
		"keys make":                `"make"`,
		"secrets":                  "name one folder",
		"submit":                   "name one FILE",
		"submit /no/such/file":     "/no/such/file",
		"plan":                     "plan: name one FILE",
		"plan /no/such/file":       "/no/such/file",
		"plan --server http://a/v2 http://a/b.mp4": "plan: --server needs an API key",
		"plan http://a/b.mp4 -o mp5":               "plan: -o mp5",
		"plan http://a/b.mp4 --fps 0":              "-fps",
		"jobs all":                                 `"all"`,
		"job":                                      "job: name the ID",
		"cancel a b":                               "there are 2",
		"cancel a --watch":                         "watch",
		"retry":                                    "retry: name the ID",
		"check":                                    "name one URL",
		"doctor --server machine":                  "server",
	} {
		_, stderr, err := call(t, strings.Fields(line)...)
		if _, ok := errors.AsType[command.UsageError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("copra %s: %v, want a usage error with %q", line, err, want)
		}
		var out strings.Builder
		if code := command.ExitCode(err, &out); code != 2 || !strings.HasPrefix(out.String(), "copra: ") {
			t.Errorf("copra %s: exit code %d, %q\n%s", line, code, out.String(), stderr)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, spelling := range []string{"version", "--version"} {
		if out, _, err := call(t, spelling); err != nil || !strings.HasPrefix(out, "copra ") {
			t.Errorf("copra %s: %q, %v", spelling, out, err)
		}
	}
}
