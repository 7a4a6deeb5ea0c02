package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// The codes that this package gives or tells apart; the rest are api/coconut's.
const (
	codeAuthentication = "authentication_failed"
	codeConfig         = "config_not_valid"
	codeIdempotencyKey = "idempotency_key_not_valid"
	codeQuery          = "query_not_valid"
	// CodeIdempotencyKeyReused is for a job that comes with an idempotency key
	// that was used with another body; it is answered 409.
	CodeIdempotencyKeyReused = "idempotency_key_reused"
	// These are for a job that cannot be cancelled or retried as it stands;
	// they are answered 409.
	CodeJobFinished    = "job_finished"
	CodeJobNotFinished = "job_not_finished"
	CodeNothingToRetry = "nothing_to_retry"
	// CodeTooManyJobs is for a job over its key's limit, and codeTooManyRequests
	// for a request over it; they are answered 429.
	CodeTooManyJobs     = "too_many_jobs"
	codeTooManyRequests = "too_many_requests"
)

// How long a client over a limit is asked to wait, in seconds: jobs take a
// while to end.
var retryAfter = map[string]string{CodeTooManyJobs: "15", codeTooManyRequests: "1"}

// statusClientLeft is seen in log and metrics only, as nginx has it.
const statusClientLeft = 499

// fail answers with err: the customer's own mistakes with their sentence, what
// is not there with an empty 404 (coconutjs reads no other), trouble of ours
// with an empty 5xx and a line in the log.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*job.Error](err)
	switch {
	case ok:
		if after := retryAfter[e.Code]; after != "" {
			w.Header().Set("Retry-After", after)
		}
		writeJSON(w, statusOf(e.Code), coconut.EncodeError(e))
	case errors.Is(err, job.ErrNotFound):
		notFound(w, r)
	case errors.Is(err, errBodyTime):
		w.WriteHeader(http.StatusRequestTimeout)
	case r.Context().Err() != nil:
		w.WriteHeader(statusClientLeft)
	default:
		s.Log.ErrorContext(r.Context(), "answer request", "request", requestID(r), "error", err)
		w.WriteHeader(statusOfTrouble(err))
	}
}

func statusOf(code string) int {
	switch code {
	case codeAuthentication:
		return http.StatusUnauthorized
	case CodeIdempotencyKeyReused, CodeJobFinished, CodeJobNotFinished, CodeNothingToRetry:
		return http.StatusConflict
	case CodeTooManyJobs, codeTooManyRequests:
		return http.StatusTooManyRequests
	default:
		return http.StatusBadRequest
	}
}

func statusOfTrouble(err error) int {
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// writeJSON answers with JSON. The exact Content-Type matters: coconutrb
// decodes by it.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that left is no trouble of ours
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotFound)
}

func trimSlash(s string) string { return strings.TrimRight(s, "/") }
