package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/command"
)

// printed runs the program and returns what it prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, complaint strings.Builder
	err := run(t.Context(), args, command.Stdio{Getenv: func(string) string { return "" }, Stdout: &out, Stderr: &complaint})
	if err != nil {
		t.Fatalf("copra %q: %v %s", args, err, complaint.String())
	}
	return out.String()
}

// TestCompletion: bash completes subcommands, verbs and flags by the script, and the
// scripts of all shells have every flag of every subcommand.
func TestCompletion(t *testing.T) {
	script := filepath.Join(t.TempDir(), "copra")
	if err := os.WriteFile(script, []byte(printed(t, "completion", "bash")), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"copra stan":                  "standalone",
		"copra keys re":               "revoke",
		"copra jobs --st":             "--status",
		"copra standalone --sandbo":   "--sandbox",
		"copra help doc":              "doctor",
		"copra completion z":          "zsh",
		"copra version --":            "--help",
		"copra there-is-none --st":    "",
		"copra submit --op":           "--operator-key-file",
		"copra submit --ou":           "--out",
		"copra job some-id --wat":     "--watch",
		"copra worker --slots 2 --qu": "--queues",
	} {
		words := strings.Fields(line)
		cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c",
			`source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _copra; echo "${COMPREPLY[*]}"`, "bash", script)
		cmd.Args = append(cmd.Args, words...)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %q, %v; want %q", line, out, err, want)
		}
	}
	list, err := describeAll(t.Context(), command.Stdio{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	for shell := range shells {
		text := printed(t, "completion", shell)
		for _, d := range list {
			for _, f := range d.flags {
				typed := "--" + f.Name
				if shell == "fish" {
					typed = " -l " + f.Name + " "
				}
				if f.Name != "" && !strings.Contains(text, typed) {
					t.Errorf("%s does not complete --%s of %s", shell, f.Name, d.name)
				}
			}
		}
	}
}

// TestManual: a page for each subcommand, with its flags and variables, in which no
// line is a mistaken request of roff.
func TestManual(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	printed(t, "man", dir)
	known := map[string]bool{".TH": true, ".SH": true, ".B": true, ".BR": true, ".RI": true, ".I": true, ".TP": true}
	for _, s := range subcommands() {
		text, err := os.ReadFile(filepath.Join(dir, "copra-"+s.name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), ".TH COPRA\\-"+strings.ToUpper(roff(s.name))+" 1 ") {
			t.Errorf("%s: begins %.40q", s.name, text)
		}
		for line := range strings.Lines(string(text)) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(word, ".") && !known[word] {
				t.Errorf("%s: %q is no request", s.name, line)
			}
		}
	}
	worker, err := os.ReadFile(filepath.Join(dir, "copra-worker.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`.B \-\-slots`, `Variable: COPRA_SLOTS.`, ".SH ENVIRONMENT\n.TP\n.B COPRA_"} {
		if !strings.Contains(string(worker), want) {
			t.Errorf("copra-worker.1 lacks %q", want)
		}
	}
	main, err := os.ReadFile(filepath.Join(dir, "copra.1"))
	if err != nil || strings.Count(string(main), ".TP") != len(subcommands()) {
		t.Errorf("copra.1: %v\n%s", err, main)
	}
}
