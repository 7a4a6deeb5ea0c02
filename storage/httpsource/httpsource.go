// Package httpsource reads inputs by http and https. Every failure has a message
// with host and status, but never with user, password or query of the address.
package httpsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// openTries is how often the first request is made.
const openTries = 3

// Source is a file at an address. It implements storage.Source.
type Source struct {
	client   *http.Client
	url      *url.URL // without userinfo
	user     *url.Userinfo
	size     int64
	ranges   atomic.Bool
	etag     string // strong ones only
	modified string
	place    string                        // the location in messages
	final    *url.URL                      // where the first answer came from, after redirects
	held     atomic.Pointer[io.ReadCloser] // body of the first answer, for the first Open
	// authorize adds credentials to a request. Nil means the credentials in the
	// address.
	authorize func(r *http.Request, again bool) error
}

// Options beside the address.
type Options struct {
	// Retry has the waits between tries. Its Tries and Retryable are not used.
	Retry retry.Policy
	// Authorize adds credentials to a request. It renews them when again is set:
	// the service did not accept the last ones. Nil means the credentials in the
	// address.
	Authorize func(r *http.Request, again bool) error
	// Place names the location of the file in messages. Defaults to the host.
	Place string
	// Whole asks for all of the file at once, where the first byte would be asked for
	// otherwise. The next Open at offset 0 reads that answer, so a file that is read
	// once costs one request. The answer is dropped with the context.
	Whole bool
}

// Open asks for the first byte of the file at address. The answer tells the size
// and whether the server supports ranges. Open waits between tries as p says.
// p.Tries and p.Retryable are not used.
func Open(ctx context.Context, client *http.Client, address job.Secret, p retry.Policy) (*Source, error) {
	return OpenWith(ctx, client, address, Options{Retry: p})
}

// OpenWith is Open with further options, for storage services that serve files
// over HTTP and have credentials of their own.
func OpenWith(ctx context.Context, client *http.Client, address job.Secret, o Options) (*Source, error) {
	u, err := url.Parse(strings.TrimSpace(address.Reveal()))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, job.InputErrorf(job.InputURLNotValid, "has a 'url' that is not a valid http or https address")
	}
	s := &Source{client: client, user: u.User, url: u, size: -1, place: o.Place, authorize: o.Authorize}
	if s.place == "" {
		s.place = u.Hostname()
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	p := o.Retry
	p.Tries = openTries
	p.Retryable = func(err error) bool { return storage.IsUnavailable(err) && !timedOut(err) }
	first := s.probe
	if o.Whole {
		first = s.begin
	}
	err = storage.Retry(ctx, p, first)
	if unavailable, ok := errors.AsType[*storage.Unavailable](err); ok {
		return nil, job.Errorf(job.InputNotReadable, "%s", unavailable.Message).WithCause(unavailable.Cause)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// timedOut reports whether err is a timeout. Such an attempt took so long that
// another one would only keep the customer waiting.
func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// Size implements storage.Source.
func (s *Source) Size() int64 { return s.size }

// Ranges implements storage.Source.
func (s *Source) Ranges() bool { return s.ranges.Load() }

// Version implements storage.Versioned. The date decides before the ETag, as in
// same.
func (s *Source) Version() string {
	switch {
	case s.modified != "":
		return "modified " + s.modified
	case s.etag != "":
		return "etag " + s.etag
	default:
		return ""
	}
}

func (s *Source) probe(ctx context.Context) error {
	resp, err := s.get(ctx, "bytes=0-0", false)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
	case http.StatusRequestedRangeNotSatisfiable:
		if resp.Header.Get("Content-Range") == "bytes */0" {
			s.size = 0
			s.ranges.Store(true)
			return nil
		}
		return s.probeWhole(ctx)
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return s.probeWhole(ctx) // the range may be the cause
	default:
		return s.statusError(resp)
	}
	s.learn(resp)
	return nil
}

// begin asks for the whole file, and holds the answer.
func (s *Source) begin(ctx context.Context) error {
	resp, err := s.get(ctx, "", false) //nolint:bodyclose // the next Open reads it
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return s.statusError(resp)
	}
	s.learn(resp)
	s.ranges.Store(resp.Header.Get("Accept-Ranges") == "bytes")
	s.held.Store(&resp.Body)
	return nil
}

// Location is the address of the file after redirects. Relative references in it are
// meant from there. It has the user and password of the address that was opened, if the
// host is the same.
func (s *Source) Location() job.Secret {
	at := *s.url
	if s.final != nil {
		at = *s.final
	}
	at.User = nil
	if at.Host == s.url.Host && at.Scheme == s.url.Scheme {
		at.User = s.user
	}
	return job.NewSecret(at.String())
}

func (s *Source) probeWhole(ctx context.Context) error {
	resp, err := s.get(ctx, "", false)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s.statusError(resp)
	}
	s.learn(resp)
	return nil
}

func (s *Source) learn(resp *http.Response) {
	if resp.Request != nil {
		s.final = resp.Request.URL
	}
	s.modified = resp.Header.Get("Last-Modified")
	if etag := resp.Header.Get("ETag"); strings.HasPrefix(etag, `"`) {
		s.etag = etag
	}
	if resp.StatusCode == http.StatusPartialContent {
		s.ranges.Store(true)
		if start, total, ok := parseContentRange(resp.Header.Get("Content-Range")); ok && start == 0 {
			s.size = total
		}
		return
	}
	s.size = resp.ContentLength
}

// Open implements storage.Source. When the file was replaced since the first
// request, it returns a *job.Error.
func (s *Source) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if offset == 0 {
		if held := s.held.Swap(nil); held != nil {
			return *held, nil
		}
	}
	if offset > 0 && s.size >= 0 && offset >= s.size {
		return http.NoBody, nil
	}
	byteRange := ""
	if offset > 0 && s.Ranges() {
		byteRange = fmt.Sprintf("bytes=%d-", offset)
	}
	resp, err := s.get(ctx, byteRange, true)
	if err != nil {
		return nil, err
	}
	body, err := s.body(resp, offset, byteRange != "")
	if err != nil {
		resp.Body.Close()
	}
	return body, err
}

// OpenRange implements storage.RangeOpener.
func (s *Source) OpenRange(ctx context.Context, from, to int64) (body io.ReadCloser, at int64, err error) {
	resp, err := s.get(ctx, fmt.Sprintf("bytes=%d-%d", from, to-1), true)
	if err != nil {
		return nil, 0, err
	}
	if at, err = s.start(resp, from, true); err != nil {
		resp.Body.Close()
		return nil, 0, err
	}
	if at < from {
		s.ranges.Store(false)
	}
	return resp.Body, at, nil
}

// body returns the body of resp from offset on.
func (s *Source) body(resp *http.Response, offset int64, ranged bool) (io.ReadCloser, error) {
	at, err := s.start(resp, offset, ranged)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, resp.Body, offset-at); err != nil {
		return nil, s.connectionError(err)
	}
	return resp.Body, nil
}

// start returns where the body of resp begins in the file: at offset, which was asked
// for, or at 0. It fails when the file is another one than at the first answer.
func (s *Source) start(resp *http.Response, offset int64, ranged bool) (int64, error) {
	changed := job.InputErrorf(job.InputNotReadable, "changed on %s while it was being read", s.place)
	switch {
	case resp.StatusCode == http.StatusPartialContent && ranged:
		start, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
		if !ok || start != offset {
			return 0, job.InputErrorf(job.InputNotReadable, "could not be downloaded: %s answers requests for a part of it with another part", s.place)
		}
		if !s.same(resp, total) {
			return 0, changed
		}
		return start, nil
	case resp.StatusCode == http.StatusOK:
		if !s.same(resp, resp.ContentLength) {
			return 0, changed
		}
		return 0, nil
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return 0, changed
	}
	return 0, s.statusError(resp)
}

// same reports whether resp, of a file of the given size, is of the same file as
// the first answer. The date decides before the ETag, since in some clusters
// each server has its own ETag.
func (s *Source) same(resp *http.Response, size int64) bool {
	if s.size >= 0 && size >= 0 && size != s.size {
		return false
	}
	if modified := resp.Header.Get("Last-Modified"); s.modified != "" && modified != "" {
		return modified == s.modified
	}
	etag := resp.Header.Get("ETag")
	return s.etag == "" || !strings.HasPrefix(etag, `"`) || etag == s.etag
}

// get makes a request. If the credentials are refused, it tries once more with
// new ones.
func (s *Source) get(ctx context.Context, byteRange string, known bool) (*http.Response, error) {
	resp, err := s.request(ctx, byteRange, known, false)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && s.authorize != nil {
		resp.Body.Close()
		return s.request(ctx, byteRange, known, true)
	}
	return resp, err
}

func (s *Source) request(ctx context.Context, byteRange string, known, again bool) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, job.InputErrorf(job.InputURLNotValid, "has a 'url' that is not a valid http or https address")
	}
	r.Header.Set("User-Agent", "Copra")
	r.Header.Set("Accept", "*/*")
	r.Header.Set("Accept-Encoding", "identity") // sizes and ranges are those of the file itself
	if s.user != nil {
		password, _ := s.user.Password()
		r.SetBasicAuth(s.user.Username(), password)
	}
	if s.authorize != nil {
		if err := s.authorize(r, again); err != nil {
			return nil, err
		}
	}
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
		if known && s.etag != "" {
			r.Header.Set("If-Range", s.etag)
		} else if known && s.modified != "" {
			r.Header.Set("If-Range", s.modified)
		}
	}
	resp, err := s.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, s.connectionError(err)
	}
	return resp, nil
}

// statusError is a *job.Error, or a *storage.Unavailable for a status that
// may pass.
func (s *Source) statusError(resp *http.Response) error {
	status := resp.StatusCode
	text := http.StatusText(status)
	switch status {
	case http.StatusUnauthorized:
		text = "Unauthorized: the address needs a user name and a password, or those in it are wrong"
	case http.StatusForbidden:
		text = "Forbidden: access is denied, or a signed address has expired"
	}
	if text != "" {
		text = " (" + text + ")"
	}
	about := fmt.Sprintf("could not be downloaded from %s: HTTP status code: %d%s", s.place, status, text)
	if status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		away := storage.InputUnavailable(about, nil)
		away.Busy = status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
		away.After = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		return away
	}
	return job.InputErrorf(job.InputHTTPError, "%s", about)
}

func (s *Source) connectionError(err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	err = netguard.StripURL(err)
	about := fmt.Sprintf("could not be downloaded from %s: %s", s.place, netguard.Describe(err))
	if netguard.Permanent(err) {
		return job.InputErrorf(job.InputNotReadable, "%s", about).WithCause(err)
	}
	return storage.InputUnavailable(about, err)
}

// retryAfter reads a Retry-After header, in seconds or as a date (RFC 9110 section
// 10.2.3); 0: it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(header)); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// parseContentRange reads "bytes 0-99/1000"; total is -1 for "*".
func parseContentRange(s string) (start, total int64, ok bool) {
	span, size, ok := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	first, _, ok2 := strings.Cut(span, "-")
	start, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	if !ok || !ok2 || err != nil || !strings.HasPrefix(s, "bytes ") {
		return 0, 0, false
	}
	if size == "*" {
		return start, -1, true
	}
	total, err = strconv.ParseInt(strings.TrimSpace(size), 10, 64)
	return start, total, err == nil && total >= 0
}

var (
	_ storage.Source      = (*Source)(nil)
	_ storage.RangeOpener = (*Source)(nil)
	_ storage.Versioned   = (*Source)(nil)
)
