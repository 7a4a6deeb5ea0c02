package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
)

// progressBytes is how much a connection must deliver to count as progress.
// Without it a server that sends one byte a connection would occupy us for ever.
const progressBytes = 64 << 10

// Reader reads a Source to its end. After a broken connection it resumes at the
// same offset. A source of known size ends exactly at that size. A failure that
// no retry can repair is a *job.Error. A Reader is for one goroutine.
//
// It keeps its own loop: the attempts are reads of one stream, and progress
// between them resets the count of failures.
type Reader struct {
	ctx      context.Context //nolint:containedctx // a Reader is one transfer
	src      Source
	policy   retry.Policy
	offset   int64
	body     io.ReadCloser
	failures int
	fresh    int64 // bytes since the last failure
	ended    error
}

// NewReader returns a Reader of src from offset. It opens nothing yet. p.Tries
// is how many attempts in a row may make no progress; it defaults to 5, and
// p.Waits to half a second, doubled each time, up to 10 s. The rest of p is not
// used.
func NewReader(ctx context.Context, src Source, offset int64, p retry.Policy) *Reader {
	return &Reader{ctx: ctx, src: src, offset: offset, policy: WithDefaults(p)}
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

// read makes one attempt to read. An error other than io.EOF is a broken
// connection or worse.
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
			return 0, fmt.Errorf("open source: %w", err) // a bare EOF would be taken for the end
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

// failed decides what follows from err. It returns nil for another attempt.
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
	if r.failures >= r.policy.Tries {
		r.ended = Exhausted(err, r.offset)
		return r.ended
	}
	if err := r.policy.Wait(r.ctx, r.failures); err != nil {
		r.ended = err
		return err
	}
	return nil
}

// Exhausted is the error of a download after its last attempt, which has ended at
// an offset.
func Exhausted(err error, offset int64) error {
	if u, ok := errors.AsType[*Unavailable](err); ok {
		return job.Errorf(job.InputNotReadable, "%s", u.Message).WithCause(err)
	}
	return job.InputErrorf(job.InputNotReadable,
		"could not be downloaded: the connection broke off after %d bytes, again and again", offset).WithCause(err)
}

// Close closes the connection.
func (r *Reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
