package remote

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/storage"
)

// maxAnswer bounds how much is read of an answer that is not a file.
const maxAnswer = 1 << 20

// expectAbove is the size from which a server is asked for consent before the
// body is sent. Without it a refusal would often show only as a broken
// connection.
const expectAbove = 1 << 20

// Client makes requests to one service.
type Client struct {
	HTTP  *http.Client
	Retry retry.Policy
	Peer  Peer
	// Code reads the service's error code from an answer. Nil means that it has
	// none.
	Code func(status int, body []byte) string
	// Sentences for codes, as in Peer.Status.
	Sentences map[string]string
}

// Do makes the request of build until it succeeds or Retry ends the attempts. It
// returns header and body of the answer.
func (c Client) Do(ctx context.Context, build func(context.Context) (*http.Request, error)) (http.Header, []byte, error) {
	var header http.Header
	var answer []byte
	err := storage.Retry(ctx, c.Retry, func(ctx context.Context) error {
		r, err := build(ctx)
		if err != nil {
			return err
		}
		header, answer, err = c.Once(r)
		return err
	})
	return header, answer, err
}

// Once makes one request. Its errors have a message for the customer.
func (c Client) Once(r *http.Request) (http.Header, []byte, error) {
	r.Header.Set("User-Agent", "Copra")
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return nil, nil, c.Peer.Explain(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 == 2 {
		return resp.Header, answer, c.Peer.Explain(err)
	}
	code := ""
	if c.Code != nil {
		code = c.Code(resp.StatusCode, answer)
	}
	return resp.Header, answer, &StatusError{Status: resp.StatusCode, Code: code, err: c.Peer.Status(resp.StatusCode, code, c.Sentences)}
}

// StatusError is an answer other than success. It wraps the error for the
// customer.
type StatusError struct {
	Status int
	Code   string
	err    error
}

// Error returns the sentence.
func (e *StatusError) Error() string { return e.err.Error() }

// Unwrap returns the *job.Error or *storage.Unavailable.
func (e *StatusError) Unwrap() error { return e.err }

// IsStatus reports whether err is an answer with status.
func IsStatus(err error, status int) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && e.Status == status
}

// SetBody gives r a body of size bytes.
func SetBody(r *http.Request, body io.Reader, size int64) {
	r.ContentLength = size
	if size == 0 {
		r.Body = http.NoBody
		return
	}
	r.Body = io.NopCloser(body)
	if size > expectAbove {
		r.Header.Set("Expect", "100-continue")
	}
}
