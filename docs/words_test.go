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
	"strings"
	"testing"
	"unicode"
)

// find returns the retired words of text, which are separated by single spaces.
func (r retired) find(text string) []string {
	for _, p := range r.plain {
		text = strings.ReplaceAll(text, strings.ToLower(p), "")
	}
	var found []string
	for _, w := range r.words {
		for at := 0; ; {
			i := strings.Index(text[at:], w)
			if i < 0 {
				break
			}
			begin, end := at+i, at+i+len(w)
			if boundary(text, begin-1) && boundary(text, end) {
				found = append(found, w)
				break
			}
			at = end
		}
	}
	return found
}

// boundary reports whether text has no letter, digit or underscore at i.
func boundary(text string, i int) bool {
	if i < 0 || i >= len(text) {
		return true
	}
	c := text[i]
	return c != '_' && !('a' <= c && c <= 'z') && !('0' <= c && c <= '9')
}

// applies reports whether the row holds for a file, a path below "..".
func (r retired) applies(place places, file string) bool {
	return r.where&place != 0 && (r.in == nil || slices.ContainsFunc(r.in, func(dir string) bool { return strings.HasPrefix(file, "../"+dir+"/") }))
}

// wordsOf splits an identifier or a file name into its words, in lower case and
// separated by spaces.
func wordsOf(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			b.WriteByte(' ')
			continue
		}
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return oneLine(b.String())
}

// refuse reports the retired words of a text that stands at a position.
func refuse(t *testing.T, place places, file, where, name, text string) {
	for _, r := range retiredWords {
		if !r.applies(place, file) || place == names && slices.Contains(r.plain, name) {
			continue
		}
		for _, w := range r.find(text) {
			t.Errorf("%s: %q has the retired word %q; say: %s", where, name, w, r.say)
		}
	}
}

// ownWords is what must hold retired words: their table and this file, what tells of them, and
// the history.
var ownWords = []string{"../docs/retired_test.go", "../docs/words_test.go", "../CHANGELOG.md", "../CONTRIBUTING.md"}

// textFile matches files that are read as a whole.
var textFile = regexp.MustCompile(`\.(md|sh|ya?ml)$|^Makefile$|^Caddyfile$`)

// TestRetiredWords: names, files, comments and pages use the terms of the
// glossary, and not the words that were used for them before.
func TestRetiredWords(t *testing.T) {
	n := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == ".." || slices.Contains(ownWords, path) {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".")
		if d.IsDir() {
			if hidden || d.Name() == "testdata" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			refuse(t, files, path+"/", path, d.Name(), wordsOf(d.Name()))
			return nil
		}
		switch {
		case strings.HasSuffix(path, ".go"):
			n++
			refuse(t, files, path, path, d.Name(), wordsOf(strings.TrimSuffix(d.Name(), ".go")))
			refuseInSource(t, path)
		case textFile.MatchString(d.Name()):
			refuse(t, files, path, path, d.Name(), wordsOf(d.Name()))
			for i, line := range strings.Split(read(t, path), "\n") {
				refuse(t, prose, path, fmt.Sprintf("%s:%d", path, i+1), line, oneLine(strings.ToLower(line)))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 400 {
		t.Errorf("only %d files were read", n)
	}
}

// refuseInSource reports the retired words of what a Go file declares, of its
// comments, and, unless it is a test, of its texts.
func refuseInSource(t *testing.T, path string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	where := func(n ast.Node) string { return set.Position(n.Pos()).String() }
	for _, c := range f.Comments {
		refuse(t, prose, path, where(c), firstWords(c.Text()), oneLine(strings.ToLower(c.Text())))
	}
	isTest := strings.HasSuffix(path, "_test.go")
	ast.Inspect(f, func(n ast.Node) bool {
		for _, id := range declared(n) {
			refuse(t, names, path, where(id), id.Name, wordsOf(id.Name))
		}
		if l, ok := n.(*ast.BasicLit); ok && !isTest {
			refuse(t, prose, path, where(l), literal(l), oneLine(strings.ToLower(literal(l))))
		}
		return true
	})
}

// declared are the identifiers that a node declares.
func declared(n ast.Node) []*ast.Ident {
	var list []*ast.Ident
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok {
				list = append(list, id)
			}
		}
	}
	switch n := n.(type) {
	case *ast.File:
		add(n.Name)
	case *ast.FuncDecl:
		add(n.Name)
	case *ast.TypeSpec:
		add(n.Name)
	case *ast.ValueSpec:
		list = n.Names
	case *ast.Field:
		list = n.Names
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			add(n.Lhs...)
		}
	case *ast.RangeStmt:
		if n.Tok == token.DEFINE {
			add(n.Key, n.Value)
		}
	}
	return list
}

// firstWords is the beginning of a comment, for a message.
func firstWords(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(len(words), 8)], " ")
}

// TestFindWords: the test above finds what it looks for.
func TestFindWords(t *testing.T) {
	row := retired{words: []string{"seat", "carry out"}, plain: []string{"car seat"}}
	for text, want := range map[string]int{
		wordsOf("seatPoll"): 1, wordsOf("maxSeat"): 1, wordsOf("carryOut"): 1, wordsOf("seat_test"): 1, "to carry out work": 1, "a seat, free": 1,
		wordsOf("seating"): 0, wordsOf("reseat"): 0, "a car seat": 0, "scarry out": 0, wordsOf("HTTPServer"): 0,
	} {
		if got := row.find(text); len(got) != want {
			t.Errorf("%q has %q, want %d words", text, got, want)
		}
	}
	if got := wordsOf("newHTTPServer2_test"); got != "new http server2 test" {
		t.Errorf("words are %q", got)
	}
}
