// Package docsite serves the documentation of this very version under /docs: the
// Markdown pages of package docs as HTML, with a table of contents and a search.
// There are no scripts, and nothing comes from another host.
package docsite

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// Prefix is the path of the site on the API's server.
const Prefix = "/docs"

const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

//go:embed style.css
var style []byte

//go:embed page.html
var layout string

// sections order the pages of the menu. What is not listed here follows below
// "More", and decisions have a page that lists them.
var sections = []section{
	{"Begin", []string{"quickstart", "move-from-coconut", "webhooks", "compare"}},
	{"Use", []string{"api", "formats", "expressions", "storage", "errors", "check", "console"}},
	{"Run", []string{"configuration", "operations", "sizing", "tracing", "hardware", "regions", "deploy/debian", "deploy/kubernetes", "deploy/nginx", "deploy/haproxy", "deploy/caddy", "deploy/traefik", "deploy/pgbouncer"}},
	{"Know", []string{"spec/coconut-v2", "spec/streams", "glossary", "decisions/README"}},
}

type section struct {
	Title string
	pages []string
}

// page is one page of the site.
type page struct {
	Name, Title string
	Body        template.HTML
	Contents    []heading
	text        string // for the search
}

// heading is a heading of the second level.
type heading struct{ ID, Text string }

// Site is the rendered documentation. It does not change.
type Site struct {
	pages  map[string]*page
	layout *template.Template
}

// New renders the pages of a file system, such as docs.Files.
func New(files fs.FS) (*Site, error) {
	s := &Site{pages: map[string]*page{}}
	var err error
	if s.layout, err = template.New("page").Parse(layout); err != nil {
		return nil, fmt.Errorf("read the layout of the documentation: %w", err)
	}
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" {
			return err
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p, err := render(strings.TrimSuffix(name, ".md"), source, files)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.pages[p.Name] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("render the documentation: %w", err)
	}
	return s, nil
}

// Lazy is the site of a file system, rendered when it is first asked for: a server is
// ready without it.
func Lazy(files fs.FS) http.Handler {
	site := sync.OnceValues(func() (*Site, error) { return New(files) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := site()
		if err != nil {
			http.Error(w, "The documentation cannot be shown.", http.StatusInternalServerError)
			return
		}
		s.ServeHTTP(w, r)
	})
}

// markdown is GitHub's dialect. Pages are our own, but nothing of them is taken for
// HTML all the same.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// render makes a page. The names of headings are those of GitHub, which the links
// between pages use.
func render(name string, source []byte, files fs.FS) (*page, error) {
	p := &page{Name: name, Title: name, text: string(source)}
	ctx := parser.NewContext(parser.WithIDs(&anchors{seen: map[string]int{}}))
	doc := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(ctx))
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			id, _ := n.AttributeString("id")
			idText, _ := id.([]byte)
			switch said := plain(n, source); n.Level {
			case 1:
				p.Title = said
			case 2:
				p.Contents = append(p.Contents, heading{string(idText), said})
			}
		case *ast.Link:
			n.Destination = []byte(link(name, string(n.Destination), files))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, source, doc); err != nil {
		return nil, err
	}
	p.Body = template.HTML(strings.ReplaceAll(out.String(), "<table>", `<table tabindex="0">`)) //nolint:gosec // the renderer escapes what pages hold
	return p, nil
}

// plain is the text of a node without marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) { // it returns no error
		if t, ok := c.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// link is where a link of a page leads to on the site: pages lose their extension, and
// what lies beside the documentation is only in the repository.
func link(from, to string, files fs.FS) string {
	target, anchor, has := strings.Cut(to, "#")
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") || target == "" {
		return to
	}
	name := path.Join(path.Dir(from), target)
	if _, err := fs.Stat(files, name); err != nil || path.Ext(name) != ".md" {
		return Prefix + "#repository"
	}
	to = Prefix + "/" + strings.TrimSuffix(name, ".md")
	if has {
		to += "#" + anchor
	}
	return to
}

// ServeHTTP serves Prefix and everything below it.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	switch p := s.pages[name]; {
	case name == "style.css":
		h.Set("Content-Type", "text/css; charset=utf-8")
		h.Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(style)
	case name == "":
		s.show(w, http.StatusOK, view{Title: "Documentation", Query: r.URL.Query().Get("q")})
	case p != nil:
		s.show(w, http.StatusOK, view{Title: p.Title, Page: p})
	default:
		s.show(w, http.StatusNotFound, view{Title: "There is no such page", Missing: true})
	}
}

// view is what the layout shows.
type view struct {
	Title   string
	Page    *page // nil: the front page
	Query   string
	Missing bool
	Menu    []menu
	Found   []hit
}

type menu struct {
	Title string
	Pages []*page
}

// hit is a page in which words were found, with the line of the first.
type hit struct {
	Page *page
	Line string
}

func (s *Site) show(w http.ResponseWriter, status int, v view) {
	v.Menu = s.menu()
	if v.Query != "" {
		v.Found = s.search(v.Query)
	}
	var out bytes.Buffer
	if err := s.layout.Execute(&out, v); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// menu is the table of contents.
func (s *Site) menu() []menu {
	var list []menu
	listed := map[string]bool{}
	for _, sec := range sections {
		m := menu{Title: sec.Title}
		for _, name := range sec.pages {
			if p := s.pages[name]; p != nil {
				m.Pages, listed[name] = append(m.Pages, p), true
			}
		}
		list = append(list, m)
	}
	more := menu{Title: "More"}
	for name, p := range s.pages {
		if !listed[name] && !strings.HasPrefix(name, "decisions/") {
			more.Pages = append(more.Pages, p)
		}
	}
	slices.SortFunc(more.Pages, func(a, b *page) int { return strings.Compare(a.Title, b.Title) })
	if len(more.Pages) > 0 {
		list = append(list, more)
	}
	return list
}

// mostFound bounds an answer of the search.
const mostFound = 50

// search finds the pages that have all words, those with a word in the title first.
func (s *Site) search(query string) []hit {
	words := strings.Fields(strings.ToLower(query))
	var found []hit
	for _, p := range s.pages {
		low := strings.ToLower(p.text)
		if len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(low, w) }) {
			continue
		}
		found = append(found, hit{p, lineWith(p.text, words[0])})
	}
	inTitle := func(h hit) int {
		if strings.Contains(strings.ToLower(h.Page.Title), words[0]) {
			return 0
		}
		return 1
	}
	slices.SortFunc(found, func(a, b hit) int {
		if d := inTitle(a) - inTitle(b); d != 0 {
			return d
		}
		return strings.Compare(a.Page.Name, b.Page.Name)
	})
	return found[:min(len(found), mostFound)]
}

// lineWith is the first line with a word, shortened.
func lineWith(page, word string) string {
	for line := range strings.Lines(page) {
		if strings.Contains(strings.ToLower(line), word) {
			line = strings.Trim(line, "# |\n")
			if r := []rune(line); len(r) > 200 {
				line = string(r[:200]) + "..."
			}
			return line
		}
	}
	return ""
}
