package console_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/copra-video/copra/console/signon"
	"github.com/copra-video/copra/job"
)

// provider stands in for an OpenID provider. It signs in at once whoever comes, with
// the claims that are set, and holds the console to the protocol.
type provider struct {
	*httptest.Server
	t      *testing.T
	claims map[string]any
	refuse string // an error of RFC 6749, section 4.1.2.1
	key    *rsa.PrivateKey
	asked  url.Values // at the authorization endpoint
}

func newProvider(t *testing.T) *provider {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		p.asked = r.URL.Query()
		back := url.Values{"state": {p.asked.Get("state")}, "code": {"one-code"}}
		if p.refuse != "" {
			back = url.Values{"state": {p.asked.Get("state")}, "error": {p.refuse}}
		}
		http.Redirect(w, r, p.asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		id, secret, _ := r.BasicAuth()
		if r.PostFormValue("code") != "one-code" || base64.RawURLEncoding.EncodeToString(challenge[:]) != p.asked.Get("code_challenge") || id != "copra" || secret != "client-secret" {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]any{"error": "invalid_grant", "error_description": "canary-answer"})
			return
		}
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.token()})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token signs the claims.
func (p *provider) token() string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}}, nil)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	claims := map[string]any{"iss": p.URL, "aud": "copra", "sub": "1", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": p.asked.Get("nonce")}
	for k, v := range p.claims {
		claims[k] = v
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}

// TestSignOn: an OpenID provider signs in operators and nobody else, and its settings end
// the sessions that it has begun.
func TestSignOn(t *testing.T) {
	r, p := start(t), newProvider(t)
	serve := func(secret string, operators ...string) {
		r.signOn = signon.Config{Issuer: p.URL, ClientID: "copra", ClientSecret: job.NewSecret(secret), Operators: operators}
		r.serve("")
	}
	serve("client-secret", "Alice@example.com", "group:video")
	if a := r.get("/console/sign-in?next=/console/system"); !strings.Contains(a.body, `href="/console/sign-on?next=%2fconsole%2fsystem"`) || strings.Contains(a.body, "operator's key") {
		t.Errorf("the page to sign in:\n%s", a.body)
	}
	for _, c := range []struct {
		what   string
		claims map[string]any
		refuse string
		status int
		shows  string
	}{
		{"an address that is listed", map[string]any{"email": "alice@example.com", "email_verified": true}, "", 200, "Workers"},
		{"a group that is listed", map[string]any{"email": "bob@example.com", "groups": []string{"sound", "video"}}, "", 200, "Workers"},
		{"an address that is not verified", map[string]any{"email": "alice@example.com"}, "", 403, "has not verified your address"},
		{"somebody else", map[string]any{"email": "eve@example.com", "email_verified": true, "groups": []string{"sound"}}, "", 403, "eve@example.com, who is not an operator"},
		{"somebody without an address", nil, "", 403, "not an operator"},
		{"somebody who declined", nil, "access_denied", 403, "access_denied"},
		{"a token for another program", map[string]any{"email": "alice@example.com", "email_verified": true, "aud": "other"}, "", 502, "did not answer as expected"},
		{"a token of another sign-in", map[string]any{"email": "alice@example.com", "email_verified": true, "nonce": "x"}, "", 502, "did not answer as expected"},
		{"a token that has expired", map[string]any{"email": "alice@example.com", "email_verified": true, "exp": 1}, "", 502, "did not answer as expected"},
	} {
		p.claims, p.refuse = c.claims, c.refuse
		a := r.get("/console/sign-on?next=/console/system")
		if a.status != c.status || !strings.Contains(a.body, c.shows) {
			t.Errorf("%s: %d, want %d and %q:\n%s", c.what, a.status, c.status, c.shows, a.body)
		}
		if c.status == 200 {
			r.post("/console/sign-out")
		}
		if a := r.get("/console/system"); a.path != "/console/sign-in" {
			t.Errorf("%s: then %s", c.what, a.path)
		}
	}
	p.claims, p.refuse = map[string]any{"email": "alice@example.com", "email_verified": true}, ""
	if a := r.get("/console/sign-on/return?code=one-code&state=forged"); a.status != 403 || !strings.Contains(a.body, "Begin again") {
		t.Errorf("a forged return: %d\n%s", a.status, a.body)
	}
	if a := r.get("/console/sign-on?next=https://elsewhere.example.com/"); a.status != 200 || a.path != "/console/" {
		t.Errorf("on to another site: %d %s", a.status, a.path)
	}
	serve("client-secret", "alice@example.com") // the cookie stays
	if a := r.get("/console/system"); a.path != "/console/sign-in" {
		t.Errorf("after the list of operators was changed: %s", a.path)
	}
	serve("wrong-secret", "alice@example.com")
	if a := r.get("/console/sign-on"); a.status != 502 || strings.Contains(a.body, "canary") {
		t.Errorf("a wrong secret: %d\n%s", a.status, a.body)
	}
	p.Close()
	serve("client-secret", "alice@example.com")
	if a := r.get("/console/sign-on"); a.status != 502 {
		t.Errorf("a provider that is away: %d", a.status)
	}
}
