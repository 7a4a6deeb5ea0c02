// Package retry repeats an operation that failed. A Policy says how often, after
// which waits, and for which errors. The loop is that of
// github.com/cenkalti/backoff; only the schedule is defined here, since every
// caller has waits that are promised to users or bounded by tests.
package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy is how an operation is repeated. The zero Policy repeats it without
// end and without a wait.
type Policy struct {
	// Tries is the number of attempts. 0 means no limit.
	Tries int
	// Waits are the waits after the first, second ... failure. The last one is
	// repeated.
	Waits []time.Duration
	// Jitter is the largest part of a wait that is added to it by chance, 0 to 1.
	// It keeps operations apart that failed together.
	Jitter float64
	// Limit ends the attempts once so much time has passed since the first one
	// began. The wait before the last attempt is shortened to end at the limit.
	// 0 means no limit.
	Limit time.Duration
	// Retryable reports whether another attempt may succeed after err. Nil means
	// always.
	Retryable func(err error) bool
	// OnRetry, if not nil, is called before each wait.
	OnRetry func(failures int, err error, wait time.Duration)
}

// Doubling returns waits for a Policy: first, and then twice the one before, up
// to most.
func Doubling(first, most time.Duration) []time.Duration {
	waits := []time.Duration{}
	for d := first; d < most; d *= 2 {
		waits = append(waits, d)
	}
	return append(waits, most)
}

// Do calls f until it succeeds or the policy allows no further attempt, and
// returns the last error. Once ctx has ended, a failure is its cause.
func (p Policy) Do(ctx context.Context, f func(context.Context) error) error {
	s := &schedule{policy: p, begin: time.Now()}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := f(ctx)
		if err != nil && ctx.Err() != nil {
			return struct{}{}, backoff.Permanent(context.Cause(ctx))
		}
		if err != nil && p.Retryable != nil && !p.Retryable(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(s), backoff.WithMaxElapsedTime(0), backoff.WithNotify(s.notify))
	return err
}

// Delay returns the wait after so many failures in a row, counted from 1.
func (p Policy) Delay(failures int) time.Duration {
	if len(p.Waits) == 0 {
		return 0
	}
	d := p.Waits[min(max(failures, 1), len(p.Waits))-1]
	if most := time.Duration(p.Jitter * float64(d)); most > 0 {
		d += rand.N(most)
	}
	return d
}

// Wait waits for Delay(failures). It returns the cause of ctx if that ends first.
// It is for callers whose attempts are not calls of one function.
func (p Policy) Wait(ctx context.Context, failures int) error {
	t := time.NewTimer(p.Delay(failures))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// schedule is a Policy in use. It implements backoff.BackOff.
type schedule struct {
	policy   Policy
	begin    time.Time
	failures int
}

// Reset does nothing: a schedule serves one call of Do.
func (s *schedule) Reset() {}

// NextBackOff returns the next wait, or backoff.Stop.
func (s *schedule) NextBackOff() time.Duration {
	s.failures++
	if s.policy.Tries > 0 && s.failures >= s.policy.Tries {
		return backoff.Stop
	}
	d := s.policy.Delay(s.failures)
	if s.policy.Limit > 0 {
		left := s.policy.Limit - time.Since(s.begin)
		if left <= 0 {
			return backoff.Stop
		}
		d = min(d, left)
	}
	return d
}

func (s *schedule) notify(err error, wait time.Duration) {
	if s.policy.OnRetry != nil {
		s.policy.OnRetry(s.failures, err, wait)
	}
}
