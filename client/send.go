package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// timing has the times that tests shorten.
type timing struct {
	firstWait time.Duration // before the second try; doubles with each
	maxWait   time.Duration // between two tries
	idle      time.Duration // of an event stream: silence after which it counts as broken
	poll      time.Duration // between two looks at a job whose events cannot be followed
}

// The server sends a comment into a stream every 15 s.
var usualTiming = timing{firstWait: 200 * time.Millisecond, maxWait: 30 * time.Second, idle: 45 * time.Second, poll: time.Second}

const (
	maxAnswer      = 256 << 20 // bytes
	maxErrorAnswer = 1 << 20
)

// call is one request of the API and the answer that it expects.
type call struct {
	do     string // verb and object: "create job"; begins the text of every error
	method string
	path   string // escaped, behind the base URL: "/v2/jobs"
	public bool   // needs no API key, and gets none
	header http.Header
	body   []byte
	want   int  // HTTP status
	repeat bool // may be sent again
}

// send sends a call, again if it may and that can help, and decodes the answer
// into into. A nil into takes any answer.
func (c *Client) send(ctx context.Context, r call, into any) error {
	for try := 1; ; try++ {
		err := c.sendOnce(ctx, r, into)
		if err == nil {
			return nil
		}
		wait, temporary := c.timing.wait(err, try)
		if !temporary || !r.repeat || try >= c.attempts || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", r.do, err)
		}
		if sleep(ctx, wait) != nil {
			return fmt.Errorf("%s: %w, waiting after: %w", r.do, context.Cause(ctx), err)
		}
	}
}

func (c *Client) sendOnce(ctx context.Context, r call, into any) error {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	resp, err := c.open(ctx, r, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return c.read(resp, r.want, into)
}

// open sends a call with a body of its own and returns whatever is answered.
func (c *Client) open(ctx context.Context, r call, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	c.prepare(req, r)
	return c.api.Do(req)
}

func (c *Client) prepare(req *http.Request, r call) {
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.userAgent)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !r.public {
		c.authorize(req)
	}
}

// read reads the answer to its end. One of another status than want is an
// *Error.
func (c *Client) read(resp *http.Response, want int, into any) error {
	if resp.StatusCode != want {
		// Of a body that breaks off the status remains.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
		return c.errorOf(resp, body)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the server's answer: %w", err)
	case len(body) > maxAnswer:
		return &answerError{errors.New("it is too large")}
	}
	switch into := into.(type) {
	case nil:
		return nil
	case *[]byte:
		*into = body
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &answerError{err}
	}
	if v, ok := into.(interface{ check() error }); ok {
		if err := v.check(); err != nil {
			return &answerError{err}
		}
	}
	return nil
}

// answerError is an answer that cannot be understood: the next one would be no
// better.
type answerError struct{ error }

func (e *answerError) Error() string { return "understand the server's answer: " + e.error.Error() }

func (e *answerError) Unwrap() error { return e.error }

// wait reports whether trying again can help after err, and how long to wait
// before it: as long as the server asks, else exponentially longer with each
// failed try, with jitter so that clients do not come back all at once. A server
// that asks for more than maxWait leaves the decision to the caller.
func (t timing) wait(err error, failures int) (wait time.Duration, temporary bool) {
	wait = t.backoff(t.firstWait, failures)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		_, unclear := errors.AsType[*answerError](err)
		_, cert := errors.AsType[*tls.CertificateVerificationError](err)
		return wait, !unclear && !cert
	}
	temporary = errors.Is(e, ErrUnavailable) || errors.Is(e, ErrLimited) && e.Code != CodeTooManyJobs && e.Code != CodeQuotaUsedUp
	if e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	return wait, temporary && wait <= t.maxWait
}

func (t timing) backoff(first time.Duration, failures int) time.Duration {
	d := first
	for range failures - 1 {
		if d *= 2; d >= t.maxWait {
			d = t.maxWait
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

// sleep waits, and returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
