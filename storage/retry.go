package storage

import (
	"context"
	"errors"
	"time"

	"github.com/copra-video/copra/internal/retry"
)

// WithDefaults fills in the fields that p leaves empty, see Retry.
func WithDefaults(p retry.Policy) retry.Policy {
	if p.Tries == 0 {
		p.Tries = 5
	}
	if p.Waits == nil {
		p.Waits = retry.Doubling(500*time.Millisecond, 10*time.Second)
	}
	if p.Retryable == nil {
		p.Retryable = IsUnavailable
	}
	return p
}

// Retry calls f until it succeeds or p ends the attempts. p defaults to 5 tries
// after waits of half a second, doubled each time, up to 10 s, and to retries
// after an *Unavailable only.
func Retry(ctx context.Context, p retry.Policy, f func(context.Context) error) error {
	return WithDefaults(p).Do(ctx, f)
}

// IsUnavailable reports whether err wraps an *Unavailable.
func IsUnavailable(err error) bool {
	_, ok := errors.AsType[*Unavailable](err)
	return ok
}
