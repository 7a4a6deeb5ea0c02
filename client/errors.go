package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is an answer that refuses a request, or that is not one of the API.
type Error struct {
	StatusCode int    // of HTTP
	Code       string // error_code, such as "input_not_valid"; "" when the answer has none
	Message    string // of the server: what was wrong and what would be right; "" when the answer has none
	// RetryAfter is how long the server asks to wait; 0 when it does not say.
	RetryAfter time.Duration
	// RequestID finds the request in the log of the server; "" when the answer
	// has none.
	RequestID string
}

// Error codes that a program may want to react to. All codes of the server are
// in its documentation, docs/errors.md.
const (
	CodeIdempotencyKeyReused = "idempotency_key_reused" // 409: the key came before with another request
	CodeJobFinished          = "job_finished"           // 409: the job cannot be cancelled any more
	CodeJobNotFinished       = "job_not_finished"       // 409: the job cannot be retried yet
	CodeNothingToRetry       = "nothing_to_retry"       // 409: all outputs of the job are done
	CodeTooManyJobs          = "too_many_jobs"          // 429: the API key has as many unfinished jobs as it may
	CodeQuotaUsedUp          = "quota_used_up"          // 429: the API key has made as many minutes in this month as it may
	CodeTooManyRequests      = "too_many_requests"      // 429: the API key makes too many requests a second
)

// For errors.Is: classes of Error by status.
var (
	ErrUnauthorized = errors.New("the API key is missing or unknown")         // 401
	ErrNotFound     = errors.New("not found")                                 // 404: it does not exist, or belongs to another API key
	ErrConflict     = errors.New("the request conflicts with an earlier one") // 409
	ErrLimited      = errors.New("over a limit of the API key")               // 429
	ErrUnavailable  = errors.New("the server is in trouble")                  // 500, 502, 503 and 504
)

var classes = map[int]error{
	http.StatusUnauthorized:        ErrUnauthorized,
	http.StatusNotFound:            ErrNotFound,
	http.StatusConflict:            ErrConflict,
	http.StatusTooManyRequests:     ErrLimited,
	http.StatusInternalServerError: ErrUnavailable,
	http.StatusBadGateway:          ErrUnavailable,
	http.StatusServiceUnavailable:  ErrUnavailable,
	http.StatusGatewayTimeout:      ErrUnavailable,
}

// Error is the sentence of the server with its code, or the HTTP status.
func (e *Error) Error() string {
	switch {
	case e.Message != "" && e.Code != "":
		return fmt.Sprintf("the server refused: %s (%s)", e.Message, e.Code)
	case e.Message != "":
		return fmt.Sprintf("the server answered HTTP status %d: %s", e.StatusCode, e.Message)
	}
	if said := proxySays[e.StatusCode]; said != "" && e.RequestID == "" {
		return fmt.Sprintf("HTTP status %d: %s", e.StatusCode, said)
	}
	text := http.StatusText(e.StatusCode)
	if text != "" {
		text = " " + text
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return fmt.Sprintf("the server answered HTTP status %d%s", e.StatusCode, text)
}

// proxySays is what answers mean that have neither a message nor a request's id, and
// so are not of the server but of something before it.
var proxySays = map[int]string{
	http.StatusRequestEntityTooLarge: "a proxy before the server refuses bodies of this size; raise its limit, such as client_max_body_size of nginx",
	http.StatusBadGateway:            "a proxy before the server cannot reach it, or lost the connection to it",
	http.StatusServiceUnavailable:    "a proxy before the server has no server to ask",
	http.StatusGatewayTimeout:        "a proxy before the server waited too long for its answer; raise its timeouts, such as proxy_read_timeout of nginx",
}

// Is reports whether target is the class of the error's status, such as
// ErrNotFound.
func (e *Error) Is(target error) bool { return classes[e.StatusCode] == target }

// HasCode reports whether err is an *Error of the server with this code.
func HasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// errorOf makes an error of an answer whose status is not the wanted one.
func (c *Client) errorOf(resp *http.Response, body []byte) *Error {
	e := &Error{
		StatusCode: resp.StatusCode,
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
		RequestID:  resp.Header.Get("X-Request-Id"),
	}
	var answer struct {
		Message string `json:"message"`
		Code    string `json:"error_code"`
	}
	switch {
	case resp.StatusCode < 300:
		e.Message = "this is not the answer of a Copra server"
	case resp.StatusCode < 400:
		e.Message = "the server redirects, which the API does not do; name the final address as the base URL"
	case json.Unmarshal(body, &answer) == nil:
		e.Message, e.Code = c.scrub(answer.Message), c.scrub(answer.Code)
	}
	return e
}

// retryAfter reads the header Retry-After: seconds, or a date of HTTP (RFC 9110,
// section 10.2.3). It is 0 when there is no time to wait.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
