package cli

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/copra-video/copra/client"
)

// watch returns a function that shows the state of a job, and one to call at
// the end: a bar for each output in a terminal, else a line for each change.
func watch(w io.Writer, j snapshot) (show func(snapshot), done func()) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return bars(w, j)
	}
	return lines(w), func() {}
}

// lines prints a line when a status changes or the job has come 10 % further.
func lines(w io.Writer) func(snapshot) {
	var status client.JobStatus
	outputs := map[string]client.OutputStatus{} // by key
	tens := client.Percent(-1)
	return func(j snapshot) {
		if status != j.status {
			status = j.status
			fmt.Fprintf(w, "%s %s\n", j.id, j.status)
		}
		for _, o := range j.outputs {
			if outputs[o.key] != o.status {
				outputs[o.key] = o.status
				fmt.Fprintf(w, "%s %s %s %s\n", j.id, o.key, o.status, o.fault)
			}
		}
		if j.progress/10 > tens {
			tens = j.progress / 10
			fmt.Fprintf(w, "%s %s\n", j.id, j.progress)
		}
	}
}

// bars draws a bar for each output.
func bars(w io.Writer, j snapshot) (show func(snapshot), done func()) {
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	status := make([]atomic.Pointer[client.OutputStatus], len(j.outputs))
	drawn := make([]*mpb.Bar, len(j.outputs))
	for i, o := range j.outputs {
		status[i].Store(&o.status)
		drawn[i] = p.AddBar(100,
			mpb.PrependDecorators(decor.Name(o.key, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(func(decor.Statistics) string { return " " + string(*status[i].Load()) })))
	}
	show = func(j snapshot) {
		for i, o := range j.outputs {
			if i >= len(drawn) {
				break
			}
			status[i].Store(&o.status)
			switch {
			case o.status.Final():
				drawn[i].SetCurrent(100)
			case o.progress >= 0:
				drawn[i].SetCurrent(int64(min(o.progress, 99)))
			default:
				drawn[i].SetCurrent(int64(min(j.progress, 99)))
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
