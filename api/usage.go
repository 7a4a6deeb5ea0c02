package api

import (
	"net/http"
	"net/url"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// usage is GET /v2/usage: that of the API key, or of all keys for the operator's.
func (s *server) usage(w http.ResponseWriter, r *http.Request) error {
	key := job.AnyKey
	if !s.isOperator(r) {
		k, err := s.Keys.Authenticate(r.Context(), basicUser(r.Header.Get("Authorization")))
		if err != nil {
			return s.unauthorized(w, err)
		}
		key = k.ID
		setKey(r, k)
	}
	q, err := query(r, "from", "to", "format")
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	from, err := day(q, "from", time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	to, err := day(q, "to", now.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	format := q.Get("format")
	if format != "" && format != "json" && format != "csv" {
		return job.Errorf(job.QueryNotValid, "The parameter 'format' is %q, expected json or csv.", format)
	}
	list, err := s.Jobs.Usage(r.Context(), key, from, to)
	if err != nil {
		return err
	}
	if format == "csv" {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="usage.csv"`)
		_, _ = w.Write(coconut.EncodeUsageCSV(list)) // the client may have gone
		return nil
	}
	writeJSON(w, http.StatusOK, coconut.EncodeUsage(list))
	return nil
}

// day reads a day of the query, of the form 2026-11-30.
func day(q url.Values, name string, otherwise time.Time) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, job.Errorf(job.QueryNotValid, "The parameter '%s' is %q, expected a day such as 2026-11-30.", name, text)
	}
	return at, nil
}
