package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// stdinPump copies an Input into the standard input of a child.
type stdinPump struct {
	input      Input
	setWaiting func(bool)  // called before and after each read of the input
	fail       func(error) // called when the input fails
	r, w       *os.File    // the pipe; the child gets r
	cancel     context.CancelFunc
	done       chan struct{} // closed when the copy has ended; nil: not started
}

func newStdinPump(input Input, setWaiting func(bool), fail func(error)) (*stdinPump, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	return &stdinPump{input: input, setWaiting: setWaiting, fail: fail, r: r, w: w}, nil
}

// start begins the copy. The child must have been started: it holds its own
// copy of the read end, and ours is closed.
func (p *stdinPump) start(ctx context.Context) {
	p.r.Close()
	ctx, p.cancel = context.WithCancel(ctx)
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		defer p.w.Close()
		p.copy(ctx)
	}()
}

func (p *stdinPump) copy(ctx context.Context) {
	buf := make([]byte, 256<<10)
	for {
		p.setWaiting(true)
		n, err := p.input.Read(ctx, buf)
		p.setWaiting(false)
		if n > 0 {
			// The child closes its end when it has enough or has failed. It
			// reports that itself, so it is no error here.
			if _, err := p.w.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				p.fail(err)
			}
			return
		}
	}
}

// stop returns when the copy has ended.
func (p *stdinPump) stop() {
	p.r.Close()
	p.w.Close() // ends a write that nobody reads
	if p.done != nil {
		p.cancel()
		<-p.done
	}
}
