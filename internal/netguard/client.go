package netguard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

// ErrStalled is the error of a peer that sent or accepted no byte for
// Options.IdleTimeout. Another attempt may succeed.
var ErrStalled = errors.New("the connection stalled")

// Options of an HTTP client.
type Options struct {
	// ConnectTimeout bounds the dialling of one address. Defaults to 10 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for the header of a response after the
	// request was sent. Defaults to 30 s.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the wait for the next bytes of a body, in both
	// directions. The time for the whole body is not bounded. Defaults to 30 s.
	IdleTimeout time.Duration
	// MaxRedirects is how many redirects are followed. With NoRedirects the
	// caller gets the redirect itself. Defaults to 10.
	MaxRedirects int
}

// NoRedirects as Options.MaxRedirects returns redirects as responses.
const NoRedirects = -1

// HTTPClient returns a client whose connections all pass the guard, also those
// of redirects. It uses no proxy, since a proxy would dial instead of the guard.
func (g *Guard) HTTPClient(o Options) *http.Client { return newClient(o, g.dial) }

// TrustedClient returns a client without a guard, for addresses that the
// operator has configured. It follows no redirects, since others choose their
// targets.
func TrustedClient(o Options) *http.Client {
	o.MaxRedirects = NoRedirects
	return newClient(o, func(ctx context.Context, network, addr string, timeout time.Duration) (net.Conn, error) {
		return (&net.Dialer{Timeout: timeout}).DialContext(ctx, network, addr)
	})
}

type dialFunc func(ctx context.Context, network, addr string, timeout time.Duration) (net.Conn, error)

func newClient(o Options, dial dialFunc) *http.Client {
	o = o.withDefaults()
	base := &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr, o.ConnectTimeout)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c, idle: o.IdleTimeout}, nil
		},
		TLSHandshakeTimeout:   o.ConnectTimeout,
		ResponseHeaderTimeout: o.HeaderTimeout,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true, // sizes and ranges must be those of the file
		// A custom dialer limits the transport to HTTP/1.1. That is intended:
		// each transfer has a connection of its own, and none can stall another.
	}
	return &http.Client{Transport: &transport{base: base, idle: o.IdleTimeout}, CheckRedirect: o.checkRedirect}
}

func (o Options) withDefaults() Options {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = dialTimeout
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 30 * time.Second
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 30 * time.Second
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = 10
	}
	return o
}

func (o Options) checkRedirect(r *http.Request, via []*http.Request) error {
	if o.MaxRedirects == NoRedirects {
		return http.ErrUseLastResponse
	}
	if len(via) > o.MaxRedirects {
		return job.Errorf(job.RedirectsNotValid, "The address redirects more than %d times.", o.MaxRedirects)
	}
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return job.Errorf(job.RedirectsNotValid, "The address redirects to a URL of scheme %q; only http and https can be followed.", r.URL.Scheme)
	}
	// The query of a presigned URL is a credential. The next host must not get
	// it.
	r.Header.Del("Referer")
	return nil
}

// conn bounds the time of a single write, so that a peer that accepts an upload
// and then stops reading is noticed.
type conn struct {
	net.Conn
	idle time.Duration
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// transport bounds the time of a read of a response's body.
type transport struct {
	base *http.Transport
	idle time.Duration
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	resp, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	b := &body{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, idle: t.idle}
	b.timer = time.AfterFunc(t.idle, func() { cancel(ErrStalled) })
	b.timer.Stop()
	resp.Body = b
	return resp, nil
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// body cancels its own request when a Read waits too long. The time between two
// Reads does not count.
type body struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // the request's, which ends with the body
	cancel context.CancelCauseFunc
	idle   time.Duration
	timer  *time.Timer
	once   sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), ErrStalled) {
		err = ErrStalled
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.once.Do(func() { b.cancel(nil) })
	return err
}
