package docs

import (
	"fmt"
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

// metric is one that the program registers.
type metric struct{ name, kind, help, labels string }

// metrics finds every metric in the source.
func metrics(t *testing.T) []metric {
	t.Helper()
	var all []metric
	for _, files := range sources(t) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				made, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				m := metric{kind: strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(made.Sel.Name, "New"), "Vec"), "Func"))}
				if made.Sel.Name == "NewDesc" && len(call.Args) > 2 {
					m.kind, m.name, m.help, m.labels = "gauge", literal(call.Args[0]), literal(call.Args[1]), texts(call.Args[2])
				} else if opts, ok := call.Args[0].(*ast.CompositeLit); ok {
					m.name, m.help = member(opts, "Name"), member(opts, "Help")
					m.labels = texts(call.Args[len(call.Args)-1])
				}
				if strings.HasPrefix(m.name, "copra_") {
					all = append(all, m)
				}
				return true
			})
		}
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return all
}

// member is the text of a member of a literal.
func member(opts *ast.CompositeLit, name string) string {
	for _, e := range opts.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if id, ok := kv.Key.(*ast.Ident); ok && id.Name == name {
				return literal(kv.Value)
			}
		}
	}
	return ""
}

// texts are the texts of a literal []string, "" of anything else.
func texts(e ast.Expr) string {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	if _, ok := list.Type.(*ast.ArrayType); !ok {
		return ""
	}
	var all []string
	for _, e := range list.Elts {
		all = append(all, literal(e))
	}
	return strings.Join(all, ", ")
}

// TestMetrics: metrics.md lists every metric of the program's own, as it stands there.
func TestMetrics(t *testing.T) {
	all := metrics(t)
	if len(all) < 25 {
		t.Errorf("only %d metrics were found", len(all))
	}
	var rows strings.Builder
	rows.WriteString("\n| metric | labels | type | what it is |\n|---|---|---|---|\n")
	for _, m := range all {
		if m.help == "" {
			t.Errorf("%s has no help", m.name)
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", m.name, m.labels, m.kind, m.help)
	}
	table(t, "metrics.md", "metrics", rows.String()+"\n")
}

var variable = regexp.MustCompile(`COPRA_[A-Z0-9_]*[A-Z0-9]`)

// ofTests reports whether a variable is read by packages for tests only.
func ofTests(v string) bool { return strings.HasPrefix(v, "COPRA_TEST_") || v == "COPRA_WHOLE" }

// TestVariables: configuration.md names every environment variable that the
// program reads.
func TestVariables(t *testing.T) {
	page := read(t, "configuration.md")
	for dir, files := range sources(t) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if l, ok := n.(ast.Expr); ok {
					for _, v := range variable.FindAllString(literal(l), -1) {
						if !ofTests(v) && !strings.Contains(page, v) {
							t.Errorf("configuration.md does not name %s, of %s", v, dir)
						}
					}
				}
				return true
			})
		}
	}
}
