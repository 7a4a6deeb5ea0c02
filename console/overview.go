package console

import (
	"context"
	"net/http"
	"time"

	"github.com/copra-video/copra/job"
)

// overviewData is what the first page shows. Nodes and Queues are an operator's.
type overviewData struct {
	Viewer            viewer
	Overview          job.Overview
	Completed, Failed int     // jobs of the last 24 hours
	Seconds           float64 // of output in the last 24 hours
	Running           []job.Listed
	Nodes             []job.Node
	Queues            []job.QueueCount
	Plot              plot
	Live              string
}

// maxRunning is how many running jobs the overview shows.
const maxRunning = 12

func (c *console) overviewData(ctx context.Context, v viewer) (d overviewData, err error) {
	d = overviewData{Viewer: v, Live: liveURL("overview", nil)}
	if d.Overview, err = c.Store.Overview(ctx, v.Scope); err != nil {
		return d, err
	}
	for _, h := range d.Overview.Hours {
		d.Completed, d.Failed, d.Seconds = d.Completed+h.Completed, d.Failed+h.Failed, d.Seconds+h.Seconds
	}
	d.Plot = plotOf(d.Overview.Hours)
	if d.Running, _, err = c.Store.SearchJobs(ctx, v.Scope, job.ListQuery{Status: job.JobProcessing, Limit: maxRunning}); err != nil {
		return d, err
	}
	if !v.Operator {
		return d, nil
	}
	if d.Nodes, err = c.Store.Nodes(ctx, c.StaleAfter); err != nil {
		return d, err
	}
	d.Queues, err = c.Store.QueueDepth(ctx)
	return d, err
}

func (c *console) overviewPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	d, err := c.overviewData(r.Context(), v)
	if err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "overview", v, "Overview", &d)
	return nil
}

func (c *console) overviewSnapshot(ctx context.Context, v viewer) (snapshot, error) {
	d, err := c.overviewData(ctx, v)
	if err != nil {
		return snapshot{}, err
	}
	return c.snapshot(&d, "figures", "running", "day", "fleet")
}

// snapshot renders templates. The name of a template is also the id of its element.
func (c *console) snapshot(data any, names ...string) (snapshot, error) {
	var s snapshot
	for _, n := range names {
		html, err := c.fragment(n, data)
		if err != nil {
			return snapshot{}, err
		}
		s.fragments = append(s.fragments, fragment{ID: n, HTML: html})
	}
	return s, nil
}

// plot is a bar chart of 24 hours, 480 units wide and 100 high.
type plot struct {
	Bars  []bar
	Top   float64 // minutes at the upper edge
	Empty bool
}

// bar is one hour. Its height is the minutes of output. The template marks hours in which jobs
// have failed.
type bar struct {
	X, Y, Height float64
	At           time.Time
	Minutes      float64
	Hour         job.Hour
}

const (
	plotHeight = 100
	plotColumn = 20
)

func plotOf(hours []job.Hour) plot {
	p := plot{Empty: true}
	most := 0.0
	for _, h := range hours {
		most = max(most, h.Seconds/60)
		p.Empty = p.Empty && h.Seconds == 0 && h.Failed == 0
	}
	p.Top = niceTop(most)
	for i, h := range hours {
		b := bar{X: float64(i*plotColumn) + 3, At: h.At, Minutes: h.Seconds / 60, Hour: h}
		b.Height = plotHeight * b.Minutes / p.Top
		if b.Minutes > 0 {
			b.Height = max(b.Height, 1.5)
		}
		b.Y = plotHeight - b.Height
		p.Bars = append(p.Bars, b)
	}
	return p
}

// niceTop returns the smallest of 1, 2, 5, 10, 20, 50 ... that is not below most.
func niceTop(most float64) float64 {
	top := 1.0
	for top < most {
		for _, f := range []float64{2, 2.5, 2} {
			if top *= f; top >= most {
				break
			}
		}
	}
	return top
}
