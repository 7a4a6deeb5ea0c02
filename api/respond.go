package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// retryAfter is the Retry-After header of a limit, in seconds. Jobs take longer to
// end than a rate limit to pass.
var retryAfter = map[job.Reason]string{job.TooManyJobs: "15", job.QuotaUsedUp: "3600", job.TooManyRequests: "1"}

// unavailableRetryAfter is the Retry-After header while the database is away, in
// seconds: about as long as a failover takes.
const unavailableRetryAfter = "5"

// statusClientLeft is the status of requests whose client has disconnected, in log
// and metrics. nginx uses the same number.
const statusClientLeft = 499

// fail answers with an error: a *job.Error with its message, job.ErrNotFound with an
// empty 404 (coconutjs understands no other), and internal errors with an empty 5xx
// and a log line. A *job.Error whose reason is one of failed jobs is internal here.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*job.Error](err)
	switch {
	case ok && e.Reason.Status() != 0:
		if after := retryAfter[e.Reason]; after != "" {
			w.Header().Set("Retry-After", after)
		}
		writeJSON(w, e.Reason.Status(), coconut.EncodeError(e))
	case errors.Is(err, job.ErrNotFound):
		notFound(w, r)
	case errors.Is(err, errBodyTimeout):
		w.WriteHeader(http.StatusRequestTimeout)
	case r.Context().Err() != nil:
		w.WriteHeader(statusClientLeft)
	case errors.Is(err, context.DeadlineExceeded) || s.Unavailable != nil && s.Unavailable(err):
		s.Log.ErrorContext(r.Context(), "answer request", "request", requestID(r), "error", err)
		w.Header().Set("Retry-After", unavailableRetryAfter)
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		s.Log.ErrorContext(r.Context(), "answer request", "request", requestID(r), "error", err)
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// writeJSON answers with JSON. The Content-Type must be exactly this one, by which
// coconutrb decides how to decode.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only when the client has disconnected
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotFound)
}

func trimSlash(s string) string { return strings.TrimRight(s, "/") }
