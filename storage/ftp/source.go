package ftp

import (
	"context"
	"errors"
	"io"
	"net/textproto"
	"sync/atomic"

	"github.com/jlaffaye/ftp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Source finds the file at address and returns it for reading. Each Open has a
// connection of its own.
func Source(ctx context.Context, address job.Secret, o Options) (storage.Source, error) {
	o.Exact = true
	s, err := parse(&job.Storage{URL: address}, o)
	if err != nil {
		return nil, err
	}
	src := &source{server: s}
	err = storage.Retry(ctx, o.Retry, func(ctx context.Context) error {
		c, err := s.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		src.size, err = c.FileSize(s.path(""))
		answer, ok := errors.AsType[*textproto.Error](err)
		if ok && answer.Code/100 == 5 && answer.Code != ftp.StatusFileUnavailable {
			src.size, err = -1, nil // a server without SIZE
		}
		return s.explain(err)
	})
	if err != nil {
		return nil, err
	}
	return src, nil
}

type source struct {
	*server
	size   int64
	noRest atomic.Bool // set once the server has refused REST
}

func (s *source) Size() int64  { return s.size }
func (s *source) Ranges() bool { return !s.noRest.Load() }

// Open reads from offset, by REST if the server supports it.
func (s *source) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{s: s.server, c: c}
	r.stop = context.AfterFunc(ctx, func() { c.Close() })
	r.resp, err = s.retrieve(c, offset)
	if err != nil {
		_ = r.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, s.explain(err)
	}
	return r, nil
}

func (s *source) retrieve(c *conn, offset int64) (*ftp.Response, error) {
	if !s.noRest.Load() {
		resp, err := c.RetrFrom(s.path(""), uint64(offset))
		answer, ok := errors.AsType[*textproto.Error](err)
		if !ok || offset == 0 || answer.Code/100 != 5 || answer.Code == ftp.StatusFileUnavailable {
			return resp, err
		}
		s.noRest.Store(true)
	}
	resp, err := c.Retr(s.path(""))
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, resp, offset); err != nil && err != io.EOF { //nolint:errorlint // the end of the file
		return nil, err
	}
	return resp, nil
}

type reader struct {
	s    *server
	c    *conn
	resp *ftp.Response
	stop func() bool
	end  error
}

// Read returns io.EOF only after the server has said that everything was sent: a
// broken connection looks like the end of a file.
func (r *reader) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.resp.Read(p)
	if err == nil {
		return n, nil
	}
	r.end = err
	if err == io.EOF { //nolint:errorlint // the data connection's own
		if err := r.resp.Close(); err != nil {
			r.end = &storage.Unavailable{Message: r.s.peer.Sentence + " broke the download off.", Cause: err}
		}
	} else {
		r.end = r.s.explain(err)
	}
	return n, r.end
}

func (r *reader) Close() error {
	r.stop()
	return r.c.Close()
}
