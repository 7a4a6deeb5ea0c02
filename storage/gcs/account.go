package gcs

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/remote"
)

// account is a service account. It makes tokens for requests and keeps one
// until shortly before its end.
type account struct {
	Email    string `json:"client_email"`
	Key      string `json:"private_key"`
	KeyID    string `json:"private_key_id"`
	TokenURI string `json:"token_uri"`

	signer *rsa.PrivateKey
	client remote.Client

	mu    sync.Mutex
	token string
	until time.Time
}

const (
	defaultTokenURI = "https://oauth2.googleapis.com/token"
	scope           = "https://www.googleapis.com/auth/devstorage.read_write"
)

// parseAccount reads the JSON file of a service account.
func parseAccount(text job.Secret) (*account, error) {
	a := &account{}
	if json.Unmarshal([]byte(text.Reveal()), a) != nil || a.Email == "" || a.Key == "" {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credential 'service_account_json' is not the JSON key file of a service account.")
	}
	block, _ := pem.Decode([]byte(a.Key))
	if block == nil {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The 'private_key' in the storage credential 'service_account_json' is not in PEM form.")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	signer, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The 'private_key' in the storage credential 'service_account_json' is not an RSA key.")
	}
	if a.TokenURI == "" {
		a.TokenURI = defaultTokenURI
	}
	if u, err := url.Parse(a.TokenURI); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The 'token_uri' in the storage credential 'service_account_json' is not a URL.")
	}
	a.signer = signer
	return a, nil
}

// authorize puts a token on r. again asks for a new one.
func (a *account) authorize(r *http.Request, again bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if again || time.Now().After(a.until) {
		if err := a.fetch(r.Context()); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	return nil
}

// fetch trades a signed assertion for a token (RFC 7523).
func (a *account) fetch(ctx context.Context) error {
	assertion, err := a.assertion(time.Now())
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}.Encode()
	_, answer, err := a.client.Do(ctx, func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.TokenURI, strings.NewReader(form))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r, nil
	})
	if err != nil {
		return err
	}
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if json.Unmarshal(answer, &token) != nil || token.AccessToken == "" {
		return a.client.Peer.Refused("%[1]s gave no token for the service account (%[3]s).", "no access_token")
	}
	a.token = token.AccessToken
	a.until = time.Now().Add(time.Duration(token.ExpiresIn)*time.Second - time.Minute)
	return nil
}

// assertion is a JSON Web Token signed with RS256.
func (a *account) assertion(now time.Time) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": a.KeyID})
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	claims, err := json.Marshal(map[string]any{
		"iss": a.Email, "scope": scope, "aud": a.TokenURI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.signer, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
