package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// tidyPath lets the router see the path without doubled and trailing slashes:
// coconutpy and coconutrb end metadata addresses with one, and an endpoint
// configured with a trailing slash makes two. Nothing is redirected and the
// request's URL stays as it came, since a key or a stored file may have such a
// path in earnest. The path is routed as escaped, so an escaped slash is not
// taken for a separator.
func tidyPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chi.RouteContext(r.Context()).RoutePath = "/" + strings.Join(segments(r.URL.EscapedPath()), "/")
		next.ServeHTTP(w, r)
	})
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// param is the decoded parameter name of the route.
func param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if d, err := url.PathUnescape(v); err == nil {
		return d
	}
	return v
}

// metadataKey is what follows the job's id in the address of its metadata:
// clients append the key of an output as it is, so it may hold ':', '=', ','
// and '/', or come percent-encoded. It is "" when nothing follows but slashes.
func metadataKey(u *url.URL) string {
	rest := u.EscapedPath()
	for range 4 { // v2, metadata, jobs, the id
		_, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
	}
	key, err := url.PathUnescape(strings.TrimLeft(rest, "/"))
	if err != nil {
		return rest
	}
	return key
}

// jobID is the id in the route, or "" when no job can have it, so that nothing
// odd gets as far as the database.
func jobID(r *http.Request) string {
	id := param(r, "id")
	if len(id) > 64 {
		return ""
	}
	for _, c := range id {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return ""
		}
	}
	return id
}
