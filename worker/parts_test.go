package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/artifacts"
)

// The end of a run waits for a slow store as long as that helps somebody, and
// no longer.
func TestPartsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		status job.Status
		cause  error // of the end of the run's context; nil: it has not ended
		want   time.Duration
	}{
		"complete":          {status: job.JobCompleted},
		"failed":            {status: job.JobFailed, want: keepAfterFailure},
		"to be tried again": {status: job.JobProcessing, cause: syscall.ENOSPC, want: keepAfterFailure},
		"shutdown":          {status: job.JobProcessing, cause: errors.New("stop initiated"), want: keepAfterStop},
		"silent":            {status: job.JobProcessing, cause: errSilent, want: keepAfterStop},
		"lost":              {status: job.JobProcessing, cause: job.ErrLeaseLost},
		"cancelled":         {status: job.JobProcessing, cause: river.ErrJobCancelledRemotely},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := artifacts.Open(t.Context(), artifacts.Options{Address: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				p := &parts{store: store, job: resumedJob, root: root, log: slog.New(slog.DiscardHandler)}
				p.ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
				p.keeping.Go(func() { <-p.ctx.Done() })
				if tt.cause != nil {
					stop(tt.cause)
				}
				begin := time.Now()
				p.end(ctx, job.State{Status: tt.status})
				if took := time.Since(begin); took != tt.want {
					t.Errorf("it took %s, want %s", took, tt.want)
				}
			})
		})
	}
}
