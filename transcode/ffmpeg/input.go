package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// feeder pipes an Input into a child.
type feeder struct {
	input    Input
	waiting  func(bool)  // told when nothing can be given, and when it can
	failed   func(error) // told when there will be no more
	from, to *os.File
	cancel   context.CancelFunc
	done     chan struct{} // closed when it feeds no more; nil: not started
}

// newFeeder returns a feeder with the end of the pipe for the child, from.
func newFeeder(input Input, waiting func(bool), failed func(error)) (*feeder, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	return &feeder{input: input, waiting: waiting, failed: failed, from: from, to: to}, nil
}

// start begins to feed the child, which has its end of the pipe by now.
func (f *feeder) start(ctx context.Context) {
	f.from.Close()
	ctx, f.cancel = context.WithCancel(ctx)
	f.done = make(chan struct{})
	go func() {
		defer close(f.done)
		defer f.to.Close()
		f.feed(ctx)
	}()
}

func (f *feeder) feed(ctx context.Context) {
	buf := make([]byte, 256<<10)
	for {
		f.waiting(true)
		n, err := f.input.Read(ctx, buf)
		f.waiting(false)
		if n > 0 {
			// The child may close its end when it has enough, or has failed,
			// and says so itself.
			if _, err := f.to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				f.failed(err)
			}
			return
		}
	}
}

// stop returns when nothing is fed any more.
func (f *feeder) stop() {
	f.from.Close()
	f.to.Close() // a write that nobody reads ends by this
	if f.done != nil {
		f.cancel()
		<-f.done
	}
}
