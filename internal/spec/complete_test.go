package spec

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/spec/observed"
)

// TestComplete: every row of the specification, and every code of
// docs/errors.md, is a row here or in package observed, and there are no others.
func TestComplete(t *testing.T) {
	var wanted []string
	for _, s := range sections(readFile(t, specFile)) {
		for _, name := range s.rows {
			wanted = append(wanted, s.number+" "+name)
		}
	}
	if len(wanted) < 500 {
		t.Errorf("only %d rows were found in the specification", len(wanted))
	}
	known := sorted(observed.Tests())
	for _, r := range rows() {
		if name := r.section + " " + r.name; slices.Contains(known, name) && observed.Tests()[name] == "" {
			t.Errorf("%s is there twice", name)
		} else {
			known = append(known, name)
		}
	}
	isCode := func(name, code string) bool { return name == code || strings.HasSuffix(name, " "+code) }
	codes := codesOf(readFile(t, errorsFile))
	for _, code := range codes {
		if !slices.ContainsFunc(known, func(name string) bool { return isCode(name, code) }) {
			t.Errorf("no row for the code %s of errors.md", code)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			t.Errorf("no row for %s", name)
		}
	}
	for _, name := range known {
		if strings.HasPrefix(name, errorsSection+" ") {
			if !slices.ContainsFunc(codes, func(code string) bool { return isCode(name, code) }) {
				t.Errorf("errors.md has no code of the row %s", name)
			}
		} else if !slices.Contains(wanted, name) && !slices.Contains(beside, name) {
			t.Errorf("the specification has no row %s", name)
		}
	}
}

// errorsSection is the section of rows that are only in docs/errors.md.
const errorsSection = "errors.md"

// beside are rows that the specification has in its text.
var beside = []string{
	"3.2 by http", "3.2 by https", "3.2 by ftp", "3.2 by sftp", "3.3 URL storage by https", "3.3 URL storage by ftp", "3.3 URL storage by sftp",
}

// TestObservedElsewhere: the tests that package observed names are there, and
// say in their bodies that they have seen their rows.
func TestObservedElsewhere(t *testing.T) {
	if len(observed.Tests()) == 0 {
		t.Fatal("package observed lists no row")
	}
	for row, test := range observed.Tests() {
		dir, name, _ := strings.Cut(test, ".")
		if !says(t, filepath.Join("..", "..", filepath.FromSlash(dir)), name, row) {
			t.Errorf("%s does not call observed.Row(t, %q)", test, row)
		}
	}
}

// says reports whether the body of a test in dir calls observed.Row for a row.
func says(t *testing.T, dir, test, row string) (found bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == test && f.Body != nil {
				ast.Inspect(f.Body, func(n ast.Node) bool {
					found = found || isRowCall(n, row)
					return true
				})
			}
		}
	}
	return found
}

func isRowCall(n ast.Node, row string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return false
	}
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || fun.Sel.Name != "Row" {
		return false
	}
	pkg, ok := fun.X.(*ast.Ident)
	if !ok || pkg.Name != "observed" {
		return false
	}
	lit, ok := call.Args[1].(*ast.BasicLit)
	if !ok {
		return false
	}
	text, err := strconv.Unquote(lit.Value)
	return err == nil && text == row
}
