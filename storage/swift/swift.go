// Package swift stores and reads objects of OpenStack Swift, and so of Rackspace
// Cloud Files. A library does the login, which has three versions. The rest of
// the protocol is plain HTTP.
package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/ncw/swift/v2"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/httpsource"
	"github.com/copra-video/copra/storage/remote"
)

// Options of a container.
type Options struct {
	// Client makes the requests; it comes from netguard and follows no
	// redirects.
	Client *http.Client
	Retry  retry.Policy
	// SegmentSize is the smallest size of a segment. Files of more than twice
	// this size are stored in segments, since an object is limited to 5 GB.
	// Defaults to 1 GiB.
	SegmentSize int64
}

// Bucket is one container. It implements storage.Deleter and opens sources.
type Bucket struct {
	o      Options
	client remote.Client
	name   string

	mu    sync.Mutex // guards the fields below
	login *swift.Connection
	url   string // of the account; "" before the login
	token string
}

const rackspace = "https://identity.api.rackspacecloud.com/v2.0"

var sentences = map[string]string{
	"HTTP status code: 404": "The %[2]s does not exist (%[3]s).",
	"HTTP status code: 413": "The file is too large for %[2]s, or its quota is used up (%[3]s).",
}

// Open makes a Bucket of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	if o.SegmentSize == 0 {
		o.SegmentSize = 1 << 30
	}
	user, key := st.Credentials["username"].Reveal(), st.Credentials["api_key"].Reveal()
	if user == "" || key == "" {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credentials are not correct, you must define your 'username' and 'api_key'.")
	}
	if st.Bucket == "" {
		return nil, job.Errorf(job.StorageNotValid, "The storage has no 'container'.")
	}
	auth := strings.TrimRight(st.Endpoint, "/")
	if auth == "" {
		auth = rackspace
	}
	version := 0 // as the address says
	if !strings.Contains(auth, "v1") && !strings.Contains(auth, "v2") {
		version = 3
	}
	return &Bucket{
		o: o, name: st.Bucket,
		client: remote.Client{HTTP: o.Client, Retry: o.Retry, Peer: remote.Bucket("container", st.Bucket), Sentences: sentences},
		login: &swift.Connection{
			UserName: user, ApiKey: key, AuthUrl: auth, AuthVersion: version, Region: strings.ToUpper(st.Region),
			Tenant: st.Options["tenant"], Domain: st.Options["domain"],
			UserAgent: "Copra", Retries: 1, Transport: o.Client.Transport,
		},
	}, nil
}

// enter logs in. again is set when the service did not accept the token any
// more.
func (b *Bucket) enter(ctx context.Context, again bool) (url, token string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.url != "" && !again {
		return b.url, b.token, nil
	}
	err = storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error {
		b.login.UnAuthenticate()
		return b.explainLogin(b.login.Authenticate(ctx))
	})
	if err != nil {
		return "", "", err
	}
	b.url, b.token = strings.TrimRight(b.login.StorageUrl, "/"), b.login.AuthToken
	return b.url, b.token, nil
}

func (b *Bucket) explainLogin(err error) error {
	e, ok := errors.AsType[*swift.Error](err)
	switch {
	case !ok || e.StatusCode == 0 && err != nil && netguard.Permanent(err):
		return b.client.Peer.Explain(err)
	case e.StatusCode == 0:
		// The library's own message, such as that there is no such region.
		return b.client.Peer.Refused("The login to the storage of %[2]s did not work: the endpoint or the region is wrong (%[3]s).", "no Swift").WithCause(err)
	case e.StatusCode == http.StatusBadRequest, e.StatusCode == http.StatusNotFound:
		return b.client.Peer.Refused("The login to the storage of %[2]s did not work: the endpoint, the region or the credentials are wrong (%[3]s).",
			fmt.Sprintf("HTTP status code: %d", e.StatusCode))
	}
	return b.client.Peer.Status(e.StatusCode, "", nil)
}

// do makes a request to the container, or to another one of the same account.
// path is escaped.
func (b *Bucket) do(ctx context.Context, method, path string, fill func(*http.Request)) error {
	_, _, err := b.ask(ctx, method, path, fill)
	return err
}

// ask is do, but returns header and body of the answer.
func (b *Bucket) ask(ctx context.Context, method, path string, fill func(*http.Request)) (header http.Header, answer []byte, err error) {
	again := false
	err = storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error {
		account, token, err := b.enter(ctx, again)
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, method, account+"/"+path, nil)
		if err != nil {
			return b.client.Peer.Refused("%[1]s told no valid address (%[3]s).", "X-Storage-Url")
		}
		r.Header.Set("X-Auth-Token", token)
		fill(r)
		header, answer, err = b.client.Once(r)
		if remote.IsStatus(err, http.StatusUnauthorized) && !again {
			again = true
			return &storage.Unavailable{Message: b.client.Peer.Sentence + " ended the session.", Cause: err}
		}
		again = false
		return err
	})
	return header, answer, err
}

// Check logs in and looks for the container.
func (b *Bucket) Check(ctx context.Context) error {
	return b.do(ctx, http.MethodHead, storage.EscapeKey(b.name), noBody)
}

// URL is the address of key. The service tells its base, so it is known only
// after a Check or a Put.
func (b *Bucket) URL(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.url == "" {
		return ""
	}
	return b.url + "/" + storage.EscapeKey(b.name) + "/" + storage.EscapeKey(key)
}

// Source finds the object key and returns it for reading.
func (b *Bucket) Source(ctx context.Context, key string) (storage.Source, error) {
	if _, _, err := b.enter(ctx, false); err != nil {
		return nil, err
	}
	authorize := func(r *http.Request, again bool) error {
		_, token, err := b.enter(r.Context(), again)
		r.Header.Set("X-Auth-Token", token)
		return err
	}
	return httpsource.OpenWith(ctx, b.o.Client, job.NewSecret(b.URL(key)), httpsource.Options{
		Retry: b.o.Retry, Authorize: authorize, Place: b.client.Peer.Noun,
	})
}

var _ storage.Deleter = (*Bucket)(nil)
