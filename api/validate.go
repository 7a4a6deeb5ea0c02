package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/copra-video/copra/api/preview"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// validateJob is POST /v2/validate: what a request would do, for an input that the
// query describes. A request that would be refused is answered with 200 too.
func (s *server) validateJob(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "width", "height", "fps", "duration")
	if err != nil {
		return err
	}
	in := preview.DefaultInput
	for name, to := range map[string]*int{"width": &in.Width, "height": &in.Height, "fps": &in.FPS} {
		if err := wholeNumber(q, name, map[string]int{"fps": 240}[name], to); err != nil {
			return err
		}
	}
	seconds := int(in.Duration)
	if err := wholeNumber(q, "duration", 1_000_000, &seconds); err != nil {
		return err
	}
	in.Duration = float64(seconds)
	body, err := readBody(w, r, s.BodyTimeout)
	if err != nil {
		return err
	}
	var answer bytes.Buffer
	e := json.NewEncoder(&answer)
	e.SetEscapeHTML(false)
	if err := e.Encode(preview.Of(body, in, transcode.Options{})); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, bytes.TrimSuffix(answer.Bytes(), []byte("\n")))
	return nil
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
