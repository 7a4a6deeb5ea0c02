package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// cookieName is the name of the cookie with the session's token.
const cookieName = "copra_console"

// cookieLife is the life of the cookie, in seconds. The database ends a session earlier.
const cookieLife = 7 * 24 * 3600

// viewer is who is signed in.
type viewer struct {
	Scope    string // the id of the API key, or job.AnyKey
	Name     string // of the API key, or "operator"
	Operator bool
	hash     []byte // of the session's token
}

// page answers a request of somebody who is signed in. Its error becomes a page.
type page func(w http.ResponseWriter, r *http.Request, v viewer) error

// signedIn serves a page to who is signed in, and sends everybody else to sign in first.
func (c *console) signedIn(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := c.viewer(r)
		switch {
		case errors.Is(err, job.ErrNotFound) && (r.URL.Path == "/console/live" || r.URL.Path == "/console/validate"):
			w.WriteHeader(http.StatusUnauthorized) // asked by a script
			return
		case errors.Is(err, job.ErrNotFound):
			to := "/console/sign-in"
			if r.Method == http.MethodGet && r.URL.Path != "/console" && r.URL.Path != "/console/" {
				to += "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		case err == nil:
			err = p(w, r, v)
		}
		if err != nil {
			c.fail(w, r, v, err)
		}
	})
}

// operatorOnly makes a page that does not exist for others.
func operatorOnly(p page) page {
	return func(w http.ResponseWriter, r *http.Request, v viewer) error {
		if !v.Operator {
			return job.ErrNotFound
		}
		return p(w, r, v)
	}
}

// viewer returns who sent the request, or job.ErrNotFound.
func (c *console) viewer(r *http.Request) (viewer, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil || cookie.Value == "" {
		return viewer{}, job.ErrNotFound
	}
	hash := sha256.Sum256([]byte(cookie.Value))
	s, err := c.Store.Session(r.Context(), hash[:])
	if err != nil {
		return viewer{}, err
	}
	if s.KeyID != "" {
		return viewer{Scope: s.KeyID, Name: s.KeyName, hash: hash[:]}, nil
	}
	if !c.proved(cookie.Value, s.Proof) {
		return viewer{}, job.ErrNotFound // the credential was changed or taken away
	}
	return viewer{Scope: job.AnyKey, Name: "operator", Operator: true, hash: hash[:]}, nil
}

// proof returns what a session of the operator is stored with. It binds the session to the
// credential: when that is changed, the session ends.
func (c *console) proof(token string) []byte {
	m := hmac.New(sha256.New, []byte(c.Operator.Reveal()))
	m.Write([]byte(token))
	return m.Sum(nil)
}

type signInData struct {
	Next, Problem string
	Operator      bool // one can sign in with the operator's credential
	SignOn        bool // and with the provider
}

func (c *console) signInData(r *http.Request) signInData {
	return signInData{Next: localPath(r.FormValue("next")), Operator: !c.Operator.IsZero(), SignOn: c.SignOn != nil}
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) {
	if _, err := c.viewer(r); err == nil {
		http.Redirect(w, r, localPath(r.FormValue("next")), http.StatusSeeOther)
		return
	}
	c.show(w, r, http.StatusOK, "sign-in", viewer{}, "Sign in", c.signInData(r))
}

// signIn takes an API key or the operator's credential and begins a session.
func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	data := c.signInData(r)
	from := clientAddress(r)
	if wait := c.tries.blocked(from, time.Now()); wait > 0 {
		w.Header().Set("Retry-After", "60")
		data.Problem = "There were too many wrong keys from your address. Wait a minute, then try again."
		c.show(w, r, http.StatusTooManyRequests, "sign-in", viewer{}, "Sign in", data)
		return
	}
	token := strings.TrimSpace(r.PostFormValue("key"))
	keyID, proved, err := c.identify(r, token)
	switch {
	case errors.Is(err, job.ErrNotFound):
		c.tries.failed(from, time.Now())
		c.Log.WarnContext(r.Context(), "console: a sign-in was refused", "address", from)
		data.Problem = "This is not a key of this server, or it was revoked."
		c.show(w, r, http.StatusUnauthorized, "sign-in", viewer{}, "Sign in", data)
		return
	case err != nil:
		c.fail(w, r, viewer{}, err)
		return
	}
	session := rand.Text()
	var proof []byte
	if proved {
		proof = c.proof(session)
	}
	if err := c.begin(w, r, session, keyID, proof); err != nil {
		c.fail(w, r, viewer{}, err)
		return
	}
	http.Redirect(w, r, data.Next, http.StatusSeeOther)
}

// begin stores a session and sets its cookie.
func (c *console) begin(w http.ResponseWriter, r *http.Request, token, keyID string, proof []byte) error {
	hash := sha256.Sum256([]byte(token))
	if err := c.Store.CreateSession(r.Context(), hash[:], keyID, proof); err != nil {
		return err
	}
	http.SetCookie(w, c.cookie(r, token, cookieLife))
	return nil
}

// identify returns the id of the API key with this token, or true for the operator's
// credential. It fails with job.ErrNotFound for everything else.
func (c *console) identify(r *http.Request, token string) (keyID string, operator bool, err error) {
	if token == "" {
		return "", false, job.ErrNotFound
	}
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(c.Operator.Reveal()))
	if !c.Operator.IsZero() && subtle.ConstantTimeCompare(given[:], want[:]) == 1 {
		return "", true, nil
	}
	key, err := c.Store.Authenticate(r.Context(), token)
	return key.ID, false, err
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	if v, err := c.viewer(r); err == nil {
		if err := c.Store.EndSession(r.Context(), v.hash); err != nil {
			c.fail(w, r, v, err)
			return
		}
	}
	http.SetCookie(w, c.cookie(r, "", -1))
	http.Redirect(w, r, "/console/sign-in", http.StatusSeeOther)
}

// cookie returns the cookie of a session. SameSite=Lax lets links to the console
// work; requests of other sites that would change something are refused by secure.
func (c *console) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/console", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || strings.HasPrefix(c.PublicURL, "https://"),
	}
}

// localPath returns p if it is a path of the console, and else the first page. So a link to
// the sign-in page cannot lead on to another site.
func localPath(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.Host != "" || u.Scheme != "" || strings.Contains(p, `\`) ||
		!strings.HasPrefix(u.Path, "/console/") || strings.HasPrefix(u.Path, "/console/sign-") {
		return "/console/"
	}
	return u.RequestURI()
}
