package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// normalizePath makes the router ignore doubled and trailing slashes: coconutpy and
// coconutrb end the URLs of metadata with a slash, and an endpoint that is
// configured with a trailing slash leads to two. There is no redirect, and the URL
// of the request stays unchanged, since a key or a stored file may have such a
// path. The router gets the escaped path, so that an escaped slash is no separator.
func normalizePath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chi.RouteContext(r.Context()).RoutePath = "/" + strings.Join(segments(r.URL.EscapedPath()), "/")
		next.ServeHTTP(w, r)
	})
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// param returns a decoded parameter of the route.
func param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if d, err := url.PathUnescape(v); err == nil {
		return d
	}
	return v
}

// metadataKey returns the key in the URL of a job's metadata, "" when there is none.
// Clients append the key of an output unchanged or percent-encoded, so it may
// contain ':', '=', ',' and '/'.
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

// jobID returns the id of the route, or "" when it cannot be the id of a job: no
// other text reaches the database.
func jobID(r *http.Request) string {
	if id := param(r, "id"); plainID(id) {
		return id
	}
	return ""
}

// plainID reports whether a text can be the id of a job.
func plainID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}
