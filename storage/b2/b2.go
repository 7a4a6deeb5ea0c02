// Package b2 stores and reads files of Backblaze B2 by its native API. Coconut's
// customers have native credentials and the id of a bucket, which the S3 API of
// the service does not accept.
package b2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/httpsource"
	"github.com/copra-video/copra/storage/remote"
)

const (
	defaultEndpoint = "https://api.backblazeb2.com"
	version         = "/b2api/v3/"
)

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
	endpoint string
	id       string
	keyID    string
	key      job.Secret
	cache    string
	expires  string

	mu      sync.Mutex
	session *session // nil before the first request
	idle    []target // upload URLs that are not in use
}

// session is the service's answer to a login.
type session struct {
	Token    string
	Account  string
	API      string // base of the addresses of calls
	Download string // and of files
	Bucket   string // its name
	PartSize int64
}

var sentences = map[string]string{
	"bad_bucket_id":            "The %[2]s does not exist (%[3]s).",
	"unauthorized":             "The application key does not exist or has no access to %[2]s (%[3]s).",
	"access_denied":            "The application key has no access to %[2]s (%[3]s).",
	"bad_auth_token":           "The app_key_id or the app_key for %[2]s is wrong (%[3]s).",
	"cap_exceeded":             "The storage cap of the account of %[2]s is reached (%[3]s).",
	"storage_cap_exceeded":     "The storage cap of the account of %[2]s is reached (%[3]s).",
	"transaction_cap_exceeded": "The transaction cap of the account of %[2]s is reached (%[3]s).",
	"download_cap_exceeded":    "The download cap of the account of %[2]s is reached (%[3]s).",
	"user_suspended":           "The account of %[2]s is suspended (%[3]s).",
	"file_not_present":         "The file does not exist in %[2]s (%[3]s).",
	"not_found":                "The file does not exist in %[2]s (%[3]s).",
	"no_bucket":                "The application key is not for %[2]s: it is restricted to another one (%[3]s).",
}

// Open makes a Bucket of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	b := &Bucket{
		client: remote.Client{
			HTTP: o.Client, Retry: o.Retry, Peer: remote.Bucket("bucket", st.Bucket), Code: code, Sentences: sentences,
		},
		endpoint: strings.TrimRight(st.Endpoint, "/"), id: st.Bucket,
		keyID: st.Credentials["app_key_id"].Reveal(), key: st.Credentials["app_key"],
		cache: st.CacheControl, expires: st.Expires,
	}
	if b.endpoint == "" {
		b.endpoint = defaultEndpoint
	}
	if u, err := url.Parse(b.endpoint); err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return nil, job.Errorf(job.StorageNotValid, "The storage endpoint is not valid.")
	}
	if b.id == "" {
		return nil, job.Errorf(job.StorageNotValid, "The storage has no 'bucket_id'.")
	}
	if b.keyID == "" || b.key.IsZero() {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credentials are not correct, you must define your 'app_key_id' and 'app_key'.")
	}
	return b, nil
}

func code(_ int, body []byte) string {
	var answer struct{ Code string }
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Code
}

// Check logs in and looks for the bucket.
func (b *Bucket) Check(ctx context.Context) error {
	_, err := b.login(ctx)
	return err
}

// URL is the public address of key. The service tells its base, so it is known
// only after a Check or a Put.
func (b *Bucket) URL(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session == nil {
		return ""
	}
	return b.session.file(key)
}

func (s *session) file(key string) string {
	return s.Download + "/file/" + s.Bucket + "/" + storage.EscapeKey(key)
}

// login returns the session, and logs in if there is none.
func (b *Bucket) login(ctx context.Context) (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session != nil {
		return b.session, nil
	}
	_, answer, err := b.client.Do(ctx, func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.endpoint+version+"b2_authorize_account", nil)
		if err == nil {
			r.SetBasicAuth(b.keyID, b.key.Reveal())
		}
		return r, err
	})
	if err != nil {
		return nil, err
	}
	var a struct {
		AccountID          string `json:"accountId"`
		AuthorizationToken string `json:"authorizationToken"`
		APIInfo            struct {
			StorageAPI struct {
				APIURL              string `json:"apiUrl"`
				DownloadURL         string `json:"downloadUrl"`
				RecommendedPartSize int64  `json:"recommendedPartSize"`
				BucketID            string `json:"bucketId"`
				BucketName          string `json:"bucketName"`
			} `json:"storageApi"`
		} `json:"apiInfo"`
	}
	if json.Unmarshal(answer, &a) != nil || a.APIInfo.StorageAPI.APIURL == "" || a.APIInfo.StorageAPI.RecommendedPartSize <= 0 {
		return nil, b.client.Peer.Refused("%[1]s did not answer as Backblaze does (%[3]s).", "b2_authorize_account")
	}
	api := a.APIInfo.StorageAPI
	s := &session{Token: a.AuthorizationToken, Account: a.AccountID, API: api.APIURL, Download: api.DownloadURL, PartSize: api.RecommendedPartSize}
	switch {
	case api.BucketID == b.id && api.BucketName != "":
		s.Bucket = api.BucketName
	case api.BucketID != "" && api.BucketID != b.id:
		return nil, b.client.Peer.Refused(sentences["no_bucket"], "no_bucket")
	default:
		if s.Bucket, err = b.bucketName(ctx, s); err != nil {
			return nil, err
		}
	}
	b.session = s
	return s, nil
}

// bucketName asks for the name of the bucket, which addresses contain.
func (b *Bucket) bucketName(ctx context.Context, s *session) (string, error) {
	var list struct {
		Buckets []struct {
			BucketName string `json:"bucketName"`
		} `json:"buckets"`
	}
	err := storage.Retry(ctx, b.client.Retry, func(ctx context.Context) error {
		return b.post(ctx, s, "b2_list_buckets", map[string]string{"accountId": s.Account, "bucketId": b.id}, &list)
	})
	if err == nil && len(list.Buckets) == 0 {
		err = b.client.Peer.Refused(sentences["bad_bucket_id"], "bad_bucket_id")
	}
	if err != nil {
		return "", err
	}
	return list.Buckets[0].BucketName, nil
}

// call makes a call of the API with retries. It logs in again when the token has
// expired.
func (b *Bucket) call(ctx context.Context, name string, in, out any) error {
	return storage.Retry(ctx, b.client.Retry, func(ctx context.Context) error {
		s, err := b.login(ctx)
		if err != nil {
			return err
		}
		return b.ended(s, b.post(ctx, s, name, in, out))
	})
}

// post makes one call.
func (b *Bucket) post(ctx context.Context, s *session, name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode call: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.API+version+name, bytes.NewReader(body))
	if err != nil {
		return b.client.Peer.Refused("%[1]s told no valid address (%[3]s).", name)
	}
	r.Header.Set("Authorization", s.Token)
	r.Header.Set("Content-Type", "application/json")
	_, answer, err := b.client.Once(r)
	if err == nil && out != nil && json.Unmarshal(answer, out) != nil {
		return b.client.Peer.Refused("%[1]s did not answer as Backblaze does (%[3]s).", name)
	}
	return err
}

// ended drops a session whose token has expired, which happens after a day, and
// returns an error that is retried.
func (b *Bucket) ended(s *session, err error) error {
	e, ok := errors.AsType[*remote.StatusError](err)
	if !ok || e.Code != "expired_auth_token" && e.Code != "bad_auth_token" {
		return err
	}
	b.forget(s)
	return &storage.Unavailable{Message: fmt.Sprintf("%s ended the session.", b.client.Peer.Sentence), Cause: err}
}

func (b *Bucket) forget(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session == s {
		b.session, b.idle = nil, nil
	}
}

// Source finds the file key and returns it for reading.
func (b *Bucket) Source(ctx context.Context, key string) (storage.Source, error) {
	s, err := b.login(ctx)
	if err != nil {
		return nil, err
	}
	authorize := func(r *http.Request, again bool) error {
		if again {
			b.forget(s)
		}
		fresh, err := b.login(r.Context())
		if err != nil {
			return err
		}
		s = fresh
		r.Header.Set("Authorization", s.Token)
		return nil
	}
	return httpsource.OpenWith(ctx, b.client.HTTP, job.NewSecret(s.file(key)), httpsource.Options{
		Retry: b.client.Retry, Authorize: authorize, Place: b.client.Peer.Noun,
	})
}

var _ storage.Deleter = (*Bucket)(nil)
