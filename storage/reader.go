package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/copra-video/copra/job"
)

// Retry is how a broken download is taken up again.
type Retry struct {
	// Tries is how many times in a row may bring nothing new. Defaults to 5.
	Tries int
	// Backoff is the wait after so many failures in a row, from 1. Defaults to
	// half a second, doubled each time, up to 10 s.
	Backoff func(failures int) time.Duration
}

// progressBytes is what a connection must bring to count as progress, so that
// a server that sends a byte a connection does not keep us for ever.
const progressBytes = 64 << 10

func (r Retry) withDefaults() Retry {
	if r.Tries == 0 {
		r.Tries = 5
	}
	if r.Backoff == nil {
		r.Backoff = func(failures int) time.Duration {
			return min(250*time.Millisecond<<min(failures, 10), 10*time.Second)
		}
	}
	return r
}

// Wait waits after so many failures in a row, or until ctx ends.
func (r Retry) Wait(ctx context.Context, failures int) error {
	t := time.NewTimer(r.withDefaults().Backoff(failures))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reader reads a Source to its end and takes it up again where the connection
// broke. A source of known size ends exactly there. What cannot be mended is a
// *job.Error. It is for one goroutine.
type Reader struct {
	ctx      context.Context //nolint:containedctx // of the one transfer that the Reader is
	src      Source
	retry    Retry
	offset   int64
	body     io.ReadCloser
	failures int
	fresh    int64 // bytes since the last failure
	ended    error
}

// NewReader returns a Reader of src from offset. Nothing is opened yet.
func NewReader(ctx context.Context, src Source, offset int64, retry Retry) *Reader {
	return &Reader{ctx: ctx, src: src, offset: offset, retry: retry.withDefaults()}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := r.read(p)
		if err != nil && err != io.EOF { //nolint:errorlint // a wrapped EOF is a broken connection
			_ = r.Close()
			err = r.failed(err)
			if n > 0 {
				return n, err
			}
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// read makes one step; an error other than io.EOF is a broken connection or
// worse.
func (r *Reader) read(p []byte) (int, error) {
	if r.ended != nil {
		return 0, r.ended
	}
	size := r.src.Size()
	if r.body == nil {
		if size >= 0 && r.offset >= size {
			r.ended = io.EOF
			return 0, io.EOF
		}
		body, err := r.src.Open(r.ctx, r.offset)
		if err != nil {
			return 0, fmt.Errorf("open source: %w", err) // a bare EOF would pass for the end
		}
		r.body = body
	}
	if size >= 0 && int64(len(p)) > size-r.offset {
		p = p[:size-r.offset]
	}
	n, err := r.body.Read(p)
	r.offset += int64(n)
	if r.fresh += int64(n); r.fresh >= progressBytes {
		r.failures = 0
	}
	switch {
	case size >= 0 && r.offset == size:
		r.ended = io.EOF
		return n, nil
	case err == io.EOF && size < 0:
		r.ended = io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// failed decides what becomes of err: nil for another try.
func (r *Reader) failed(err error) error {
	r.fresh = 0
	if r.ctx.Err() != nil {
		r.ended = context.Cause(r.ctx)
		return r.ended
	}
	if _, ok := errors.AsType[*job.Error](err); ok {
		r.ended = err
		return err
	}
	r.failures++
	if r.failures >= r.retry.Tries {
		r.ended = giveUp(err, r.offset)
		return r.ended
	}
	if err := r.retry.Wait(r.ctx, r.failures); err != nil {
		r.ended = err
		return err
	}
	return nil
}

// giveUp is the sentence for a download that was tried often enough.
func giveUp(err error, offset int64) error {
	if u, ok := errors.AsType[*Unavailable](err); ok {
		return job.Errorf(job.InputNotReadable, "%s", u.Message).WithCause(err)
	}
	return job.Errorf(job.InputNotReadable,
		"The download of the input broke off after %d bytes, again and again.", offset).WithCause(err)
}

// Close ends the reading.
func (r *Reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
