package job_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

func TestRetry(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	accepted := job.NewState("a", start, []job.OutputRequest{
		{Key: "done", Type: job.TypeVideo}, {Key: "bad", Type: job.TypeVideo}, {Key: "off", Type: job.TypeImage}, {Key: "cut", Type: job.TypeStream},
	})
	begin := []job.Event{
		{Kind: job.JobStartedEvent},
		{Kind: job.InputProbedEvent, Metadata: []byte(`{}`)},
		{Kind: job.InputTransferredEvent},
		{Kind: job.OutputCompletedEvent, Output: "done", Result: job.Result{URL: "u"}},
		{Kind: job.OutputFailedEvent, Output: "bad", Error: "no"},
		{Kind: job.OutputSkippedEvent, Output: "off"},
	}
	stages := func(s job.State) (out []job.Stage) {
		for _, o := range s.Outputs {
			out = append(out, o.Stage)
		}
		return out
	}
	tests := []struct {
		name     string
		events   []job.Event
		retried  bool
		stages   []job.Stage
		metadata string
	}{
		{"not begun", nil, false, []job.Stage{job.Waiting, job.Waiting, job.Waiting, job.Waiting}, ""},
		{"not finished", begin, false, []job.Stage{job.Done, job.Failed, job.Skipped, job.Waiting}, "{}"},
		{"cancelled", append(begin[:6:6], job.Event{Kind: job.JobCancelledEvent}), true,
			[]job.Stage{job.Done, job.Waiting, job.Skipped, job.Waiting}, "{}"},
		{"one failed", append(begin[:6:6], job.Event{Kind: job.OutputCompletedEvent, Output: "cut"}), true,
			[]job.Stage{job.Done, job.Waiting, job.Skipped, job.Done}, "{}"},
		{"input failed after the probe", append(begin[:4:4], job.Event{Kind: job.InputFailedEvent, Error: "gone"}), true,
			[]job.Stage{job.Done, job.Waiting, job.Waiting, job.Waiting}, ""},
		{"input never probed", []job.Event{{Kind: job.JobStartedEvent}, {Kind: job.InputFailedEvent, Error: "404"}}, true,
			[]job.Stage{job.Waiting, job.Waiting, job.Waiting, job.Waiting}, ""},
		{"all done or skipped", []job.Event{
			{Kind: job.OutputCompletedEvent, Output: "done"}, {Kind: job.OutputCompletedEvent, Output: "bad"},
			{Kind: job.OutputSkippedEvent, Output: "off"}, {Kind: job.OutputCompletedEvent, Output: "cut"},
		}, false, []job.Stage{job.Done, job.Done, job.Skipped, job.Done}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := accepted
			s.Outputs = append([]job.OutputState(nil), accepted.Outputs...)
			apply := func(e job.Event) []job.Event {
				t.Helper()
				e.At = start
				happened, err := s.Apply(e)
				if err != nil {
					t.Fatal(err)
				}
				return happened
			}
			for _, e := range tt.events {
				apply(e)
			}
			before, kept := s, s.Outputs[0].Stage == job.Done
			happened := apply(job.Event{Kind: job.JobRetriedEvent})
			if got := len(happened) == 1 && happened[0].Kind == job.JobRetriedEvent; got != tt.retried {
				t.Fatalf("retried %t, want %t", got, tt.retried)
			}
			if d := cmp.Diff(tt.stages, stages(s)); d != "" {
				t.Error(d)
			}
			if string(s.Input.Metadata) != tt.metadata {
				t.Errorf("metadata %q", s.Input.Metadata)
			}
			if !tt.retried {
				if s.Status != before.Status || s.CompletedAt != before.CompletedAt {
					t.Errorf("changed to %+v", s)
				}
				return
			}
			if s.Status != job.JobStarting || s.Error != "" || !s.CompletedAt.IsZero() || s.Input.Status != job.InputStarting || s.Input.Error != "" {
				t.Errorf("put back to %+v", s)
			}
			for _, o := range s.Outputs {
				if o.Stage == job.Waiting && (o.Error != "" || o.Progress != 0) {
					t.Errorf("output %+v", o)
				}
			}
			// It runs through again, and ends once.
			if apply(job.Event{Kind: job.JobStartedEvent}) == nil || apply(job.Event{Kind: job.InputTransferredEvent}) == nil {
				t.Error("it does not start again")
			}
			var ends int
			for _, o := range s.Outputs {
				for _, e := range apply(job.Event{Kind: job.OutputCompletedEvent, Output: o.Key, Result: job.Result{URL: "new"}}) {
					if e.Kind == job.JobCompletedEvent {
						ends++
					}
				}
			}
			if ends != 1 || s.Status != job.JobCompleted {
				t.Errorf("%d ends, %s", ends, s.Status)
			}
			if o := s.Output("done"); kept && o.Result.URL != "u" {
				t.Error("what was done was replaced")
			}
		})
	}
}
