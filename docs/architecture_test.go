package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	code = regexp.MustCompile("`([^`\n]+)`")
	path = regexp.MustCompile(`^(\.?[a-z0-9_]+/)*[a-z0-9_]+(\.go|/[a-z0-9_]+)$`)
)

// named are the files and folders of the repository that a page names in code
// quotes, such as "worker/plan.go" or "internal/seal". A name counts when its
// first folder is one of the repository.
func named(t *testing.T, page string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range code.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
		if top, _, _ := strings.Cut(m[1], "/"); top != "" && path.MatchString(m[1]) {
			if _, err := os.Stat(filepath.Join("..", top)); err == nil {
				names[m[1]] = true
			}
		} else if info, err := os.Stat(filepath.Join("..", m[1])); err == nil && info.IsDir() {
			names[m[1]] = true
		}
	}
	return names
}

// TestPaths: every file and folder that a page names is there.
func TestPaths(t *testing.T) {
	n := 0
	for _, page := range pages(t) {
		if filepath.Base(page) == "CHANGELOG.md" { // it names what has gone
			continue
		}
		for name := range named(t, page) {
			n++
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("%s names %s, which is not in the repository", page, name)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d paths were found", n)
	}
}

// TestArchitecture: ARCHITECTURE.md names every package.
func TestArchitecture(t *testing.T) {
	names := named(t, "../ARCHITECTURE.md")
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		files, err := filepath.Glob(filepath.Join(path, "*.go"))
		if name := filepath.ToSlash(strings.TrimPrefix(path, "../")); len(files) > 0 && !names[name] {
			t.Errorf("ARCHITECTURE.md does not name %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
