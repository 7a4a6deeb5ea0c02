// Package s3bucket opens the bucket of an artifact store. It is a package of its own so that
// what uses the store does not link Amazon's SDK.
package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/storage/s3"
)

// bucket is a bucket whose missing objects are artifacts.ErrMissing.
type bucket struct{ *s3.Bucket }

// Source implements artifacts.Bucket.
func (b bucket) Source(ctx context.Context, key string) (storage.Source, error) {
	src, err := b.Bucket.Source(ctx, key)
	if s3.Missing(err) {
		return nil, artifacts.ErrMissing
	}
	return src, err
}

// Open opens the bucket of a name. It does not connect. The errors are messages for the
// operator. It is an artifacts.Options.OpenBucket.
func Open(ctx context.Context, o artifacts.Options, name string) (artifacts.Bucket, error) {
	st := &job.Storage{Service: job.ServiceS3, Bucket: name, Endpoint: o.Endpoint, Region: o.Region}
	if o.Endpoint != "" {
		st.Service = job.ServiceS3Other
	}
	opts := s3.Options{
		// Few tries: what cannot be read soon is encoded again.
		Client: o.Client, Private: true,
		Retry: retry.Policy{Tries: 3, Waits: []time.Duration{300 * time.Millisecond, 600 * time.Millisecond}},
	}
	if opts.Client == nil {
		opts.Client = client()
	}
	switch {
	case o.AccessKey != "" && !o.SecretKey.IsZero():
		opts.Credentials = credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey.Reveal(), "")
	case o.AccessKey != "" || !o.SecretKey.IsZero():
		return nil, errors.New("of access key and secret key only one is given")
	default:
		found, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for the SDK's settings: %w", err)
		}
		opts.Credentials = sdkCredentials{found.Credentials}
		if st.Region == "" {
			st.Region = found.Region
		}
	}
	b, err := s3.Open(st, opts)
	if err != nil {
		return nil, err
	}
	return bucket{b}, nil
}

// sdkCredentials are the credentials that the SDK finds, if any.
type sdkCredentials struct{ aws.CredentialsProvider }

// Retrieve returns them. If there are none, the error says so in words.
func (s sdkCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := s.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = job.Errorf(job.StorageCredentialsNotValid, "No keys for the bucket are set, and the AWS SDK has found none in its variables and files or by a role.").WithCause(err)
	}
	return c, err
}

// client returns a client that follows no redirects, as the SDK's own, and that
// has time limits.
func client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   16,
			ForceAttemptHTTP2:     true,
		},
	}
}
