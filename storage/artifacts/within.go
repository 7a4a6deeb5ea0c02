package artifacts

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/copra-video/copra/storage"
)

// errHangs is the error of calls while the store does not answer.
var errHangs = errors.New("the artifact store hangs")

// IsTransient reports whether an error may pass: the store is away, slow or
// full. Only the operator can repair other errors.
func IsTransient(err error) bool {
	if _, ok := errors.AsType[*storage.Unavailable](err); ok {
		return true
	}
	return errors.Is(err, errHangs) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ESTALE) || errors.Is(err, syscall.EIO)
}

// cancelGrace is how long a call may take to end after its context has ended.
const cancelGrace = 2 * time.Second

// within calls f with a time limit and waits for it. A volume whose server is
// away ignores the context. Such a call is abandoned, and until it has ended no
// other call is made, so that callers need not wait and abandoned calls do not
// pile up.
func (s *Store) within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if s.hung.Load() > 0 {
		return errHangs
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the artifact store took longer than %s: %w", limit, context.DeadlineExceeded))
	var err error // once done is closed
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		err = f(ctx)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case <-done: // it may have ended at the same time
		return err
	case <-time.After(cancelGrace):
	}
	s.hung.Add(1)
	go func() {
		<-done
		s.hung.Add(-1)
	}()
	return fmt.Errorf("%w: %w", errHangs, context.Cause(ctx))
}

// minRate is the rate below which a store is of no use, since encoding again may
// be faster.
const minRate = 1 << 20 // bytes a second

// transferTime is the time limit for a transfer of so many bytes.
func transferTime(bytes int64) time.Duration {
	return 30*time.Second + time.Duration(bytes/minRate)*time.Second
}
