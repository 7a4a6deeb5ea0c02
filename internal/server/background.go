package server

import "context"

// background is a function that runs beside its caller.
type background[T any] struct {
	cancel context.CancelFunc
	done   chan struct{}
	value  T
	err    error
}

// start runs f. The caller must call stop.
func start[T any](ctx context.Context, f func(context.Context) (T, error)) *background[T] {
	ctx, cancel := context.WithCancel(ctx)
	b := &background[T]{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.value, b.err = f(ctx)
	}()
	return b
}

// wait returns what f has returned.
func (b *background[T]) wait() (T, error) {
	<-b.done
	return b.value, b.err
}

// stop ends the context of f and returns when f has.
func (b *background[T]) stop() {
	b.cancel()
	<-b.done
}
