package console

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// The kinds of span, which are also classes of the style sheet.
const (
	spanWait    = "wait"
	spanProbe   = "probe"
	spanFetch   = "fetch"
	spanEncode  = "encode"
	spanPackage = "package"
)

// spanWords are the kinds as readers see them, in the order of the legend.
var spanWords = []struct{ Kind, Word string }{
	{spanWait, "waiting"}, {spanProbe, "probing the input"}, {spanFetch, "fetching the input"},
	{spanEncode, "encoding"}, {spanPackage, "packaging and upload"},
}

// span is a bar of a row. X and Width are in thousandths of the time line's width.
type span struct {
	Kind, Word string
	Took       time.Duration
	X, Width   float64

	from, to time.Time
}

// row is the input or an output on the time line. End is how it ended: "done", "failed",
// "skipped" or "aborted"; "": it has not.
type row struct {
	Name, End string
	Spans     []span
}

// About says in words what the bars show.
func (r row) About() string {
	var words []string
	for _, s := range r.Spans {
		words = append(words, s.Word+" "+shortDuration(s.Took))
	}
	if r.End != "" {
		words = append(words, r.End)
	}
	return strings.Join(words, ", ")
}

// timeLine is a chart of what happened to a job when.
type timeLine struct {
	Rows  []row
	Lanes []row // of workers
	Took  time.Duration
	Marks []mark
}

// mark is a label below the bars. Column is its index among five columns of equal width.
type mark struct {
	Column int
	Label  string
}

// rowBuilder makes the spans of a row from the events of a job.
type rowBuilder struct {
	row
	kind  string // of the open span; "": none is open
	since time.Time
}

// turn ends the open span at a time, and opens one of another kind.
func (b *rowBuilder) turn(at time.Time, kind string) {
	if b.kind == kind && kind != "" {
		return
	}
	if b.kind != "" && at.After(b.since) {
		b.Spans = append(b.Spans, span{Kind: b.kind, Word: word(b.kind), from: b.since, to: at, Took: at.Sub(b.since)})
	}
	b.kind, b.since = kind, at
}

func word(kind string) string {
	for _, w := range spanWords {
		if w.Kind == kind {
			return w.Word
		}
	}
	return kind
}

// timeLineOf makes the time line of a job from its events, up to now.
func timeLineOf(d job.Detail, now time.Time) timeLine {
	input := &rowBuilder{row: row{Name: "input"}}
	input.turn(d.CreatedAt, spanWait)
	outputs := map[string]*rowBuilder{}
	var order []*rowBuilder
	for _, o := range d.Outputs {
		b := &rowBuilder{row: row{Name: o.Key}}
		b.turn(d.CreatedAt, spanWait)
		outputs[o.Key], order = b, append(order, b)
	}
	end := d.CreatedAt
	for _, e := range d.Events {
		end = e.At
		advance(e, input, outputs, order)
	}
	if !d.Finished() {
		end = now
	}
	t := timeLine{Took: end.Sub(d.CreatedAt)}
	for _, b := range append([]*rowBuilder{input}, order...) {
		if b.kind != "" {
			b.turn(end, "")
		}
		b.scale(d.CreatedAt, t.Took)
		t.Rows = append(t.Rows, b.row)
	}
	t.Lanes = lanes(d, now)
	for i := range t.Lanes {
		t.Lanes[i].scale(d.CreatedAt, t.Took)
	}
	t.Marks = marks(t.Took)
	return t
}

// advance applies an event to the rows that it concerns.
func advance(e job.RecordedEvent, input *rowBuilder, outputs map[string]*rowBuilder, order []*rowBuilder) {
	all := append([]*rowBuilder{input}, order...)
	b := outputs[e.Output]
	switch e.Kind {
	case job.JobStartedEvent:
		input.turn(e.At, spanProbe)
	case job.InputProbedEvent:
		input.turn(e.At, spanFetch)
	case job.InputTransferredEvent:
		input.turn(e.At, "")
		input.End = "done"
	case job.InputFailedEvent:
		input.turn(e.At, "")
		input.End = "failed"
	case job.JobRetriedEvent:
		for _, b := range all {
			if b == input || b.End != "done" && b.End != "skipped" {
				b.End = ""
				b.turn(e.At, spanWait)
			}
		}
	case job.JobFailedEvent, job.JobCancelledEvent, job.JobCompletedEvent:
		for _, b := range all {
			if b.kind != "" {
				b.turn(e.At, "")
				b.End = "aborted"
			}
		}
	}
	if b == nil {
		return
	}
	switch e.Kind {
	case job.OutputStageEvent:
		b.turn(e.At, cmp.Or(map[job.Stage]string{job.Encoding: spanEncode, job.Packaging: spanPackage}[e.Stage], spanWait))
	case job.OutputCompletedEvent:
		b.turn(e.At, "")
		b.End = "done"
	case job.OutputFailedEvent:
		b.turn(e.At, "")
		b.End = "failed"
	case job.OutputSkippedEvent:
		b.turn(e.At, "")
		b.End = "skipped"
	}
}

// scale sets X and Width of the spans. A span too short to be seen gets a width of 3.
func (r *row) scale(begin time.Time, whole time.Duration) {
	if whole <= 0 {
		return
	}
	for i := range r.Spans {
		s := &r.Spans[i]
		s.X = 1000 * s.from.Sub(begin).Seconds() / whole.Seconds()
		s.Width = min(1000, max(3, 1000*s.Took.Seconds()/whole.Seconds()))
		s.X = max(0, min(s.X, 1000-s.Width))
	}
}

// marks returns labels for the start, the quarters and the end of the time line.
func marks(whole time.Duration) []mark {
	var list []mark
	for i := range 5 {
		list = append(list, mark{i, shortDuration(whole * time.Duration(i) / 4)})
	}
	return list
}

// shortDuration returns a duration for people: "340 ms", "12.4 s", "3 min 5 s", "2 h 3 min".
func shortDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
