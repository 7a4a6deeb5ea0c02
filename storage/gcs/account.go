package gcs

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// account is a service account. It gets tokens for requests (RFC 7523) and keeps
// the last one until tokenMargin before it expires.
type account struct {
	config jwt.Config
	client remote.Client

	mu    sync.Mutex
	token *oauth2.Token // nil: none yet
}

const (
	defaultTokenURI = "https://oauth2.googleapis.com/token"
	scope           = "https://www.googleapis.com/auth/devstorage.read_write"
	tokenMargin     = time.Minute
)

// parseAccount reads the JSON key file of a service account. Its errors do not
// repeat the text.
func parseAccount(text job.Secret) (*account, error) {
	var file struct {
		Email    string `json:"client_email"`
		Key      string `json:"private_key"`
		KeyID    string `json:"private_key_id"`
		TokenURI string `json:"token_uri"`
	}
	if json.Unmarshal([]byte(text.Reveal()), &file) != nil || file.Email == "" || file.Key == "" {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credential 'service_account_json' is not the JSON key file of a service account.")
	}
	if err := checkKey([]byte(file.Key)); err != nil {
		return nil, err
	}
	if file.TokenURI == "" {
		file.TokenURI = defaultTokenURI
	}
	if u, err := url.Parse(file.TokenURI); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The 'token_uri' in the storage credential 'service_account_json' is not a URL.")
	}
	return &account{config: jwt.Config{
		Email: file.Email, PrivateKey: []byte(file.Key), PrivateKeyID: file.KeyID, TokenURL: file.TokenURI, Scopes: []string{scope},
	}}, nil
}

// checkKey finds a wrong key before the first request, with a message that says
// what is wrong. Package jwt would find it only when it signs.
func checkKey(text []byte) error {
	block, _ := pem.Decode(text)
	if block == nil {
		return job.Errorf(job.StorageCredentialsNotValid, "The 'private_key' in the storage credential 'service_account_json' is not in PEM form.")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if _, ok := key.(*rsa.PrivateKey); err != nil || !ok {
		return job.Errorf(job.StorageCredentialsNotValid, "The 'private_key' in the storage credential 'service_account_json' is not an RSA key.")
	}
	return nil
}

// authorize adds a token to r. again asks for a new token.
func (a *account) authorize(r *http.Request, again bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if again || a.token == nil || time.Until(a.token.Expiry) < tokenMargin {
		if err := a.fetch(r.Context()); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+a.token.AccessToken)
	return nil
}

// fetch gets a new token.
func (a *account) fetch(ctx context.Context) error {
	return storage.Retry(ctx, a.client.Retry, func(ctx context.Context) error {
		t := &transport{ctx: ctx, client: a.client}
		token, err := a.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: t})).Token()
		if t.err != nil {
			return t.err
		}
		if err != nil || token.AccessToken == "" {
			// err may repeat the answer, so it is not wrapped.
			return a.client.Peer.Refused("%[1]s gave no token for the service account (%[3]s).", "no access_token")
		}
		a.token = token
		return nil
	})
}

// transport makes the one request of package jwt by our client, which the guard
// watches. jwt passes no context on, and turns errors into text that may hold
// the answer and the address. So both are kept here.
type transport struct {
	ctx    context.Context //nolint:containedctx // of the one request
	client remote.Client
	err    error // of the request, in words for the customer
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var header http.Header
	var answer []byte
	if header, answer, t.err = t.client.Once(r.Clone(t.ctx)); t.err != nil {
		return nil, t.err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(answer)), Request: r}, nil
}
