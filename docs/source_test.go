package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sources parses the program's own files, by package folder.
func sources(t *testing.T) map[string][]*ast.File {
	t.Helper()
	files := map[string][]*ast.File{}
	set := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != ".." && (strings.HasPrefix(name, ".") || name == "docs" || name == "testdata" || name == "tools") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files[filepath.Dir(path)] = append(files[filepath.Dir(path)], f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

var metricRow = regexp.MustCompile("(?m)^\\| `(copra_[a-z_]+)` \\|")

// TestMetrics: operations.md lists every metric of the program's own.
func TestMetrics(t *testing.T) {
	var metrics []string
	for _, files := range sources(t) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				var name ast.Expr
				switch n := n.(type) {
				case *ast.KeyValueExpr: // prometheus.CounterOpts{Name: ...}
					if id, ok := n.Key.(*ast.Ident); ok && id.Name == "Name" {
						name = n.Value
					}
				case *ast.CallExpr: // prometheus.NewDesc(...)
					if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "NewDesc" {
						name = n.Args[0]
					}
				}
				if s := literal(name); strings.HasPrefix(s, "copra_") {
					metrics = append(metrics, s)
				}
				return true
			})
		}
	}
	var listed []string
	for _, m := range metricRow.FindAllStringSubmatch(read(t, "operations.md"), -1) {
		listed = append(listed, m[1])
	}
	for _, m := range metrics {
		if !slices.Contains(listed, m) {
			t.Errorf("operations.md does not list %s", m)
		}
	}
	for _, m := range listed {
		if !slices.Contains(metrics, m) {
			t.Errorf("operations.md lists %s, which the program does not have", m)
		}
	}
	if len(metrics) < 5 {
		t.Errorf("only %d metrics were found", len(metrics))
	}
}

var variable = regexp.MustCompile(`COPRA_[A-Z0-9_]*[A-Z0-9]`)

// TestVariables: configuration.md names every environment variable that the
// program reads.
func TestVariables(t *testing.T) {
	page := read(t, "configuration.md")
	for dir, files := range sources(t) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if l, ok := n.(ast.Expr); ok {
					for _, v := range variable.FindAllString(literal(l), -1) {
						if !strings.HasPrefix(v, "COPRA_TEST_") && !strings.Contains(page, v) {
							t.Errorf("configuration.md does not name %s, of %s", v, dir)
						}
					}
				}
				return true
			})
		}
	}
}
