package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// watch returns a function that shows the state of a job, and one to call at
// the end: a bar for each output in a terminal, else a line for each change.
func watch(w io.Writer, j jobInfo) (show func(jobInfo), done func()) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return bars(w, j)
	}
	return lines(w), func() {}
}

// lines prints a line when a status changes or the job has come 10 % further.
func lines(w io.Writer) func(jobInfo) {
	last := map[string]string{}
	tens := -1
	return func(j jobInfo) {
		if last[""] != j.Status {
			last[""] = j.Status
			fmt.Fprintf(w, "%s %s\n", j.ID, j.Status)
		}
		for _, o := range j.Outputs {
			if last["o "+o.Key] != o.Status {
				last["o "+o.Key] = o.Status
				fmt.Fprintf(w, "%s %s %s %s\n", j.ID, o.Key, o.Status, o.Error)
			}
		}
		if p := percent(j.Progress); p/10 > tens {
			tens = p / 10
			fmt.Fprintf(w, "%s %d%%\n", j.ID, p)
		}
	}
}

func percent(s string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(s, "%"))
	return n
}

// bars draws a bar for each output.
func bars(w io.Writer, j jobInfo) (show func(jobInfo), done func()) {
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	status := make([]atomic.Pointer[string], len(j.Outputs))
	drawn := make([]*mpb.Bar, len(j.Outputs))
	for i, o := range j.Outputs {
		status[i].Store(&o.Status)
		drawn[i] = p.AddBar(100,
			mpb.PrependDecorators(decor.Name(o.Key, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(func(decor.Statistics) string { return " " + *status[i].Load() })))
	}
	show = func(j jobInfo) {
		for i, o := range j.Outputs {
			if i >= len(drawn) {
				break
			}
			status[i].Store(&o.Status)
			switch {
			case final(o.Status):
				drawn[i].SetCurrent(100)
			case o.Progress != "":
				drawn[i].SetCurrent(int64(min(percent(o.Progress), 99)))
			default:
				drawn[i].SetCurrent(int64(min(percent(j.Progress), 99)))
			}
		}
	}
	return show, func() {
		for _, b := range drawn {
			if !b.Completed() {
				b.Abort(false)
			}
		}
		p.Wait()
	}
}

// final reports whether an output's status is its last.
func final(status string) bool {
	_, verb, _ := strings.Cut(status, ".")
	switch verb {
	case "encoded", "created", "packaged", "failed", "skipped", "aborted":
		return true
	}
	return false
}
