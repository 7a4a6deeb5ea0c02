package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/lease"
)

func TestFailure(t *testing.T) {
	away := &storage.Unavailable{Message: "The storage could not be reached.", Cause: errors.New("dial 10.0.0.1")}
	tests := []struct {
		err    error
		reason job.Reason
		says   string
	}{
		{errors.New("inside"), job.InternalError, "The output could not be made because of an internal error."},
		{fmt.Errorf("publish: %w", away), job.StorageUnavailable, "The storage could not be reached."},
		{fmt.Errorf("publish: %w", job.Errorf(job.StorageRefused, "The bucket is locked.")), job.StorageRefused, "The bucket is locked."},
		{job.Errorf(job.InputNotReadable, "The input broke off.").WithCause(away), job.InputNotReadable, "The input broke off."},
		{fmt.Errorf("write playlist: %w", &os.PathError{Op: "write", Err: syscall.ENOSPC}), job.ServerDiskFull, "The server ran out of disk space."},
	}
	for _, tt := range tests {
		if got := outputFailure(tt.err); got.Reason != tt.reason || got.Message != tt.says {
			t.Errorf("%v: %s %q, want %s %q", tt.err, got.Reason, got.Message, tt.reason, tt.says)
		}
	}
	if e := inputFailure(away); e.Reason != job.InputNotReadable || e.Message != away.Message {
		t.Errorf("an input: %s %q", e.Reason, e.Message)
	}
	observed.Row(t, "errors.md internal_error")
	observed.Row(t, "errors.md storage_unavailable")
}

func TestRequeue(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("fetch: %w", job.Errorf(job.ServerDiskFull, "No room.")): true,
		fmt.Errorf("lay out stream: %w", syscall.ENOSPC):                    true,
		job.NewError(job.ServerOutOfMemory):                                 true,
		&ffmpeg.RunError{Tail: "Cannot allocate memory"}:                    true,
		&ffmpeg.RunError{Tail: "moov atom not found"}:                       false,
		&storage.Unavailable{Message: "It does not answer."}:                false, // it has had its time
		job.Errorf(job.StorageRefused, "The bucket is locked."):             false,
		errors.New("inside"):                                                false,
	} {
		if requeue(err) != want {
			t.Errorf("%v: want %v", err, want)
		}
	}
}

func TestCacheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		status job.Status
		cause  error
		want   artifacts.End
	}{
		"complete":          {status: job.JobCompleted, want: artifacts.Completed},
		"failed":            {status: job.JobFailed, want: artifacts.Failed},
		"to be tried again": {status: job.JobProcessing, cause: syscall.ENOSPC, want: artifacts.Failed},
		"no database":       {status: job.JobProcessing, cause: fmt.Errorf("record: %w", lease.ErrDatabase), want: artifacts.Failed},
		"shutdown":          {status: job.JobProcessing, cause: errors.New("stop initiated"), want: artifacts.Stopped},
		"lost":              {status: job.JobProcessing, cause: job.ErrLeaseLost, want: artifacts.Abandoned},
		"cancelled":         {status: job.JobProcessing, cause: river.ErrJobCancelledRemotely, want: artifacts.Abandoned},
	} {
		if got := cacheEnd(tt.cause, tt.status); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// recorder is a database that records everything.
type recorder struct{ lease.Store }

func (recorder) Claim(context.Context, string, int64, int, string) (int64, error) { return 1, nil }
func (recorder) Load(context.Context, string) (job.LoadedJob, error)              { return job.LoadedJob{}, nil }
func (recorder) Record(context.Context, string, int64, ...job.Event) (job.State, error) {
	return job.State{}, nil
}

// TestFailuresAreCounted: each failure that is recorded is counted by its
// reason, and nothing else is.
func TestFailuresAreCounted(t *testing.T) {
	l, _, err := lease.NewClaimer(recorder{}, "node", slog.New(slog.DiscardHandler)).Claim(t.Context(), "a", 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	c := &claimed{w: &Worker{metrics: NewMetrics(registry)}, log: slog.New(slog.DiscardHandler), lease: l, last: true}
	for _, err := range []error{
		c.record(t.Context(), job.Event{Kind: job.JobStartedEvent}),
		c.record(t.Context(), outputFailed("a", job.Errorf(job.MaxDurationExceeded, "Too long.")), job.Event{Kind: job.OutputCompletedEvent, Output: "b"}),
		c.failOutput(t.Context(), "c", errors.New("inside")),
		c.failOutput(t.Context(), "d", job.NewError(job.EncodingStalled)),
		c.record(t.Context(), job.Event{Kind: job.OutputFailedEvent, Output: "e", Error: "Without a reason."}),
		c.endInput(t.Context(), &storage.Unavailable{Message: "It broke off."}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.w.metrics.reaped(job.Reaped{Requeued: 1, Failed: []job.Event{outputFailed("f", job.Errorf(job.WorkerLost, "Its worker died."))}})
	want := `
# HELP copra_worker_failures_total Inputs and outputs that failed, by error code and whose fault it is.
# TYPE copra_worker_failures_total counter
copra_worker_failures_total{code="encoding_stalled",fault="server"} 1
copra_worker_failures_total{code="input_not_readable",fault="storage"} 1
copra_worker_failures_total{code="internal_error",fault="server"} 2
copra_worker_failures_total{code="max_duration_exceeded",fault="customer"} 1
copra_worker_failures_total{code="worker_lost",fault="server"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "copra_worker_failures_total"); err != nil {
		t.Error(err)
	}
}
