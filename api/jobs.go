package api

import (
	"context"
	"net/http"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// createJob is POST /v2/jobs. The body is JSON whatever its Content-Type says:
// the documentation's own curl sends it as a form.
func (s *server) createJob(w http.ResponseWriter, r *http.Request) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, s.BodyTime)
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
	noteJob(r, state.ID)
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

// getMetadata is GET /v2/metadata/jobs/{id}, with and without a slash, and
// .../{key}. A slash at the end of a key is tolerated.
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

// job is the job that the route names, if it is one of the asker's.
func (s *server) job(r *http.Request) (job.State, error) {
	id, err := wantedJob(r)
	if err != nil {
		return job.State{}, err
	}
	state, err := s.Jobs.GetJob(r.Context(), keyID(r), id)
	if err != nil {
		return job.State{}, err
	}
	noteJob(r, state.ID)
	return state, nil
}

// change answers with the job as f has left it.
func (s *server) change(w http.ResponseWriter, r *http.Request, f func(ctx context.Context, keyID, id string) (job.State, error)) error {
	id, err := wantedJob(r)
	if err != nil {
		return err
	}
	state, err := f(r.Context(), keyID(r), id)
	if err != nil {
		return err
	}
	noteJob(r, state.ID)
	writeJSON(w, http.StatusOK, coconut.EncodeJob(state))
	return nil
}

// wantedJob is the id in the route.
func wantedJob(r *http.Request) (string, error) {
	if id := jobID(r); id != "" {
		return id, nil
	}
	return "", job.ErrNotFound
}

// idempotencyKey is the header Idempotency-Key, "" when there is none.
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
