package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// How long a client over a limit is asked to wait, in seconds: jobs take a
// while to end.
var retryAfter = map[job.Reason]string{job.TooManyJobs: "15", job.TooManyRequests: "1"}

// statusClientLeft is seen in log and metrics only, as nginx has it.
const statusClientLeft = 499

// fail answers with err: the customer's own mistakes with their sentence, what
// is not there with an empty 404 (coconutjs reads no other), trouble of ours
// with an empty 5xx and a line in the log.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*job.Error](err)
	switch {
	case ok:
		if after := retryAfter[e.Reason]; after != "" {
			w.Header().Set("Retry-After", after)
		}
		writeJSON(w, e.Reason.Status(), coconut.EncodeError(e))
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
