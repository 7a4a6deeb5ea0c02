package s3

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/storage"
)

// retryer repeats requests on 5xx, 429, throttling and broken connections, as
// the SDK does, but without its budget that many failures together use up: a
// job that waits for a storage must not fail another.
func (b *Bucket) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = b.o.Attempts
		o.MaxBackoff = 20 * time.Second
		o.RateLimiter = ratelimit.None
		if b.o.Backoff != nil {
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				return b.o.Backoff(attempt), nil
			})
		}
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(hopeless)}, o.Retryables...)
		o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{
			Codes: map[int]struct{}{http.StatusTooManyRequests: {}, http.StatusRequestTimeout: {}},
		})
	})
}

// hopeless stops the retries of what the SDK takes for broken connections and
// is not: an address that the guard refuses, a certificate, a file of ours that
// cannot be read.
func hopeless(err error) aws.Ternary {
	if _, body := errors.AsType[*storage.BodyError](err); body || netguard.Permanent(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// do calls f with a client, and once more with one for the right region when
// the service tells that the bucket lives in another.
func (b *Bucket) do(ctx context.Context, f func(context.Context, *connection) error) error {
	c := b.conn.Load()
	err := f(ctx, c)
	if region := otherRegion(err); region != "" && region != c.region {
		return f(ctx, b.connect(region))
	}
	return err
}

var expectedRegion = regexp.MustCompile(`expecting '([A-Za-z0-9-]{1,64})'`)

// otherRegion returns the region that a service names in its answer to a
// request for the wrong one.
func otherRegion(err error) string {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || resp.Response == nil {
		return ""
	}
	switch resp.HTTPStatusCode() {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
	default:
		return ""
	}
	if region := resp.Response.Header.Get("X-Amz-Bucket-Region"); regionName.MatchString(region) {
		return region
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if m := expectedRegion.FindStringSubmatch(api.ErrorMessage()); m != nil {
			return m[1]
		}
	}
	return ""
}
