package console

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/copra-video/copra/job"
)

// pages are the templates by name: each page with the layout around it.
type pages map[string]*template.Template

// fragmentFile has the templates that are parts of pages. They are also sent to open pages.
const fragmentFile = "templates/fragments.html"

func parsePages(a *assets) pages {
	all := pages{}
	names, err := files.ReadDir("templates")
	if err != nil {
		panic("console: read the templates: " + err.Error()) // cannot be
	}
	for _, f := range names {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "layout" || name == "fragments" {
			continue
		}
		t := template.New(name).Funcs(functions).Funcs(template.FuncMap{"asset": a.url})
		all[name] = template.Must(t.ParseFS(files, "templates/layout.html", fragmentFile, "templates/"+f.Name()))
	}
	return all
}

// view is what the layout shows.
type view struct {
	Title   string
	Page    string // the name of its template
	Viewer  viewer
	Version string
	Region  string
	Notice  string // what was just done; "": nothing
	Data    any
}

// notices say what was just done, by the parameter "done" of the next page.
var notices = map[string]string{
	"cancelled": "The job was cancelled.",
	"retried":   "The job begins again with what was not done.",
	"created":   "The job was created.",
	"replayed":  "The webhook is being sent once more.",
	"limited":   "The limits were changed.",
	"revoked":   "The key was revoked.",
}

// show answers with a page.
func (c *console) show(w http.ResponseWriter, r *http.Request, status int, name string, v viewer, title string, data any) {
	var b bytes.Buffer
	err := c.pages[name].ExecuteTemplate(&b, "layout", view{
		Title: title, Page: name, Viewer: v, Version: c.Version, Region: c.Region, Notice: notices[r.URL.Query().Get("done")], Data: data,
	})
	if err != nil {
		c.Log.ErrorContext(r.Context(), "console: make a page", "page", name, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // fails only when the client has disconnected
}

type problemData struct {
	Heading, Problem string
}

// fail answers with a page about an error: with the sentence of a *job.Error, and with a
// general one for a fault of the server, which is logged.
func (c *console) fail(w http.ResponseWriter, r *http.Request, v viewer, err error) {
	e, ok := errors.AsType[*job.Error](err)
	switch {
	case ok && e.Reason.Status() != 0:
		c.show(w, r, e.Reason.Status(), "problem", v, "Not done", problemData{"This could not be done", e.Message})
	case errors.Is(err, job.ErrNotFound):
		c.show(w, r, http.StatusNotFound, "problem", v, "Not found", problemData{"There is no such page", "It may never have been there, or it belongs to another API key."})
	case r.Context().Err() != nil:
		w.WriteHeader(499) // the client has disconnected
	default:
		c.Log.ErrorContext(r.Context(), "console: answer request", "error", err)
		c.show(w, r, http.StatusInternalServerError, "problem", v, "Trouble", problemData{"The server has trouble", "The database may be away for a moment. The server's log says more."})
	}
}

// fragment renders a template for an open page.
func (c *console) fragment(name string, data any) (string, error) {
	var b strings.Builder
	err := c.pages["job"].ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// done redirects to a page, which shows the notice of that name.
func done(w http.ResponseWriter, r *http.Request, path, what string) error {
	http.Redirect(w, r, path+"?done="+what, http.StatusSeeOther)
	return nil
}
