package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

const (
	defaultPageSize = 20
	maxPageSize     = 100
	maxSearch       = 200 // bytes of a text to search for
)

var jobStatuses = []job.Status{job.JobStarting, job.JobProcessing, job.JobCompleted, job.JobFailed}

// listJobs is GET /v2/jobs.
func (s *server) listJobs(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "status", "limit", "cursor", "q", "metadata")
	if err != nil {
		return err
	}
	l := job.ListQuery{Status: job.Status(q.Get("status")), Limit: defaultPageSize, Cursor: q.Get("cursor"), Text: q.Get("q")}
	if len(l.Text) > maxSearch {
		return job.Errorf(job.QueryNotValid, "The parameter 'q' has %d bytes, at most %d are accepted.", len(l.Text), maxSearch)
	}
	if text := q.Get("metadata"); text != "" {
		var ok bool
		if l.MetadataName, l.MetadataValue, ok = strings.Cut(text, ":"); !ok || l.MetadataName == "" {
			return job.Errorf(job.QueryNotValid, "The parameter 'metadata' is %q, expected a name and a value, such as order:4711.", text)
		}
	}
	if l.Status != "" && !slices.Contains(jobStatuses, l.Status) {
		return job.Errorf(job.QueryNotValid, "The parameter 'status' is %q, expected one of job.starting, job.processing, job.completed and job.failed.", l.Status)
	}
	if text := q.Get("limit"); text != "" {
		if l.Limit, err = strconv.Atoi(text); err != nil || l.Limit < 1 || l.Limit > maxPageSize {
			return job.Errorf(job.QueryNotValid, "The parameter 'limit' is %q, expected a whole number from 1 to %d.", text, maxPageSize)
		}
	}
	jobs, next, err := s.Jobs.ListJobs(r.Context(), keyID(r), l)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, coconut.EncodeJobs(jobs, next))
	return nil
}

// query returns the query of a request. It refuses unknown parameters, since a
// misspelt one would silently list everything.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, job.Errorf(job.QueryNotValid, "The query cannot be read; its values must be percent-encoded.")
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return nil, job.Errorf(job.QueryNotValid, "The parameter %q is not known here.", name)
		}
		if len(values) > 1 {
			return nil, job.Errorf(job.QueryNotValid, "The parameter '%s' is given %d times, expected once.", name, len(values))
		}
	}
	return q, nil
}

// cancelJob is DELETE /v2/jobs/{id} and POST /v2/jobs/{id}/cancel.
func (s *server) cancelJob(w http.ResponseWriter, r *http.Request) error {
	return s.mutate(w, r, s.Jobs.CancelJob)
}

// retryJob is POST /v2/jobs/{id}/retry.
func (s *server) retryJob(w http.ResponseWriter, r *http.Request) error {
	return s.mutate(w, r, s.Jobs.RetryJob)
}

// listDeliveries is GET /v2/jobs/{id}/deliveries.
func (s *server) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	id, err := requestedJob(r)
	if err != nil {
		return err
	}
	all, err := s.Jobs.Deliveries(r.Context(), keyID(r), id)
	if err != nil {
		return err
	}
	setJobID(r, id)
	writeJSON(w, http.StatusOK, coconut.EncodeDeliveries(id, all))
	return nil
}

// jobLogs is GET /v2/jobs/{id}/logs.
func (s *server) jobLogs(w http.ResponseWriter, r *http.Request) error {
	id, err := requestedJob(r)
	if err != nil {
		return err
	}
	all, err := s.Jobs.FFmpegRuns(r.Context(), keyID(r), id)
	if err != nil {
		return err
	}
	setJobID(r, id)
	writeJSON(w, http.StatusOK, coconut.EncodeLogs(id, all))
	return nil
}

// replayDelivery is POST /v2/jobs/{id}/deliveries/{n}/replay.
func (s *server) replayDelivery(w http.ResponseWriter, r *http.Request) error {
	id, err := requestedJob(r)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(param(r, "n"), 10, 32)
	if err != nil || n < 1 {
		return job.ErrNotFound
	}
	d, err := s.Jobs.Replay(r.Context(), keyID(r), id, int(n))
	if err != nil {
		return err
	}
	setJobID(r, id)
	writeJSON(w, http.StatusAccepted, coconut.EncodeDelivery(d))
	return nil
}
