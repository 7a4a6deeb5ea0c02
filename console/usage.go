package console

import (
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// maxUsageDays is how many days the page of the usage shows at most.
const maxUsageDays = 366

// usageData is what the page of the usage shows.
type usageData struct {
	Viewer   viewer
	From, To string // days of the form 2026-11-30, both included
	Key      string
	Keys     []job.Key // for an operator
	Days     []job.Usage
	Total    job.Usage
	Plot     usagePlot
	CSV      string // address of the same as comma-separated values
}

// usagePlot is a bar chart of days. Each is usageColumn units wide, and plotHeight high.
type usagePlot struct {
	Width float64
	Bars  []usageBar
	Top   float64 // minutes at the upper edge
}

// usageBar is a day: parts of it lie on one another.
type usageBar struct {
	Day     time.Time
	Minutes float64
	Parts   []usagePart
}

// usagePart is what one class of minutes adds to a day.
type usagePart struct {
	Class           string // audio, sd, hd or uhd
	Minutes         float64
	X, Y, W, Height float64
}

const usageColumn = 20

// usageClasses are the names of the classes of minutes.
var usageClasses = map[string]string{"audio": "audio", "hd": "HD", "sd": "SD", "uhd": "UHD"}

// usageRange reads the days of an address. Without any it is this month.
func usageRange(q url.Values, now time.Time) (from, to time.Time, err error) {
	if from, err = day(q.Get("from")); err != nil {
		return from, to, err
	}
	if to, err = day(q.Get("to")); err != nil {
		return from, to, err
	}
	if to.IsZero() {
		to = now.UTC().Truncate(24 * time.Hour)
	}
	if from.IsZero() {
		from = time.Date(to.Year(), to.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	switch days := int(to.Sub(from) / (24 * time.Hour)); {
	case days < 0:
		return from, to, job.Errorf(job.QueryNotValid, "The last day %s is before the first one, %s.", to.Format(time.DateOnly), from.Format(time.DateOnly))
	case days >= maxUsageDays:
		return from, to, job.Errorf(job.QueryNotValid, "The days from %s to %s are %d, at most %d are shown.", from.Format(time.DateOnly), to.Format(time.DateOnly), days+1, maxUsageDays)
	}
	return from, to, nil
}

// usage returns the usage that an address asks for.
func (c *console) usage(r *http.Request, v viewer) (list []job.Usage, from, to time.Time, err error) {
	q := r.URL.Query()
	if from, to, err = usageRange(q, time.Now()); err != nil {
		return nil, from, to, err
	}
	scope := v.Scope
	if key := q.Get("key"); v.Operator && key != "" {
		scope = key
	}
	list, err = c.Store.Usage(r.Context(), scope, from, to.AddDate(0, 0, 1))
	return list, from, to, err
}

// usagePage shows what jobs took and made, by day and key.
func (c *console) usagePage(w http.ResponseWriter, r *http.Request, v viewer) error {
	list, from, to, err := c.usage(r, v)
	if err != nil {
		return err
	}
	d := usageData{Viewer: v, From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Days: list, Total: sumUsage(list), Plot: plotUsage(list, from, to)}
	address := url.Values{"from": {d.From}, "to": {d.To}}
	if v.Operator {
		if d.Key = r.URL.Query().Get("key"); d.Key != "" {
			address.Set("key", d.Key)
		}
		if d.Keys, err = c.Store.ListKeys(r.Context()); err != nil {
			return err
		}
	}
	d.CSV = "/console/usage.csv?" + address.Encode()
	c.show(w, r, http.StatusOK, "usage", v, "Usage", d)
	return nil
}

// usageCSV is the same as comma-separated values.
func (c *console) usageCSV(w http.ResponseWriter, r *http.Request, v viewer) error {
	list, _, _, err := c.usage(r, v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="usage.csv"`)
	_, _ = w.Write(coconut.EncodeUsageCSV(list)) // fails only when the client has disconnected
	return nil
}

func sumUsage(list []job.Usage) (t job.Usage) {
	for _, u := range list {
		t.Jobs, t.Failed = t.Jobs+u.Jobs, t.Failed+u.Failed
		t.Played.Audio, t.Played.SD = t.Played.Audio+u.Played.Audio, t.Played.SD+u.Played.SD
		t.Played.HD, t.Played.UHD = t.Played.HD+u.Played.HD, t.Played.UHD+u.Played.UHD
		t.UploadedBytes, t.CPUSeconds = t.UploadedBytes+u.UploadedBytes, t.CPUSeconds+u.CPUSeconds
	}
	return t
}

// plotUsage makes a bar of each day, also of those without jobs.
func plotUsage(list []job.Usage, from, to time.Time) usagePlot {
	var days [][]job.Usage
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		var of []job.Usage
		for _, u := range list {
			if u.Day.Equal(d) {
				of = append(of, u)
			}
		}
		days = append(days, of)
	}
	p := usagePlot{Width: float64(len(days) * usageColumn)}
	most := 0.0
	for i, of := range days {
		b := usageBar{Day: from.AddDate(0, 0, i)}
		played := sumUsage(of).Played
		for _, part := range []usagePart{{Class: "audio", Minutes: played.Audio / 60}, {Class: "sd", Minutes: played.SD / 60}, {Class: "hd", Minutes: played.HD / 60}, {Class: "uhd", Minutes: played.UHD / 60}} {
			if part.Minutes > 0 {
				b.Minutes += part.Minutes
				b.Parts = append(b.Parts, part)
			}
		}
		most = max(most, b.Minutes)
		p.Bars = append(p.Bars, b)
	}
	p.Top = niceTop(most)
	for i := range p.Bars {
		floor := float64(plotHeight)
		for j := range p.Bars[i].Parts {
			part := &p.Bars[i].Parts[j]
			part.Height = max(plotHeight*part.Minutes/p.Top, 0.5)
			floor -= part.Height
			part.X, part.Y, part.W = float64(i*usageColumn)+2, max(floor, 0), usageColumn-4
		}
	}
	return p
}

// byteCount returns a number of bytes in decimal units.
func byteCount(n int64) string {
	f, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	for ; f >= 1000 && unit < len(units)-1; unit++ {
		f /= 1000
	}
	if f < 10 {
		return trimFloat(math.Round(f*10)/10) + " " + units[unit]
	}
	return trimFloat(math.Round(f)) + " " + units[unit]
}

// cpuTime returns seconds of CPU time in a unit that makes them short.
func cpuTime(seconds float64) string {
	switch {
	case seconds < 100:
		return trimFloat(math.Round(seconds)) + " s"
	case seconds < 6000:
		return trimFloat(math.Round(seconds/60)) + " min"
	}
	return trimFloat(math.Round(seconds/360)/10) + " h"
}
