package console

import (
	"net/http"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/job"
)

// checkedReport is a report with the rules that apply before those that do not.
type checkedReport struct {
	check.Report
	Broken, Held []check.Result
	Others       int // rules that do not apply
}

// checkStream checks a stream of a job, as copra check does. The form names the stream by its
// address, which must be one of the results: nothing else is fetched.
func (c *console) checkStream(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, address := r.PathValue("id"), r.PostFormValue("stream")
	d, err := c.Store.JobDetail(r.Context(), v.Scope, id)
	if err != nil {
		return err
	}
	if c.Check == nil || !hasStream(d, address) {
		return job.ErrNotFound
	}
	reports, err := c.Check(r.Context(), address)
	if err != nil {
		return err
	}
	var list []checkedReport
	for _, report := range reports {
		l := checkedReport{Report: report}
		for _, res := range report.Results {
			switch res.Status {
			case check.Fail:
				l.Broken = append(l.Broken, res)
			case check.Pass:
				l.Held = append(l.Held, res)
			default:
				l.Others++
			}
		}
		list = append(list, l)
	}
	c.show(w, r, http.StatusOK, "check", v, "Check of job "+id, struct {
		ID      string
		Reports []checkedReport
	}{id, list})
	return nil
}

func hasStream(d job.Detail, address string) bool {
	for _, o := range d.Outputs {
		for _, s := range o.Result.Streams {
			if s.URL == address {
				return true
			}
		}
	}
	return false
}
