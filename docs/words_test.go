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

// places are where a retired word must not be.
type places uint

const (
	names places = 1 << iota // identifiers that are declared
	files                    // names of files and folders
	prose                    // comments, pages, scripts, and the program's own texts

	everywhere = names | files | prose
)

// retired is a word that the project no longer uses, or no longer with the
// meaning that it had.
type retired struct {
	// words are alternatives, in lower case. One of several words, such as "carry
	// out", is carryOut as an identifier.
	words []string
	say   string // what to say instead
	where places
	// in limits the row to folders below these. Defaults to all.
	in []string
	// plain are identifiers and phrases in which the word has its plain meaning.
	plain []string
}

// retiredWords has ordinary English words, such as "early", as names only, and
// where needed only in the folders in which they had another meaning.
var retiredWords = []retired{
	// work files and artifacts
	{words: []string{"scratch"}, say: "work directory, work files; artifact store", where: everywhere},
	{words: []string{"rooms"}, say: "packages; disk space", where: everywhere},
	{words: []string{"room"}, say: "disk space, reservation", where: names | files},
	{words: []string{"room on the disk", "room in the work directory", "same room", "free room"}, say: "disk space", where: prose},
	{words: []string{"part", "parts"}, say: "artifact", where: names, in: []string{"worker/artifacts"}},
	{words: []string{"parts of jobs", "parts of a job", "finished parts", "kept parts"}, say: "artifacts", where: prose},
	{words: []string{"keep parts", "part store", "parts version", "parts at once"}, say: "artifact", where: names},
	{words: []string{"spares"}, say: "satisfied", where: names},
	{words: []string{"open below"}, say: "OpenRegularIn", where: names},
	{words: []string{"remove dead", "dead job"}, say: "orphan", where: names},

	// the lease
	{words: []string{"heart"}, say: "heartbeat", where: everywhere},
	{words: []string{"beat"}, say: "heartbeat; keep-alive", where: names | files},
	{words: []string{"hold", "held", "mine"}, say: "lease; renew; check", where: names | files, in: []string{"worker", "webhook", "job"}},
	{words: []string{"lost run"}, say: "lost lease", where: names | prose},
	{words: []string{"persist"}, say: "retry", where: names | files},
	{words: []string{"try time"}, say: "attempt timeout", where: names},

	// slots
	{words: []string{"seat", "seats"}, say: "slot, yielded slot", where: everywhere},
	{words: []string{"parked"}, say: "yielded", where: names | files},
	{words: []string{"slot work"}, say: "cost per slot", where: names},

	// uploads
	{words: []string{"patience"}, say: "retry timeout", where: everywhere},
	{words: []string{"patient", "patiently", "insist"}, say: "retrying, retry", where: everywhere},
	{words: []string{"timed body"}, say: "observed body", where: names},
	{words: []string{"note silence", "read time"}, say: "watch idle; last read", where: names},
	{words: []string{"early"}, say: "segment uploader", where: names | files, in: []string{"worker/publish"}},
	{words: []string{"take back"}, say: "requeue", where: names},
	{words: []string{"growing track"}, say: "live track", where: names},
	{words: []string{"settled"}, say: "finalized", where: names, in: []string{"worker"}},
	{words: []string{"publication"}, say: "object", where: names, in: []string{"worker"}},
	{words: []string{"told"}, say: "entry point; listed", where: names, in: []string{"worker"}},
	{words: []string{"lay"}, say: "link", where: names, in: []string{"worker"}},

	// the end of an output
	{words: []string{"withdraw", "withdraws", "withdrawn", "withdrawal"}, say: "rollback", where: everywhere},
	{words: []string{"placed"}, say: "uploaded", where: names, in: []string{"worker"}},
	{words: []string{"stands"}, say: "existing stream", where: names, in: []string{"worker"}},
	{words: []string{"carry out"}, say: "run the plan", where: names | files},
	{words: []string{"conclude"}, say: "complete, finish", where: names | files},
	{words: []string{"give up"}, say: "fail", where: names | files, plain: []string{"giveUpDelivery"}},

	// readers of growing files
	{words: []string{"follower", "followers", "followed input"}, say: "tail reader", where: names | files, in: []string{"worker", "transcode"}},
	{words: []string{"feeder"}, say: "stdin pump", where: names | files},
	{words: []string{"mailbox"}, say: "latest value", where: names | files},
	{words: []string{"lookahead"}, say: "probe limits", where: names | files},

	// the database
	{words: []string{"waker", "poke"}, say: "notifier; signal", where: everywhere},
	{words: []string{"tell", "told"}, say: "publish, notify", where: names | files, in: []string{"internal/postgres"}},
	{words: []string{"stand aside", "stands aside", "held most"}, say: "unblock; blocked", where: everywhere},
	{words: []string{"carrier"}, say: "River job", where: names | files},
	{words: []string{"revive", "revived", "revivals"}, say: "requeue", where: names | files},
	{words: []string{"put off"}, say: "deprioritize; defer", where: names | files},

	// webhooks
	{words: []string{"receiver", "receivers"}, say: "host", where: names | files, in: []string{"webhook/hostlimit"}},
	{words: []string{"outlive", "last words"}, say: "grace", where: names | files},

	// storage and the sandbox
	{words: []string{"keeper", "keepers"}, say: "storage.Deleter", where: everywhere},
	{words: []string{"together"}, say: "batch", where: names | files, in: []string{"storage", "worker"}},
	{words: []string{"again"}, say: "retry", where: files},
	{words: []string{"keep"}, say: "delete", where: files},
	{words: []string{"loopback"}, say: "range server", where: files},
	{words: []string{"confine", "confines", "confinement"}, say: "sandbox", where: everywhere},
	{words: []string{"white list", "white lists", "whitelist", "whitelists"}, say: "allowlist", where: names | prose,
		plain: []string{"protocol_whitelist", "format_whitelist", "not on whitelist"}}, // what ffmpeg says

	// planning
	{words: []string{"look", "looks"}, say: "picture style", where: names | files, in: []string{"transcode"}, plain: []string{"lookPath", "looksLikeResolution"}},
	{words: []string{"stills"}, say: "thumbnails", where: names | files},
	{words: []string{"video node", "track node"}, say: "rendition node, audio node", where: names},
	{words: []string{"own pass"}, say: "pass in parameters", where: names},
	{words: []string{"sound only"}, say: "audio only", where: names},
	{words: []string{"in force"}, say: "defaults", where: names | files},
	{words: []string{"add light", "light unknown"}, say: "HDR metadata", where: names},

	// small helpers
	{words: []string{"or else"}, say: "cmp.Or", where: names},
	{words: []string{"nobody else"}, say: "unprivileged user", where: names},
	{words: []string{"quieter"}, say: "minimum level", where: names},
	{words: []string{"tidy path"}, say: "normalize path", where: names},
}

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

// ownWords is what must hold retired words: this file, what tells of them, and
// the history.
var ownWords = []string{"../docs/words_test.go", "../CHANGELOG.md", "../CONTRIBUTING.md"}

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
