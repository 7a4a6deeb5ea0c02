package webhook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := errors.New("stopping")
		parent, stop := context.WithCancelCause(t.Context())
		ctx, cancel := withGrace(parent, time.Second)
		defer cancel()
		stop(stopping)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("the context ended together with its parent")
		}
		start := time.Now()
		<-ctx.Done()
		if took := time.Since(start); took != time.Second || !errors.Is(context.Cause(ctx), stopping) {
			t.Errorf("the context ended after %s with %v", took, context.Cause(ctx))
		}

		other, cancelOther := withGrace(t.Context(), time.Second)
		cancelOther()
		if other.Err() == nil {
			t.Error("the context outlives its cancel function")
		}
	})
}
