package webhook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := errors.New("stopping")
		parent, stop := context.WithCancelCause(t.Context())
		ctx, end := outlive(parent, time.Second)
		defer end()
		stop(stopping)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("ended with its parent")
		}
		begin := time.Now()
		<-ctx.Done()
		if after := time.Since(begin); after != time.Second || !errors.Is(context.Cause(ctx), stopping) {
			t.Errorf("ended after %s by %v", after, context.Cause(ctx))
		}

		other, endOther := outlive(t.Context(), time.Second)
		endOther()
		if other.Err() == nil {
			t.Error("lives on after its end")
		}
	})
}
