package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/copra-video/copra/api/preview"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// validateJob is POST /v2/validate: what a request would do, for an input that the
// query describes, or for that of a job. A request that would be refused is answered with
// 200 too.
func (s *server) validateJob(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "job", "width", "height", "fps", "duration")
	if err != nil {
		return err
	}
	plan, err := s.planner(r, q)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, s.BodyTimeout)
	if err != nil {
		return err
	}
	var answer bytes.Buffer
	e := json.NewEncoder(&answer)
	e.SetEscapeHTML(false)
	if err := e.Encode(plan(body)); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, bytes.TrimSuffix(answer.Bytes(), []byte("\n")))
	return nil
}

// planner returns what makes the answer for a body.
func (s *server) planner(r *http.Request, q url.Values) (func([]byte) preview.Preview, error) {
	if q.Has("job") {
		if len(q) > 1 {
			return nil, job.Errorf(job.QueryNotValid, "The parameter 'job' names the input, so leave out those that describe one.")
		}
		return s.plannerFor(r, q.Get("job"))
	}
	in := preview.DefaultInput
	for name, to := range map[string]*int{"width": &in.Width, "height": &in.Height, "fps": &in.FPS} {
		if err := wholeNumber(q, name, map[string]int{"fps": 240}[name], to); err != nil {
			return nil, err
		}
	}
	seconds := int(in.Duration)
	if err := wholeNumber(q, "duration", 1_000_000, &seconds); err != nil {
		return nil, err
	}
	in.Duration = float64(seconds)
	return func(body []byte) preview.Preview { return preview.Of(body, in, transcode.Options{}) }, nil
}

// plannerFor is planner for the input of a job of the key. This process reads no
// input: what it plans with is what a worker has found.
func (s *server) plannerFor(r *http.Request, id string) (func([]byte) preview.Preview, error) {
	if !plainID(id) {
		return nil, job.Errorf(job.QueryNotValid, "The parameter 'job' is %q, which is no id of a job.", id)
	}
	state, err := s.Jobs.GetJob(r.Context(), keyID(r), id)
	if errors.Is(err, job.ErrNotFound) {
		return nil, job.Errorf(job.QueryNotValid, "The API key has no job %q, or it is deleted.", id)
	}
	if err != nil {
		return nil, err
	}
	media, err := preview.MediaOf(state)
	if err != nil {
		return nil, err
	}
	return func(body []byte) preview.Preview { return preview.For(body, media, transcode.Options{}) }, nil
}

// wholeNumber reads a parameter of at least 1, at most high, or 8192 for 0. An absent
// one leaves the value as it is.
func wholeNumber(q url.Values, name string, high int, to *int) error {
	text := q.Get(name)
	if text == "" {
		return nil
	}
	if high == 0 {
		high = 8192
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > high {
		return job.Errorf(job.QueryNotValid, "The parameter '%s' is %q, expected a whole number from 1 to %d.", name, text, high)
	}
	*to = n
	return nil
}
