package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/copra-video/copra/console/signon"
)

// SignOn signs operators in with an OpenID provider, see package signon.
type SignOn interface {
	Begin(ctx context.Context) (address, secret string, err error)
	Finish(ctx context.Context, secret string, q url.Values) (name string, err error)
	Key() []byte
}

// flowCookie keeps what signon.Begin has returned, and the page to go to afterwards.
const flowCookie = "copra_console_flow"

// flowLife is how long somebody may take at the provider, in seconds.
const flowLife = 600

// beginSignOn sends somebody to the provider.
func (c *console) beginSignOn(w http.ResponseWriter, r *http.Request) {
	address, secret, err := c.SignOn.Begin(r.Context())
	if err != nil {
		c.signOnFailed(w, r, err)
		return
	}
	http.SetCookie(w, c.flow(r, secret+"|"+localPath(r.FormValue("next")), flowLife))
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// endSignOn begins a session for somebody whom the provider has sent back.
func (c *console) endSignOn(w http.ResponseWriter, r *http.Request) {
	var secret, next string
	if cookie, err := r.Cookie(flowCookie); err == nil {
		secret, next, _ = strings.Cut(cookie.Value, "|")
	}
	http.SetCookie(w, c.flow(r, "", -1)) // holds for once
	name, err := c.SignOn.Finish(r.Context(), secret, r.URL.Query())
	if err != nil {
		c.signOnFailed(w, r, err)
		return
	}
	c.Log.InfoContext(r.Context(), "console: an operator has signed in", "name", name)
	token := rand.Text()
	if err := c.begin(w, r, token, "", c.signOnProof(token)); err != nil {
		c.fail(w, r, viewer{}, err)
		return
	}
	http.Redirect(w, r, localPath(next), http.StatusSeeOther)
}

// signOnFailed shows the page to sign in with what went wrong.
func (c *console) signOnFailed(w http.ResponseWriter, r *http.Request, err error) {
	data := c.signInData(r)
	status := http.StatusForbidden
	if refused, ok := errors.AsType[signon.RefusedError](err); ok {
		data.Problem = string(refused)
	} else {
		status, data.Problem = http.StatusBadGateway, "The provider that signs people in did not answer as expected. The server's log says more."
	}
	c.Log.WarnContext(r.Context(), "console: a sign-in by the provider failed", "address", clientAddress(r), "error", err)
	c.show(w, r, status, "sign-in", viewer{}, "Sign in", data)
}

func (c *console) flow(r *http.Request, value string, maxAge int) *http.Cookie {
	k := c.cookie(r, value, maxAge)
	k.Name, k.Path = flowCookie, "/console/sign-on"
	return k
}

// signOnProof is proof for operators whom the provider has signed in: a session ends when
// the provider or who may sign in is changed.
func (c *console) signOnProof(token string) []byte {
	m := hmac.New(sha256.New, c.SignOn.Key())
	m.Write([]byte(token))
	return m.Sum(nil)
}

// proved reports whether a session of the operator still holds.
func (c *console) proved(token string, proof []byte) bool {
	return !c.Operator.IsZero() && hmac.Equal(proof, c.proof(token)) || c.SignOn != nil && hmac.Equal(proof, c.signOnProof(token))
}
