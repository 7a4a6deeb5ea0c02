package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// pageSize is how many jobs a page of the list has.
const pageSize = 30

// filters are the parameters of the list, as they are in an address.
type filters struct {
	Status, Text, Metadata, Since, Until, Key, Cursor string
}

// listQuery reads the parameters of the list.
func listQuery(q url.Values) (filters, error) {
	f := filters{
		Status: q.Get("status"), Text: strings.TrimSpace(q.Get("q")), Metadata: strings.TrimSpace(q.Get("metadata")),
		Since: q.Get("since"), Until: q.Get("until"), Key: q.Get("key"), Cursor: q.Get("cursor"),
	}
	_, err := f.query()
	return f, err
}

// statuses are the states that the list can be filtered by.
var statuses = []struct{ Value, Word string }{
	{string(job.JobStarting), "waiting"}, {string(job.JobProcessing), "processing"},
	{string(job.JobCompleted), "completed"}, {string(job.JobFailed), "failed"},
}

const maxSearch = 200 // bytes

// query returns the query for the database. The error is a *job.Error that names the wrong
// parameter.
func (f filters) query() (job.ListQuery, error) {
	q := job.ListQuery{Status: job.Status(f.Status), Text: f.Text, Cursor: f.Cursor, Limit: pageSize}
	if len(f.Text) > maxSearch {
		return q, job.Errorf(job.QueryNotValid, "The text to search for has %d bytes, at most %d are accepted.", len(f.Text), maxSearch)
	}
	if f.Metadata != "" {
		name, value, ok := strings.Cut(f.Metadata, ":")
		if !ok || name == "" {
			return q, job.Errorf(job.QueryNotValid, "The metadata %q is not of the form name:value.", f.Metadata)
		}
		q.MetadataName, q.MetadataValue = name, value
	}
	var err error
	if q.Since, err = day(f.Since); err != nil {
		return q, err
	}
	if q.Until, err = day(f.Until); err != nil {
		return q, err
	}
	if !q.Until.IsZero() {
		q.Until = q.Until.AddDate(0, 0, 1) // the day is included
	}
	return q, nil
}

func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1970 {
		return time.Time{}, job.Errorf(job.QueryNotValid, "The day %q is not of the form 2026-11-29.", text)
	}
	return t, nil
}

// values returns the parameters that are set.
func (f filters) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"status": f.Status, "q": f.Text, "metadata": f.Metadata, "since": f.Since, "until": f.Until, "key": f.Key, "cursor": f.Cursor,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// Set reports whether anything is filtered.
func (f filters) Set() bool {
	f.Cursor = ""
	return f != filters{}
}

type jobsData struct {
	Viewer   viewer
	Filters  filters
	Statuses []struct{ Value, Word string }
	Jobs     []job.Listed
	Keys     []job.Key // for an operator
	Next     string    // address of the next page; "": none
	Live     string
}

func (c *console) jobsData(ctx context.Context, v viewer, f filters) (jobsData, error) {
	d := jobsData{Viewer: v, Filters: f, Statuses: statuses, Live: liveURL("jobs", f.values())}
	q, err := f.query()
	if err != nil {
		return d, err
	}
	scope := v.Scope
	if v.Operator && f.Key != "" {
		scope = f.Key
	}
	var next string
	if d.Jobs, next, err = c.Store.SearchJobs(ctx, scope, q); err != nil {
		return d, err
	}
	if next != "" {
		f.Cursor = next
		d.Next = "/console/jobs?" + f.values().Encode()
	}
	return d, nil
}

// jobsPage lists jobs. If the text to search for is the id of a job, it redirects to that.
func (c *console) jobsPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	f, err := listQuery(r.URL.Query())
	if err != nil {
		return err
	}
	if isID(f.Text) {
		if _, err := c.Store.JobDetail(r.Context(), v.Scope, f.Text); err == nil {
			http.Redirect(w, r, "/console/jobs/"+f.Text, http.StatusSeeOther)
			return nil
		}
	}
	d, err := c.jobsData(r.Context(), v, f)
	if err != nil {
		return err
	}
	if v.Operator {
		if d.Keys, err = c.Store.ListKeys(r.Context()); err != nil {
			return err
		}
	}
	c.show(w, r, http.StatusOK, "jobs", v, "Jobs", &d)
	return nil
}

// isID reports whether text may be the id of a job.
func isID(text string) bool {
	return len(text) == 14 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// jobsSnapshot has the whole table, whose key is the list of its jobs, and each cell that may
// change. So a page gets the table only when there are other jobs in it.
func (c *console) jobsSnapshot(ctx context.Context, v viewer, f filters) (snapshot, error) {
	d, err := c.jobsData(ctx, v, f)
	if err != nil {
		return snapshot{}, err
	}
	html, err := c.fragment("rows", &d)
	if err != nil {
		return snapshot{}, err
	}
	var ids strings.Builder
	for _, j := range d.Jobs {
		ids.WriteString(j.ID + " ")
	}
	s := snapshot{fragments: []fragment{{ID: "rows", HTML: html, Key: ids.String() + "."}}}
	for _, j := range d.Jobs {
		cell, err := c.fragment("job-cell", j)
		if err != nil {
			return snapshot{}, err
		}
		s.fragments = append(s.fragments, fragment{ID: "cell-" + j.ID, HTML: cell})
	}
	return s, nil
}
