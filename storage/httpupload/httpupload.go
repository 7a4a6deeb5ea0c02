// Package httpupload sends results to an HTTP server. Each is one POST with a
// form, as Coconut sends it (coconut-v2.md section 3.3), or a PUT if the URL is
// presigned. A result may arrive twice when the answer got lost.
package httpupload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// Options of a bucket.
type Options struct {
	// Client makes the requests; it comes from netguard and follows no
	// redirects.
	Client *http.Client
	Retry  retry.Policy
	// Exact is set when the URL is that of one output. Keys are not appended to
	// it then.
	Exact bool
}

// Bucket is a server that takes uploads. It implements storage.Bucket.
type Bucket struct {
	remote.Client
	address   remote.Address
	query     string
	part      string // name of the part with the file
	presigned bool
}

// filePart is the default name of the part with the file. The parameter
// filePartParam of the URL overrides it, and is not sent.
const (
	filePart      = "encoded_video"
	filePartParam = "http_file_name"
)

// Open makes a Bucket of the URL of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	a, err := remote.ParseAddress(st, o.Exact)
	if err != nil {
		return nil, err
	}
	if a.URL.Scheme != "http" && a.URL.Scheme != "https" {
		return nil, job.Errorf(job.StorageNotValid, "The 'url' of the storage or output is not an http or https URL.")
	}
	b := &Bucket{
		Client:    remote.Client{HTTP: o.Client, Retry: o.Retry, Peer: remote.Host(a.URL.Hostname()), Code: remote.XMLCode, Sentences: sentences},
		address:   a,
		presigned: presigned(a.URL.Query()),
	}
	if b.presigned {
		b.address.Exact = true // the signature is for this path and no other
		b.query = a.URL.RawQuery
		return b, nil
	}
	b.query, b.part = takePartName(a.URL.RawQuery)
	return b, nil
}

// OneFile reports whether the URL is presigned: every key leads to the same file then.
func (b *Bucket) OneFile() bool { return b.presigned }

// sentences are the messages for refusals of presigned URLs.
var sentences = map[string]string{
	"SignatureDoesNotMatch": "%[1]s finds that the signature of the URL is not for this upload (%[3]s).",
	"AccessDenied":          "%[1]s denies access by this URL: it may have expired (%[3]s).",
	"AuthenticationFailed":  "%[1]s denies access by this URL: it may have expired (%[3]s).",
	"ExpiredToken":          "The URL for the upload to %[2]s has expired (%[3]s).",
	"EntityTooLarge":        "The file is too large for one upload to %[2]s (%[3]s).",
}

// presigned reports whether a query has the signature of a storage service:
// Amazon's two kinds and those like them, Google's, Alibaba's, and Azure's SAS.
func presigned(q url.Values) bool {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool {
			return !slices.ContainsFunc(slices.Collect(maps.Keys(q)), func(k string) bool { return strings.EqualFold(k, n) })
		})
	}
	return has("X-Amz-Signature") || has("X-Goog-Signature") || has("X-Oss-Signature") ||
		has("Signature", "AWSAccessKeyId") || has("Signature", "GoogleAccessId") || has("Signature", "OSSAccessKeyId") ||
		azureSAS(q)
}

func azureSAS(q url.Values) bool { return q.Has("sig") && q.Has("sv") && q.Has("sp") }

// takePartName removes our own parameter from a query, and leaves the rest as it
// is, byte for byte.
func takePartName(rawQuery string) (rest, name string) {
	name = filePart
	var kept []string
	for _, pair := range strings.Split(rawQuery, "&") {
		if k, v, _ := strings.Cut(pair, "="); k == filePartParam {
			if v, err := url.QueryUnescape(v); err == nil && v != "" {
				name = v
			}
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&"), name
}

// Check does nothing: such a server can only be tested by an upload.
func (b *Bucket) Check(context.Context) error { return nil }

// URL is the address that key is sent to, or the one below the public_host.
func (b *Bucket) URL(key string) string { return b.address.Reported(key) }

// Put sends body.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	if b.presigned {
		return b.put(ctx, key, body, opts.ContentType)
	}
	head, tail, contentType, err := b.form(key, opts)
	if err != nil {
		return err
	}
	_, _, err = b.Do(ctx, func(ctx context.Context) (*http.Request, error) {
		r, err := b.request(ctx, http.MethodPost, key)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", contentType)
		file := storage.Section(body, 0, body.Size())
		remote.SetBody(r, io.MultiReader(bytes.NewReader(head), file, bytes.NewReader(tail)), int64(len(head))+body.Size()+int64(len(tail)))
		return r, nil
	})
	return err
}

// put sends body without a form. A signature may cover the content type or not,
// which the URL does not show.
func (b *Bucket) put(ctx context.Context, key string, body storage.Body, contentType string) error {
	try := func(contentType string) error {
		_, _, err := b.Do(ctx, func(ctx context.Context) (*http.Request, error) {
			r, err := b.request(ctx, http.MethodPut, key)
			if err != nil {
				return nil, err
			}
			if contentType != "" {
				r.Header.Set("Content-Type", contentType)
			}
			if azureSAS(b.address.URL.Query()) {
				r.Header.Set("X-Ms-Blob-Type", "BlockBlob")
			}
			remote.SetBody(r, storage.Section(body, 0, body.Size()), body.Size())
			return r, nil
		})
		return err
	}
	err := try(contentType)
	if contentType != "" && remote.IsStatus(err, http.StatusForbidden) {
		if again := try(""); again == nil {
			return nil
		}
	}
	return err
}

func (b *Bucket) request(ctx context.Context, method, key string) (*http.Request, error) {
	target := b.address.URL.Scheme + "://" + b.address.URL.Host + b.address.Path(key)
	if b.query != "" {
		target += "?" + b.query
	}
	r, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, job.Errorf(job.StorageNotValid, "The 'url' of the storage or output is not a valid URL.")
	}
	if user := b.address.User; user != nil {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	return r, nil
}

// form returns the bytes before and after the file.
func (b *Bucket) form(key string, opts storage.PutOptions) (head, tail []byte, contentType string, err error) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(opts.Form)) {
		if err := w.WriteField(name, opts.Form[name]); err != nil {
			return nil, nil, "", fmt.Errorf("write form: %w", err)
		}
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", multipart.FileContentDisposition(printable(b.part), printable(b.fileName(key))))
	if opts.ContentType != "" {
		header.Set("Content-Type", opts.ContentType)
	}
	if _, err := w.CreatePart(header); err != nil {
		return nil, nil, "", fmt.Errorf("write form: %w", err)
	}
	cut := out.Len()
	if err := w.Close(); err != nil {
		return nil, nil, "", fmt.Errorf("write form: %w", err)
	}
	all := out.Bytes()
	return all[:cut], all[cut:], w.FormDataContentType(), nil
}

// printable returns s without control characters. Addresses of users may have
// them, headers may not.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}

// fileName is the name of the file in the form. Receivers take the extension
// from it.
func (b *Bucket) fileName(key string) string {
	if name := path.Base(b.address.URL.Path); b.address.Exact && path.Ext(name) != "" {
		return name
	}
	return path.Base(key)
}

var _ storage.Bucket = (*Bucket)(nil)
