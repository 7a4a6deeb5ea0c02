package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

// sendTimeout bounds one request, answer included (coconut-v2.md section 12).
const sendTimeout = 10 * time.Second

// maxAnswer is how much of an answer is read. A connection can be used again
// only when the answer has been read, and nothing of it is of interest.
const maxAnswer = 64 << 10

var (
	errURL   = errors.New("the notification URL is not valid")
	errNoSNS = errors.New("this server publishes to no topics")
)

// hostOf is the name under which requests of a notification are limited: the
// host and port of its URL, or the region of its topic.
func hostOf(n job.Notification) string {
	if n.Type == "sns" {
		return "sns " + n.Region
	}
	u, err := url.Parse(n.URL.Reveal())
	if err != nil {
		return ""
	}
	return u.Host
}

// send makes one request. status is 0 when there was no answer. The error is
// for the customer and holds no part of the URL, which may hold secrets.
func (w *Worker) send(ctx context.Context, d job.Delivery, now time.Time) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if d.Notification.Type != "sns" {
		return w.post(ctx, d, now)
	}
	if w.c.SNS == nil {
		return 0, errNoSNS
	}
	return w.c.SNS.Publish(ctx, d)
}

// post sends the body to the notification's URL. Only an answer of 2xx is a success.
func (w *Worker) post(ctx context.Context, d job.Delivery, now time.Time) (status int, err error) {
	target, err := withParams(d.Notification.URL, d.Notification.Params)
	if err != nil {
		return 0, errURL // err would quote the URL
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(d.Body))
	if err != nil {
		return 0, errURL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Copra/"+w.c.Version)
	if err := sign(req.Header, d, now); err != nil {
		return 0, err
	}
	telemetry.Inject(ctx, req.Header)
	resp, err := w.c.Client.Do(req)
	if err != nil {
		return 0, describeNetError(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode, fmt.Errorf("the receiver answered HTTP status %d", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// withParams appends params to the query of u. The query that u has keeps its
// exact bytes, because it may be signed.
func withParams(u job.Secret, params map[string]string) (string, error) {
	target, err := url.Parse(u.Reveal())
	if err != nil {
		return "", err
	}
	if len(params) == 0 {
		return target.String(), nil
	}
	q := url.Values{}
	for k, v := range params {
		q.Set(k, v)
	}
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += q.Encode()
	return target.String(), nil
}

// describeNetError describes a failed request for the customer. The errors of
// net/http quote the URL, and the cause of a *job.Error is internal.
func describeNetError(err error) error {
	if je, ok := errors.AsType[*job.Error](err); ok {
		return errors.New(je.Message)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return fmt.Errorf("no answer within %s", sendTimeout)
	}
	return fmt.Errorf("the receiver could not be reached: %s", netguard.Describe(err))
}
