package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The two documents that comments cite: sections of the one, rules of the other.
const (
	sectionsFile = "spec/coconut-v2.md"
	rulesFile    = "spec/streams.md"
)

var (
	citation = regexp.MustCompile(`(?i)\b(sections?|rules?) ((?:[AD]\.)?\d+(?:\.\d+)*(?:(?:, and|,| and| or| to) (?:[AD]\.)?\d+(?:\.\d+)*)*)`)
	cited    = regexp.MustCompile(`(?:[AD]\.)?\d+(?:\.\d+)*`)
	// external is what stands before a section of somebody else's standard.
	external = regexp.MustCompile(`(RFC \d+|ISO/IEC \d+(-\d+)?)$`)
	lastWord = regexp.MustCompile(`[\w./-]+$`)
	// document is a word that names one: it ends in .md, or has a hyphen.
	document = regexp.MustCompile(`\.md$|^[a-z0-9]+(-[a-z0-9]+)+$`)
	pageName = regexp.MustCompile(`[\w./-]*\w\.md\b`)
	numbered = regexp.MustCompile(`(?m)^##+ ([A-Z]\.\d+|AES|CENC|\d+(?:\.\d+)?)\.? `)
)

// headings are the numbers of a document's headings.
func headings(t *testing.T, name string) map[string]bool {
	t.Helper()
	numbers := map[string]bool{}
	for _, m := range numbered.FindAllStringSubmatch(fence.ReplaceAllString(read(t, name), ""), -1) {
		if numbers[m[1]] {
			t.Errorf("%s has two headings with the number %s", name, m[1])
		}
		numbers[m[1]] = true
	}
	return numbers
}

// passage is a comment or a page, its white space single spaces.
type passage struct{ where, text string }

// passages are all comments of the repository's Go files and all its pages.
func passages(t *testing.T) []passage {
	t.Helper()
	var list []passage
	set := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".md":
			list = append(list, passage{path, oneLine(fence.ReplaceAllString(read(t, path), ""))})
		case ".go":
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, c := range f.Comments {
				list = append(list, passage{set.Position(c.Pos()).String(), oneLine(c.Text())})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cite is a citation: what it cites, and by the name of which document.
type cite struct {
	document string // "" when none is named
	rule     bool
	number   string
}

// citations finds "section 3.3", "sections 5.2 to 5.4" and "rule 1.19" in a
// text. Sections of standards, which stand right behind "RFC 8216" or "ISO/IEC
// 14496-12", are left out; so are rules without a dot, which are no rules of
// the book.
func citations(text string) []cite {
	var list []cite
	for _, m := range citation.FindAllStringSubmatchIndex(text, -1) {
		before := strings.TrimRight(text[:m[0]], " ,`")
		if external.MatchString(before) {
			continue
		}
		c := cite{rule: strings.HasPrefix(strings.ToLower(text[m[2]:m[3]]), "rule")}
		if word := lastWord.FindString(before); document.MatchString(word) {
			c.document = word
		}
		for _, c.number = range cited.FindAllString(text[m[4]:m[5]], -1) {
			if !c.rule || strings.Contains(c.number, ".") {
				list = append(list, c)
			}
		}
	}
	return list
}

func TestCitations(t *testing.T) {
	for text, want := range map[string]string{
		"as section 3.3 has it":                           " section 3.3",
		"(coconut-v2.md section 2.2).":                    "coconut-v2.md section 2.2",
		"Sections 3.2, 3.3 and 12":                        " section 3.2, section 3.3, section 12",
		"of coconut-v2.md sections 5.2 to 5.4":            "coconut-v2.md section 5.2, section 5.4",
		"notes-of-ours section 6 or 12":                   "notes-of-ours section 6, section 12",
		"is rule 1.19: at most":                           " rule 1.19",
		"too long (streams.md rule 7.7, and 8.2) and":     "streams.md rule 7.7, rule 8.2",
		"as rule D.9 says":                                " rule D.9",
		"RFC 8216 section 4.1 defines":                    "",
		"(RFC 8216, section 4.3)":                         "",
		"ISO/IEC 23009-1, section 5.3.9 and section 12.1": " section 12.1",
		"two rules, 3 sections, section A, rule 3":        "",
	} {
		var got []string
		name := ""
		for _, c := range citations(text) {
			kind := "section "
			if c.rule {
				kind = "rule "
			}
			name, got = c.document+" ", append(got, kind+c.number)
		}
		if s := name + strings.Join(got, ", "); s != want {
			t.Errorf("%q cites %q, want %q", text, s, want)
		}
	}
}

// TestCited: every section and rule that a comment or a page cites is a heading
// of one of the two documents, and no other document is cited.
func TestCited(t *testing.T) {
	sections, rules := headings(t, sectionsFile), headings(t, rulesFile)
	n := 0
	for _, p := range passages(t) {
		for _, c := range citations(p.text) {
			n++
			file, known := sectionsFile, sections
			if c.rule {
				file, known = rulesFile, rules
			}
			if c.document != "" && filepath.Base(c.document) != filepath.Base(file) {
				t.Errorf("%s: cites %s, which is not %s", p.where, c.document, file)
			}
			if !known[c.number] {
				t.Errorf("%s: %s has no heading %s", p.where, file, c.number)
			}
		}
		for _, name := range pageName.FindAllString(p.text, -1) {
			if !isPage(filepath.Dir(p.where), name) {
				t.Errorf("%s: there is no %s in the repository", p.where, name)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d citations were found", n)
	}
}

// isPage reports whether a name, as a comment or page in the folder dir has it,
// is that of a file: from there, from the root, or below docs.
func isPage(dir, name string) bool {
	for _, base := range []string{dir, "..", ".", "spec"} {
		if _, err := os.Stat(filepath.Join(base, name)); err == nil {
			return true
		}
	}
	return false
}

// TestRuleBook: the rules that the program checks are those that streams.md
// explains.
func TestRuleBook(t *testing.T) {
	explained := headings(t, rulesFile)
	f, err := parser.ParseFile(token.NewFileSet(), "../check/rules.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || len(row.Elts) != 3 {
			return true
		}
		if kind := literal(row.Elts[0]); kind == "hls" || kind == "dash" {
			checked[literal(row.Elts[1])] = true
		}
		return true
	})
	if len(checked) < 50 {
		t.Fatalf("only %d rules were found in check/rules.go", len(checked))
	}
	for _, r := range slices.Sorted(maps.Keys(checked)) {
		if !explained[r] {
			t.Errorf("%s does not explain rule %s", rulesFile, r)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(explained)) {
		if group := strings.Trim(r, "0123456789") == ""; !group && !checked[r] {
			t.Errorf("%s explains rule %s, which is not checked", rulesFile, r)
		}
	}
}

var (
	decisionName = regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`)
	decisionRow  = regexp.MustCompile(`(?m)^\| \[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\) \| (.+?) \|`)
)

// TestDecisions: each decision is in the index by its number and title, and has
// its four parts.
func TestDecisions(t *testing.T) {
	var index []string
	for _, m := range decisionRow.FindAllStringSubmatch(read(t, "decisions/README.md"), -1) {
		index = append(index, fmt.Sprintf("%s %s %s", m[1], m[2], m[3]))
	}
	var want []string
	files, err := os.ReadDir("decisions")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "README.md" {
			continue
		}
		text := read(t, filepath.Join("decisions", f.Name()))
		first, _, _ := strings.Cut(text, "\n")
		title, ok := strings.CutPrefix(first, "# "+f.Name()[:4]+" ")
		if !ok || !decisionName.MatchString(f.Name()) {
			t.Errorf("decisions/%s begins with %q", f.Name(), first)
		}
		want = append(want, fmt.Sprintf("%s %s %s", f.Name()[:4], f.Name(), title))
		for _, part := range []string{"Context", "Decision", "Refused", "Consequences"} {
			if !strings.Contains(text, "\n## "+part+"\n") {
				t.Errorf("decisions/%s has no part %q", f.Name(), part)
			}
		}
	}
	if !slices.Equal(index, want) {
		t.Errorf("the index of decisions is\n%s\nwant\n%s", strings.Join(index, "\n"), strings.Join(want, "\n"))
	}
}
