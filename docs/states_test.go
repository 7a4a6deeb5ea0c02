package docs

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

var arrow = regexp.MustCompile(`(?m)^ +(\w+) --> (\w+): ([a-z.]+)$`)

// arrows are the transitions "from --> to: event" of a diagram in states.md.
func arrows(t *testing.T, name string) map[[3]string]bool {
	t.Helper()
	_, rest, found := strings.Cut(read(t, "states.md"), "<!-- "+name+" -->\n```mermaid\n")
	text, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatalf("states.md has no diagram %q", name)
	}
	list := map[[3]string]bool{}
	for _, m := range arrow.FindAllStringSubmatch(text, -1) {
		list[[3]string{m[1], m[3], m[2]}] = true
	}
	if len(list) < 9 {
		t.Fatalf("the diagram %q has %d arrows", name, len(list))
	}
	return list
}

// events are one of each kind that can be applied; stages of an output are
// events of their own.
func events() []job.Event {
	list := []job.Event{
		{Kind: job.JobStartedEvent}, {Kind: job.InputProbedEvent, Metadata: json.RawMessage(`{}`)}, {Kind: job.InputTransferredEvent},
		{Kind: job.InputFailedEvent}, {Kind: job.OutputCompletedEvent}, {Kind: job.OutputFailedEvent}, {Kind: job.OutputSkippedEvent},
		{Kind: job.JobCancelledEvent}, {Kind: job.JobRetriedEvent},
	}
	for _, s := range []job.Stage{job.Queued, job.Encoding, job.Packaging} {
		list = append(list, job.Event{Kind: job.OutputStageEvent, Stage: s})
	}
	for i := range list {
		list[i].Output, list[i].At = "a", time.Unix(1, 0)
	}
	return list
}

// in returns a job of one output in a stage, with the status that goes with it.
func in(status job.Status, stage job.Stage) job.State {
	s := job.NewState("j", time.Unix(0, 0), []job.OutputRequest{{Key: "a", Type: job.TypeVideo}})
	s.Status, s.Outputs[0].Stage = status, stage
	return s
}

// TestStates: the diagrams show what State.Apply does. Of a job that is every
// transition. Of an output each arrow is possible, and every way out of an end
// and every cancellation is there; the other events are recorded by a worker in
// some stages only, though State.Apply takes them in all.
func TestStates(t *testing.T) {
	jobs, outputs := arrows(t, "states of a job"), arrows(t, "states of an output")
	seenJobs, seenOutputs := map[[3]string]bool{}, map[[3]string]bool{}
	for _, from := range []struct {
		status job.Status
		stages []job.Stage
	}{
		{job.JobStarting, []job.Stage{job.Waiting}},
		{job.JobProcessing, []job.Stage{job.Waiting, job.Queued, job.Encoding, job.Packaging}},
		{job.JobCompleted, []job.Stage{job.Done, job.Skipped}},
		{job.JobFailed, []job.Stage{job.Failed, job.Aborted}},
	} {
		for _, stage := range from.stages {
			for _, e := range events() {
				if from.status == job.JobStarting && e.Output != "" && strings.HasPrefix(string(e.Kind), "output.") {
					continue // each run begins with job.started
				}
				s := in(from.status, stage)
				if _, err := s.Apply(e); err != nil {
					t.Fatal(err)
				}
				word := func(status job.Status) string { return strings.TrimPrefix(string(status), "job.") }
				if s.Status != from.status {
					seenJobs[[3]string{word(from.status), string(e.Kind), word(s.Status)}] = true
				}
				if to := s.Outputs[0].Stage; to != stage {
					seenOutputs[[3]string{string(stage), string(e.Kind), string(to)}] = true
				}
			}
		}
	}
	for a := range seenJobs {
		if !jobs[a] {
			t.Errorf("the diagram of a job lacks %s --> %s: %s", a[0], a[2], a[1])
		}
	}
	for a := range jobs {
		if !seenJobs[a] {
			t.Errorf("the diagram of a job has %s --> %s: %s, which does not happen", a[0], a[2], a[1])
		}
	}
	for a := range outputs {
		if !seenOutputs[a] {
			t.Errorf("the diagram of an output has %s --> %s: %s, which does not happen", a[0], a[2], a[1])
		}
	}
	for a := range seenOutputs {
		from, to := job.Stage(a[0]), job.Stage(a[2])
		if (from.Final() || to == job.Aborted && a[1] == string(job.JobCancelledEvent)) && !outputs[a] {
			t.Errorf("the diagram of an output lacks %s --> %s: %s", a[0], a[2], a[1])
		}
	}
}
