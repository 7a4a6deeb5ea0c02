package webhook

import (
	"context"
	"time"
)

// shutdownGrace is how long work under way may continue when the process stops.
const shutdownGrace = time.Second

// withGrace returns a context with the values of ctx that ends, with the same
// cause, a while after ctx does.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	extended, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
	})
	return extended, func() {
		stop()
		cancel(nil)
	}
}
