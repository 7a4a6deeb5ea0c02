package worker

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/lease"
)

func TestCustomerMessage(t *testing.T) {
	const fallback = "Something else."
	away := &storage.Unavailable{Message: "The storage could not be reached.", Cause: errors.New("dial 10.0.0.1")}
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("inside"), fallback},
		{fmt.Errorf("publish: %w", away), "The storage could not be reached."},
		{fmt.Errorf("publish: %w", job.Errorf("", "The bucket is locked.")), "The bucket is locked."},
		{job.Errorf("", "The input broke off.").WithCause(away), "The input broke off."},
		{fmt.Errorf("write playlist: %w", &os.PathError{Op: "write", Err: syscall.ENOSPC}), "The server ran out of disk space."},
	}
	for _, tt := range tests {
		if got := customerMessage(tt.err, fallback); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestDiskFull(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("fetch: %w", job.Errorf(storage.CodeDiskFull, "No room.")): true,
		fmt.Errorf("lay out stream: %w", syscall.ENOSPC):                      true,
		job.Errorf("", "The bucket is locked."):                               false,
		errors.New("inside"):                                                  false,
	} {
		if diskFull(err) != want {
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
