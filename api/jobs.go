package api

import (
	"context"
	"net/http"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// createJob is POST /v2/jobs. The body is JSON, whatever its Content-Type: the curl
// command in Coconut's documentation sends that of a form.
func (s *server) createJob(w http.ResponseWriter, r *http.Request) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, s.BodyTimeout)
	if err != nil {
		return err
	}
	spec, err := coconut.DecodeJob(body)
	if err != nil {
		return err
	}
	state, err := s.Jobs.CreateJob(r.Context(), job.Submission{
		KeyID: keyID(r), Request: body, Spec: spec, IdempotencyKey: key,
	})
	if err != nil {
		return err
	}
	s.metrics.jobs.Inc()
	setJobID(r, state.ID)
	writeJSON(w, http.StatusCreated, coconut.EncodeJob(state))
	return nil
}

// getJob is GET /v2/jobs/{id}.
func (s *server) getJob(w http.ResponseWriter, r *http.Request) error {
	state, err := s.job(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, coconut.EncodeJob(state))
	return nil
}

// getMetadata is GET /v2/metadata/jobs/{id} and .../{key}, each with or without a
// slash at the end.
func (s *server) getMetadata(w http.ResponseWriter, r *http.Request) error {
	state, err := s.job(r)
	if err != nil {
		return err
	}
	key := metadataKey(r.URL)
	if key == "" {
		writeJSON(w, http.StatusOK, coconut.EncodeMetadata(state))
		return nil
	}
	for _, k := range []string{key, trimSlash(key)} {
		if body, ok := coconut.EncodeMetadataKey(state, k); ok {
			writeJSON(w, http.StatusOK, body)
			return nil
		}
	}
	return job.ErrNotFound
}

// job returns the job of the route.
func (s *server) job(r *http.Request) (job.State, error) {
	id, err := requestedJob(r)
	if err != nil {
		return job.State{}, err
	}
	state, err := s.Jobs.GetJob(r.Context(), keyID(r), id)
	if err != nil {
		return job.State{}, err
	}
	setJobID(r, state.ID)
	return state, nil
}

// mutate changes the job of the route by f and answers with its new state.
func (s *server) mutate(w http.ResponseWriter, r *http.Request, f func(ctx context.Context, keyID, id string) (job.State, error)) error {
	id, err := requestedJob(r)
	if err != nil {
		return err
	}
	state, err := f(r.Context(), keyID(r), id)
	if err != nil {
		return err
	}
	setJobID(r, state.ID)
	writeJSON(w, http.StatusOK, coconut.EncodeJob(state))
	return nil
}

// requestedJob returns the id of the route, or job.ErrNotFound when it cannot be
// the id of a job.
func requestedJob(r *http.Request) (string, error) {
	if id := jobID(r); id != "" {
		return id, nil
	}
	return "", job.ErrNotFound
}

// idempotencyKey returns the header Idempotency-Key, "" when there is none.
func idempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 255 {
		return "", job.Errorf(job.IdempotencyKeyNotValid, "The header 'Idempotency-Key' has %d characters, at most 255 are accepted.", len(key))
	}
	for _, c := range key {
		if c < ' ' || c > '~' {
			return "", job.Errorf(job.IdempotencyKeyNotValid, "The header 'Idempotency-Key' may hold printable ASCII characters only.")
		}
	}
	return key, nil
}
