// Package signon signs people in to the console with an OpenID provider (OpenID Connect
// Core 1.0, authorization code flow with PKCE, RFC 7636). It knows who may; the console
// has the pages, cookies and sessions.
package signon

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/copra-video/copra/job"
)

// Config configures the provider.
type Config struct {
	// Issuer is the address of the provider, as its discovery document and tokens name it.
	Issuer string
	// ClientID and ClientSecret are what the provider knows the console by.
	ClientID     string
	ClientSecret job.Secret
	// ReturnURL is the page of the console to which the provider sends people back.
	ReturnURL string
	// Scopes are what the provider is asked to tell, besides openid. Defaults to email.
	Scopes []string
	// Operators are who may sign in: addresses of mail, which the provider has to have
	// verified, and "group:NAME" for a name in the claim "groups".
	Operators []string
}

// timeout bounds what the provider is asked.
const timeout = 10 * time.Second

// RefusedError is why somebody was not signed in, as a sentence for them.
type RefusedError string

func (e RefusedError) Error() string { return string(e) }

// Provider signs people in. Its discovery document is read when somebody comes, so that a
// server starts also while the provider is away.
type Provider struct {
	config Config
	client *http.Client

	mu       sync.Mutex
	provider *oidc.Provider
}

// New returns a Provider.
func New(c Config) *Provider {
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"email"}
	}
	return &Provider{config: c, client: &http.Client{Timeout: timeout}}
}

// Begin returns the address at which somebody identifies to the provider, and a secret
// that Finish needs, which only their browser may keep.
func (p *Provider) Begin(ctx context.Context) (address, secret string, err error) {
	flow, _, err := p.flow(ctx)
	if err != nil {
		return "", "", err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	address = flow.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	return address, strings.Join([]string{state, nonce, verifier}, "."), nil
}

// Finish takes the query with which the provider has sent somebody back, and the secret of
// Begin. It returns the person's name for the log, or a RefusedError.
func (p *Provider) Finish(ctx context.Context, secret string, q url.Values) (name string, err error) {
	parts := strings.Split(secret, ".")
	if len(parts) != 3 || subtle.ConstantTimeCompare([]byte(parts[0]), []byte(q.Get("state"))) != 1 {
		return "", RefusedError("This sign-in was begun in another window, or too long ago. Begin again.")
	}
	if why := q.Get("error"); why != "" {
		return "", RefusedError("The provider did not sign you in: " + printable(cmp.Or(q.Get("error_description"), why)) + ".")
	}
	flow, provider, err := p.flow(ctx)
	if err != nil {
		return "", err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := flow.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(parts[2]))
	if err != nil {
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			// Its text has the whole answer, which may have secrets.
			return "", fmt.Errorf("the provider has refused the code: HTTP status %d %s", refused.Response.StatusCode, printable(refused.ErrorCode))
		}
		return "", fmt.Errorf("ask the provider for a token: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider has sent no id_token")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", fmt.Errorf("the id_token is not valid: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(parts[1])) != 1 {
		return "", errors.New("the id_token is for another sign-in")
	}
	return p.admit(id)
}

// admit returns the name of a person who may come in.
func (p *Provider) admit(id *oidc.IDToken) (name string, err error) {
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
		Groups   []string
	}
	if err := id.Claims(&claims); err != nil {
		return "", fmt.Errorf("the claims of the id_token: %w", err)
	}
	name = cmp.Or(claims.Email, id.Subject)
	for _, who := range p.config.Operators {
		group, isGroup := strings.CutPrefix(who, "group:")
		switch {
		case isGroup && slices.Contains(claims.Groups, group):
			return name, nil
		case isGroup || !strings.EqualFold(who, claims.Email) || claims.Email == "":
		case claims.Verified:
			return name, nil
		default:
			return "", RefusedError("The provider has not verified your address " + printable(claims.Email) + ".")
		}
	}
	return "", RefusedError("The provider knows you as " + printable(name) + ", who is not an operator of this server.")
}

// flow returns what the discovery document says.
func (p *Provider) flow(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.provider == nil {
		// The context is kept for later reads of keys; that of a request ends.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.config.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask the provider at %s: %w", p.config.Issuer, err)
		}
		p.provider = found
	}
	return &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret.Reveal(), Endpoint: p.provider.Endpoint(),
		RedirectURL: p.config.ReturnURL, Scopes: append([]string{oidc.ScopeOpenID}, p.config.Scopes...),
	}, p.provider, nil
}

// Key is bound to all that decides who may sign in: when that changes, sessions end.
func (p *Provider) Key() []byte {
	h := sha256.New()
	for _, part := range append([]string{p.config.Issuer, p.config.ClientID, p.config.ClientSecret.Reveal()}, p.config.Operators...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return h.Sum(nil)
}

// printable bounds a text of others.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return strings.TrimRight(s, ". ")
}
