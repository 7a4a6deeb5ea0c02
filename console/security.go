package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// policy is the Content-Security-Policy of every page: only what this server serves, and
// nothing inline. blob: is for players, which play by Media Source Extensions.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; media-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secure adds the headers of all answers. It refuses requests that would change something if
// they come from another site, as browsers say in Sec-Fetch-Site or Origin.
func secure(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This request came from another site and was refused.", http.StatusForbidden)
	}))
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

// allowInlineStyles is for pages that are not the console's own and set styles by script.
func allowInlineStyles(w http.ResponseWriter) {
	w.Header().Set("Content-Security-Policy", strings.Replace(policy, "style-src 'self'", "style-src 'self' 'unsafe-inline'", 1))
}

// allowMedia lets a page load media and pictures from the hosts of these results. Scripts and
// styles never come from there.
func allowMedia(w http.ResponseWriter, results []string) {
	var origins []string
	for _, r := range results {
		u, err := url.Parse(r)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.ContainsAny(u.Host, " ;,'\"") || u.Host == "" {
			continue
		}
		if o := u.Scheme + "://" + u.Host; !slices.Contains(origins, o) {
			origins = append(origins, o)
		}
	}
	if len(origins) == 0 {
		return
	}
	more := " " + strings.Join(origins, " ")
	p := strings.NewReplacer("img-src 'self'", "img-src 'self'"+more, "connect-src 'self'", "connect-src 'self'"+more, "media-src 'self'", "media-src 'self'"+more).Replace(policy)
	w.Header().Set("Content-Security-Policy", p)
}
