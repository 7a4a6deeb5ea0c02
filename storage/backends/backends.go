// Package backends opens the backend of a storage or an input. It is the only
// package that knows all backends.
package backends

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/ftp"
	"github.com/copra-video/copra/storage/httpsource"
	"github.com/copra-video/copra/storage/local"
	"github.com/copra-video/copra/storage/sftp"
)

// Options of an Opener.
type Options struct {
	// Guard checks every connection to an address that a user gave.
	Guard *netguard.Guard
	// Local is the built-in storage; nil when the server has none.
	Local *local.Store
	// S3Endpoint, when set, is the operator's own server for the service
	// job.ServiceS3. It is trusted: the guard does not apply.
	S3Endpoint string
	// S3PublicURL is the address of S3Endpoint for readers of results. Defaults
	// to S3Endpoint.
	S3PublicURL string
	// Log gets the SSH host keys that are trusted on first use, and what went wrong
	// in a Check for no known reason. Defaults to nothing.
	Log *slog.Logger
	// HTTP are the limits for inputs.
	HTTP netguard.Options
	// Retry is for downloads.
	Retry retry.Policy
	// UploadRetry is for requests to buckets. Tries defaults to UploadTries. Waits default
	// to half a second, doubled each time up to 6 s, with jitter: 36 to 40 s in
	// all, since a service may be away for half a minute.
	UploadRetry retry.Policy
}

// UploadTries is how often a request to a bucket is made by default.
const UploadTries = 10

// Opener opens buckets and sources. It is safe for concurrent use.
type Opener struct {
	o       Options
	inputs  *http.Client
	buckets *http.Client
	trusted *http.Client
}

// bucketHeaderTimeout is long because some servers assemble a large upload
// before they answer its last request.
const bucketHeaderTimeout = 2 * time.Minute

// New returns an Opener.
func New(o Options) *Opener {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.UploadRetry.Tries == 0 {
		o.UploadRetry.Tries = UploadTries
	}
	if o.UploadRetry.Waits == nil {
		o.UploadRetry.Waits = retry.Doubling(500*time.Millisecond, 6*time.Second)
		o.UploadRetry.Jitter = 0.125 // keeps the uploads of a job apart
	}
	buckets := netguard.Options{HeaderTimeout: bucketHeaderTimeout, MaxRedirects: netguard.NoRedirects}
	return &Opener{
		o:       o,
		inputs:  o.Guard.HTTPClient(o.HTTP),
		buckets: o.Guard.HTTPClient(buckets),
		trusted: netguard.TrustedClient(buckets),
	}
}

// Close closes idle connections.
func (o *Opener) Close() {
	o.inputs.CloseIdleConnections()
	o.buckets.CloseIdleConnections()
	o.trusted.CloseIdleConnections()
}

// Bucket returns the bucket for results that st describes. Its keys are the
// paths of outputs; it puts st.Path before them. owner matters only to the
// built-in storage, which has a folder for each kind of output of a job. Bucket
// does not connect; Check of the result does. The caller closes the result with
// storage.Close.
func (o *Opener) Bucket(ctx context.Context, st *job.Storage, owner storage.Namespace) (storage.Bucket, error) {
	if st == nil {
		return nil, job.Errorf(job.StorageNotValid, "The job has no 'storage', and the output has no 'url' of its own.")
	}
	b, err := o.open(ctx, st, owner)
	if err != nil {
		return nil, err
	}
	return withPrefix(b, st.Path), nil
}

// open is Bucket without st.Path.
func (o *Opener) open(ctx context.Context, st *job.Storage, owner storage.Namespace) (storage.Bucket, error) {
	if st.Service == job.ServiceBuiltIn {
		return o.builtIn(owner)
	}
	return o.backend(ctx, st)
}

func (o *Opener) builtIn(owner storage.Namespace) (storage.Bucket, error) {
	if o.o.Local == nil {
		return nil, job.Errorf(job.StorageServiceNotValid, "This server has no built-in storage 'coconut'.")
	}
	return o.o.Local.Bucket(owner.Created, o.o.Local.Hash(owner.JobID, owner.Kind))
}

// Upload returns the bucket for the one file of an output that has a URL of its
// own. If the URL has no file name, the key gives it.
func (o *Opener) Upload(_ context.Context, address job.Secret) (storage.Bucket, error) {
	b, err := o.upload(&job.Storage{Service: job.ServiceURL, URL: address}, true)
	if err != nil {
		return nil, err
	}
	return withPrefix(b, ""), nil
}

// reader is a bucket that can also hold inputs.
type reader interface {
	Source(ctx context.Context, key string) (storage.Source, error)
}

// Source opens the input in for reading. A failure that the customer can repair
// or should know is a *job.Error.
func (o *Opener) Source(ctx context.Context, in job.Input) (storage.Source, error) {
	if in.Storage == nil {
		return o.URL(ctx, in.URL)
	}
	key := strings.TrimLeft(in.Key, "/")
	if key == "" {
		return nil, job.Errorf(job.InputNotValid, "The job 'input' has no 'key'.")
	}
	b, err := o.backend(ctx, in.Storage)
	if err != nil {
		return nil, err
	}
	readable, ok := b.(reader)
	if !ok {
		return nil, job.Errorf(job.StorageServiceNotValid, "The service %q cannot be an input.", in.Storage.Service)
	}
	return readable.Source(ctx, key)
}

// Whole is Source for a file that is read once, from its beginning. Over HTTP it takes
// one request.
func (o *Opener) Whole(ctx context.Context, in job.Input) (storage.Source, error) {
	if in.Storage == nil {
		return o.from(ctx, in.URL, true)
	}
	return o.Source(ctx, in)
}

// URL opens the file at an address for reading: an input or a watermark.
func (o *Opener) URL(ctx context.Context, address job.Secret) (storage.Source, error) {
	return o.from(ctx, address, false)
}

func (o *Opener) from(ctx context.Context, address job.Secret, whole bool) (storage.Source, error) {
	if o.o.Local != nil {
		if src, own, err := o.o.Local.Lookup(address.Reveal()); own {
			return src, err
		}
	}
	switch scheme(address) {
	case "ftp", "ftps":
		return ftp.Source(ctx, address, o.ftp(o.o.Retry, true))
	case "sftp":
		return sftp.Source(ctx, address, o.sftp(o.o.Retry, true))
	}
	src, err := httpsource.OpenWith(ctx, o.inputs, address, httpsource.Options{Retry: o.o.Retry, Whole: whole})
	if err != nil {
		return nil, err
	}
	return src, nil
}
