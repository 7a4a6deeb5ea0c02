// Package gcs stores and reads objects of Google Cloud Storage by its JSON API
// with a service account. Customers with HMAC keys are served by package s3.
package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/httpsource"
	"github.com/copra-video/copra/storage/remote"
)

// Credential is the name of the credential that chooses this package.
const Credential = "service_account_json"

const defaultEndpoint = "https://storage.googleapis.com"

// Options of a bucket.
type Options struct {
	// Client makes the requests; it comes from netguard and follows no
	// redirects.
	Client *http.Client
	Retry  retry.Policy
}

// Bucket is one bucket. It implements storage.Deleter and opens sources.
type Bucket struct {
	client   remote.Client
	account  *account
	endpoint string
	name     string
	acl      string
	st       job.Storage
}

// acls are the predefined ACLs by the names of S3.
var acls = map[string]string{
	"": "", "private": "private", "public-read": "publicRead", "public-read-write": "publicRead",
	"authenticated-read": "authenticatedRead", "bucket-owner-read": "bucketOwnerRead",
	"bucket-owner-full-control": "bucketOwnerFullControl", "aws-exec-read": "",
}

var sentences = map[string]string{
	"notFound":        "There is no %[2]s, or no such file in it (%[3]s).",
	"invalid_grant":   "%[1]s does not accept the service account, or the clock of this server is wrong (%[3]s).",
	"invalid_client":  "%[1]s does not accept the service account (%[3]s).",
	"accountDisabled": "The account of %[2]s is disabled (%[3]s).",
}

// Open makes a Bucket of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	a, err := parseAccount(st.Credentials[Credential])
	if err != nil {
		return nil, err
	}
	acl, ok := acls[st.ACL]
	if !ok {
		return nil, job.Errorf(job.StorageNotValid, "The storage 'acl' %q is not known.", st.ACL)
	}
	if st.Bucket == "" {
		return nil, job.Errorf(job.StorageNotValid, "The storage has no 'bucket'.")
	}
	b := &Bucket{
		client: remote.Client{
			HTTP: o.Client, Retry: o.Retry, Peer: remote.Bucket("bucket", st.Bucket), Code: reason, Sentences: sentences,
		},
		account: a, endpoint: strings.TrimRight(st.Endpoint, "/"), name: st.Bucket, acl: acl, st: *st,
	}
	if b.endpoint == "" {
		b.endpoint = defaultEndpoint
	}
	a.client = b.client
	return b, nil
}

// reason reads the error code from an answer of the API or of the token
// service.
func reason(_ int, body []byte) string {
	var api struct {
		Error struct {
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &api) == nil && len(api.Error.Errors) > 0 {
		return api.Error.Errors[0].Reason
	}
	var token struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &token) != nil {
		return ""
	}
	return token.Error
}

// Check lists one key of the bucket. An account that may only create objects is
// refused the list. That is no error.
func (b *Bucket) Check(ctx context.Context) error {
	_, _, err := b.do(ctx, http.MethodGet, "/storage/v1/b/"+url.PathEscape(b.name)+"/o?maxResults=1&fields=kind", nil, nil)
	if remote.IsStatus(err, http.StatusForbidden) {
		return nil
	}
	return err
}

// do makes a request of the API with a token.
func (b *Bucket) do(ctx context.Context, method, path string, header http.Header, body []byte) (http.Header, []byte, error) {
	return b.client.Do(ctx, func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, method, b.endpoint+path, bytes.NewReader(body))
		if err != nil {
			return nil, job.Errorf(job.StorageNotValid, "The storage 'endpoint' or 'bucket' is not valid.")
		}
		for name, values := range header {
			r.Header[name] = values
		}
		return r, b.account.authorize(r, false)
	})
}

// URL is the public address of key.
func (b *Bucket) URL(key string) string {
	return b.endpoint + "/" + storage.EscapeKey(b.name) + "/" + storage.EscapeKey(key)
}

// Put stores body by a resumable upload. After a break the service says how much
// it has, and the rest is sent. The object appears when all of it has arrived.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	u := &upload{b: b, key: key, body: body, opts: opts}
	for {
		before := u.offset
		err := storage.Retry(ctx, b.client.Retry, u.try)
		if _, passing := errors.AsType[*storage.Unavailable](err); passing && u.offset > before {
			continue // an attempt with progress does not count
		}
		return err
	}
}

// Source finds the object key and returns it for reading.
func (b *Bucket) Source(ctx context.Context, key string) (storage.Source, error) {
	return httpsource.OpenWith(ctx, b.client.HTTP, job.NewSecret(b.endpoint+b.object(key)+"?alt=media"), httpsource.Options{
		Retry: b.client.Retry, Authorize: b.account.authorize, Place: b.client.Peer.Noun,
	})
}

var _ storage.Deleter = (*Bucket)(nil)
