package docsite

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"

	"github.com/copra-video/copra/docs"
)

func site(t *testing.T, files fs.FS) http.Handler {
	t.Helper()
	s, err := New(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// walk calls f for every element of a page.
func walk(t *testing.T, body string, f func(n *html.Node, attr map[string]string)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		f(n, attr)
	}
}

// TestSite: every page of the documentation is served, each link on it leads to a page
// with that heading, and none loads anything from elsewhere or has a script.
func TestSite(t *testing.T) {
	h := Lazy(docs.Files)
	type target struct{ from, path, anchor string }
	var links []target
	ids := map[string]map[string]bool{}
	paths := []string{Prefix}
	err := fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, Prefix+"/"+strings.TrimSuffix(name, ".md"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		got := get(t, h, p)
		if got.Code != 200 || got.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%s: %d %v", p, got.Code, got.Header())
		}
		ids[p] = map[string]bool{"": true}
		titles := 0
		walk(t, got.Body.String(), func(n *html.Node, attr map[string]string) {
			if id := attr["id"]; id != "" {
				if ids[p][id] {
					t.Errorf("%s has two elements %q", p, id)
				}
				ids[p][id] = true
			}
			switch n.Data {
			case "script", "style":
				t.Errorf("%s has a %s", p, n.Data)
			case "h1":
				titles++
			case "a":
				u, err := url.Parse(attr["href"])
				if err != nil {
					t.Errorf("%s: %v", p, err)
				} else if u.Host == "" && (u.Path == "" || strings.HasPrefix(u.Path, Prefix)) {
					path := u.Path
					if path == "" {
						path = p
					}
					links = append(links, target{p, path, u.Fragment})
				}
			}
			for _, name := range []string{"src", "style", "onclick"} {
				if v := attr[name]; v != "" {
					t.Errorf("%s: %s has %s=%q", p, n.Data, name, v)
				}
			}
		})
		if titles != 1 {
			t.Errorf("%s has %d titles", p, titles)
		}
	}
	for _, l := range links {
		if ids[l.path] == nil || !ids[l.path][l.anchor] {
			t.Errorf("%s links to %s#%s, which is not there", l.from, l.path, l.anchor)
		}
	}
	if len(links) < 500 {
		t.Errorf("only %d links were found", len(links))
	}
	inMenu := strings.Count(get(t, h, Prefix).Body.String(), "<li><a")
	if inMenu < 20 {
		t.Errorf("the menu has %d pages", inMenu)
	}
}

// TestPage: what a page may hold is shown as text, and the rest of the answers.
func TestPage(t *testing.T) {
	h := site(t, fstest.MapFS{
		"a.md":       {Data: []byte("# A *title*\n\n<script>alert(1)</script>\n\n## One\n\n## One\n\n[b](sub/b.md#x-y) [source](../main.go) [out](https://example.com/)\n")},
		"sub/b.md":   {Data: []byte("# B\n\n## X, y!\n\nNeedle in hay.\n")},
		"image.png":  {Data: []byte("x")},
		"sub/README": {Data: []byte("x")},
	})
	body := get(t, h, Prefix+"/a").Body.String()
	for _, want := range []string{
		"<title>A title - Copra</title>", `id="one"`, `id="one-1"`, `href="/docs/sub/b#x-y"`, `href="/docs#repository"`, `href="https://example.com/"`, `aria-current="page"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("a page runs a script")
	}
	if !strings.Contains(get(t, h, Prefix+"/sub/b").Body.String(), `id="x-y"`) {
		t.Error("a heading is not named as GitHub names it")
	}
	found := get(t, h, Prefix+"?q=NEEDLE+hay").Body.String()
	if !strings.Contains(found, "Needle in hay.") || strings.Contains(found, `<a href="/docs/a">A title</a><p>`) {
		t.Errorf("found %s", found)
	}
	if none := get(t, h, Prefix+"?q=%3Cb%3Enothing").Body.String(); !strings.Contains(none, "No page has") || strings.Contains(none, "<b>nothing") {
		t.Errorf("found %s", none)
	}
	if got := get(t, h, Prefix+"/none"); got.Code != 404 || !strings.Contains(got.Body.String(), "no such page") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := get(t, h, Prefix+"/style.css"); got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, Prefix, nil))
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}
