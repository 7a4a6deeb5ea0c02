package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// findingFields are the fields of a finding's header, in their order.
var findingFields = []string{"Package", "Guess", "Behaviour", "Output", "Matters"}

var (
	findingField   = regexp.MustCompile(`^# ([A-Z][a-z]+): +(\S.*)$`)
	findingHost    = regexp.MustCompile(`://|\b[a-z0-9-]+\.(?:com|org|net|io|dev|tv)\b`)
	findingNpm     = regexp.MustCompile(`(?m)^npm install (.*?)>`)
	findingExact   = regexp.MustCompile(`^(.+)@([0-9]+\.[0-9]+\.[0-9]+)$`)
	findingVersion = regexp.MustCompile(`\S+ [0-9][0-9a-z.:+~-]*`)
)

// findingHeader splits the comment at the top of a script into its fields, each
// with its lines, and returns the rest of the script.
func findingHeader(script string) (names []string, fields map[string][]string, body string) {
	fields = map[string][]string{}
	_, body, _ = strings.Cut(script, "\n") // the line of the interpreter
	for {
		line, rest, _ := strings.Cut(body, "\n")
		if !strings.HasPrefix(line, "#") {
			return names, fields, body
		}
		if m := findingField.FindStringSubmatch(line); m != nil && slices.Contains(findingFields, m[1]) {
			names = append(names, m[1])
			fields[m[1]] = []string{m[2]}
		} else if len(names) > 0 {
			last := names[len(names)-1]
			fields[last] = append(fields[last], strings.TrimSpace(strings.TrimPrefix(line, "#")))
		}
		body = rest
	}
}

// findingFaults says what findings/README.md asks for and a script lacks.
func findingFaults(script string) []string {
	var faults []string
	want := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	names, fields, body := findingHeader(script)
	packages := strings.Join(fields["Package"], " ")
	want(strings.HasPrefix(script, "#!/bin/sh\n"), "does not begin with #!/bin/sh")
	want(slices.Equal(names, findingFields), "the header's fields are not "+strings.Join(findingFields, ", "))
	want(findingVersion.MatchString(packages), "Package has no version")
	for _, line := range fields["Output"] {
		want(strings.Contains(body, line), "the script does not wait for the output "+line)
	}
	want(strings.HasPrefix(body, "set -eu\n"), "set -eu is not the first command")
	want(strings.Contains(body, "\ndir=$(mktemp -d)\ntrap 'rm -rf \"$dir\"' EXIT\n"), "no folder of mktemp that a trap removes")
	want(strings.Contains(body, "exit 1"), "does not fail when the behaviour changes")
	want(findingHost.FindString(script) == "", "names a host: "+findingHost.FindString(script))
	for _, install := range findingNpm.FindAllStringSubmatch(body, -1) {
		want(strings.Contains(install[1], "--ignore-scripts"), "npm runs the scripts of packages")
		want(strings.Contains(install[1], `--prefix "$dir"`), "npm installs elsewhere than in the folder")
		words := strings.Fields(install[1])
		exact := findingExact.FindStringSubmatch(words[len(words)-1])
		want(exact != nil && strings.Contains(packages, exact[1]+" "+exact[2]), "npm installs another version than Package says")
	}
	return faults
}

// TestFindings: each script in findings has the form that the README there
// describes, and is listed in it. The scripts themselves are not run: they need
// a registry.
func TestFindings(t *testing.T) {
	scripts, err := filepath.Glob("../findings/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no findings: %v", err)
	}
	page := read(t, "../findings/README.md")
	for _, path := range scripts {
		name := filepath.Base(path)
		for _, fault := range findingFaults(read(t, path)) {
			t.Errorf("findings/%s: %s", name, fault)
		}
		if info, err := os.Stat(path); err != nil || info.Mode()&0o111 != 0o111 {
			t.Errorf("findings/%s is not executable (%v)", name, err)
		}
		if !strings.Contains(page, "| ["+name+"]("+name+") |") {
			t.Errorf("findings/README.md does not list %s", name)
		}
	}
}

// TestFindingFaults: each rule of the form is seen when it is broken.
func TestFindingFaults(t *testing.T) {
	const right = `#!/bin/sh
# Package:   some-parser 1.2.3 (npm)
# Guess:     It says a,
#            and b.
# Behaviour: It says a.
# Output:    a: 1
# Matters:   Much.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --ignore-scripts --prefix "$dir" some-parser@1.2.3 >"$dir/npm.log"
seen=$(node "$dir/run.mjs")
[ "$seen" = "a: 1" ] || exit 1
`
	if faults := findingFaults(right); len(faults) > 0 {
		t.Fatalf("a right script has faults: %q", faults)
	}
	for _, row := range []struct{ old, changed, fault string }{
		{"#!/bin/sh", "#!/bin/zsh", "does not begin"},
		{"# Guess: ", "# Thought: ", "header's fields"},
		{"# Matters:   Much.\n", "", "header's fields"},
		{"1.2.3 (npm)", "(npm)", "no version"},
		{"# Output:    a: 1", "# Output:    a: 2", "wait for the output a: 2"},
		{"set -eu", "set -e", "set -eu"},
		{"trap 'rm -rf \"$dir\"' EXIT\n", "", "mktemp"},
		{"exit 1", "true", "does not fail"},
		{"It says a.", "See example.org.", "names a host: example.org"},
		{"--ignore-scripts ", "", "scripts of packages"},
		{`--prefix "$dir" `, "", "elsewhere"},
		{"some-parser@1.2.3", "some-parser@latest", "another version"},
		{"some-parser@1.2.3", "some-parser@1.2.4", "another version"},
	} {
		faults := strings.Join(findingFaults(strings.Replace(right, row.old, row.changed, 1)), "; ")
		if !strings.Contains(faults, row.fault) {
			t.Errorf("%q for %q: faults %q, want %q", row.changed, row.old, faults, row.fault)
		}
	}
}
