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

// retryer repeats requests on 5xx, 429, throttling and broken connections. The
// loop is the SDK's, but without its token bucket, which all requests share:
// the failures of one job must not use up the retries of another.
func (b *Bucket) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = b.o.Retry.Tries
		o.MaxBackoff = 20 * time.Second
		o.RateLimiter = ratelimit.None
		if b.o.Retry.Waits != nil {
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				return b.o.Retry.Delay(attempt), nil
			})
		}
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(permanent)}, o.Retryables...)
		o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{
			Codes: map[int]struct{}{http.StatusTooManyRequests: {}, http.StatusRequestTimeout: {}},
		})
	})
}

// permanent stops retries of errors that the SDK takes for broken connections:
// an address that the guard refuses, a certificate, a file of ours that cannot
// be read.
func permanent(err error) aws.Ternary {
	if _, body := errors.AsType[*storage.BodyError](err); body || netguard.Permanent(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// do calls f with a client. When the service answers that the bucket is in
// another region, it calls f once more with a client for that region.
func (b *Bucket) do(ctx context.Context, f func(context.Context, *connection) error) error {
	c := b.conn.Load()
	err := f(ctx, c)
	if region := otherRegion(err); region != "" && region != c.region {
		return f(ctx, b.connect(region))
	}
	return err
}

var expectedRegion = regexp.MustCompile(`expecting '([A-Za-z0-9-]{1,64})'`)

// otherRegion returns the region of the bucket that a service names when a
// request went to another region.
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
