package measure

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Report collects what was measured.
type Report struct {
	rows []row
}

type row struct {
	what, value, expected string
	met, only             bool // only: it is told, and no more
}

// Note adds a figure that nothing is expected of.
func (r *Report) Note(what, value string) { r.rows = append(r.rows, row{what: what, value: value}) }

// Expect adds a figure and whether it is as it should be.
func (r *Report) Expect(what, value, expected string, met bool) {
	r.rows = append(r.rows, row{what: what, value: value, expected: expected, met: met})
}

// Warn adds a figure that should be so, on a machine that does nothing else.
func (r *Report) Warn(what, value, expected string, met bool) {
	r.rows = append(r.rows, row{what: what, value: value, expected: expected, met: met, only: true})
}

// Print writes the table and returns how many expectations were not met.
func (r *Report) Print(w io.Writer) (missed int) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "MEASURED\tRESULT\tEXPECTED\tVERDICT")
	for _, row := range r.rows {
		verdict := ""
		switch {
		case row.expected == "":
		case row.met:
			verdict = "met"
		case row.only:
			verdict = "over"
		default:
			verdict = "MISSED"
			missed++
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", row.what, row.value, row.expected, verdict)
	}
	_ = tw.Flush() // standard output
	return missed
}

// Quantile is the value below which a share q of the values lies; values are
// sorted in place.
func Quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

// Median is the middle value.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// MS is a duration in milliseconds.
func MS(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
