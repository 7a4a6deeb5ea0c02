package measure

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report collects what was measured.
type Report struct {
	rows []row
}

type row struct {
	what, value, expected string
	met, only             bool // only: a bound that is not met is shown, but does not count
}

// Note adds a figure without a bound.
func (r *Report) Note(what, value string) { r.rows = append(r.rows, row{what: what, value: value}) }

// Expect adds a figure with its bound, and whether that is met.
func (r *Report) Expect(what, value, expected string, met bool) {
	r.rows = append(r.rows, row{what: what, value: value, expected: expected, met: met})
}

// Warn adds a figure whose bound holds only on a machine that does nothing else. Print
// does not count it as missed.
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

// Has reports whether anything was measured whose name begins with part and a colon.
func (r *Report) Has(part string) bool {
	return slices.ContainsFunc(r.rows, func(row row) bool { return strings.HasPrefix(row.what, part+": ") })
}

// Markdown writes the rows whose name begins with part and a colon as a table.
func (r *Report) Markdown(w io.Writer, part string) {
	fmt.Fprint(w, "| measured | result | expected |\n|---|---|---|\n")
	for _, row := range r.rows {
		if name, ok := strings.CutPrefix(row.what, part+": "); ok {
			fmt.Fprintf(w, "| %s | %s | %s |\n", name, row.value, row.expected)
		}
	}
}

// Quantile returns the value below which a share q of the values lies, 0 to 1. It sorts
// values in place.
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

// MS returns a duration as text in milliseconds.
func MS(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
