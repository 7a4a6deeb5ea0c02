package artifacts

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/copra-video/copra/storage"
)

// errHangs says that the store answers to nothing for now.
var errHangs = errors.New("the artifact store hangs")

// IsTransient reports whether an error may be gone by another time: the store is
// away, slow or full. Others are for the operator to mend.
func IsTransient(err error) bool {
	if _, ok := errors.AsType[*storage.Unavailable](err); ok {
		return true
	}
	return errors.Is(err, errHangs) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ESTALE) || errors.Is(err, syscall.EIO)
}

// letGo is what a call gets to end after its context has.
const letGo = 2 * time.Second

// within calls f with a time limit and waits for it. A volume whose server is
// away answers to no context: then the call is left alone, and until it ends no
// other is made, so that nobody waits for the store and no more than a few
// calls pile up.
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
	case <-done: // it may have been done just then
		return err
	case <-time.After(letGo):
	}
	s.hung.Add(1)
	go func() {
		<-done
		s.hung.Add(-1)
	}()
	return fmt.Errorf("%w: %w", errHangs, context.Cause(ctx))
}

// slowest is the rate below which a store is of no use: encoding again may be
// faster.
const slowest = 1 << 20 // bytes a second

// moving is the time that a store has for so many bytes.
func moving(bytes int64) time.Duration {
	return 30*time.Second + time.Duration(bytes/slowest)*time.Second
}
