package storage

import (
	"context"
	"errors"
)

// Do calls f until it succeeds, Tries times at most. Only an *Unavailable is
// worth another try.
func (r Retry) Do(ctx context.Context, f func(context.Context) error) error {
	r = r.withDefaults()
	for failures := 1; ; failures++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, ok := errors.AsType[*Unavailable](err); !ok || failures >= r.Tries {
			return err
		}
		if err := r.Wait(ctx, failures); err != nil {
			return err
		}
	}
}
