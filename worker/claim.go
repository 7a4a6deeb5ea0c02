package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/lease"
)

// claimed is the first phase of a run: this process holds the job's lease.
type claimed struct {
	w          *Worker
	log        *slog.Logger // with the job
	lease      *lease.Lease
	spec       *job.Spec
	acceptedAt time.Time
	last       bool // no attempt follows when this one fails
}

// claim claims a job and decodes its request. It returns nil without an error when
// there is nothing to do.
func (w *Worker) claim(ctx context.Context, id string, riverID int64, attempt, attempts int) (*claimed, error) {
	l, loaded, err := w.claimer.Claim(ctx, id, riverID, attempt)
	if err != nil || l == nil {
		return nil, err
	}
	spec, err := coconut.DecodeJob(loaded.Request)
	if err != nil {
		// The request was decoded when it was accepted, so this takes a change of
		// version.
		return nil, river.JobCancel(fmt.Errorf("decode stored request of job %s: %w", id, err))
	}
	if err := l.Record(ctx, job.Event{Kind: job.JobStartedEvent}); err != nil {
		return nil, l.IgnoreLost(err)
	}
	return &claimed{w: w, log: w.log.With("job", id), lease: l, spec: spec, acceptedAt: loaded.AcceptedAt, last: attempt >= attempts}, nil
}

// folder makes the folder for the run's work files.
func (c *claimed) folder() (dir string, remove func(), err error) {
	return c.w.workdir.Create(c.lease.JobID(), c.lease.Fence())
}

// finished reports whether the job has ended.
func (c *claimed) finished() bool {
	s := c.lease.State()
	return s.Finished()
}

// endInput ends a run that could not read its input. An error that another attempt
// cannot change, or the last attempt, fails the job. Otherwise the error is returned
// and River tries again.
func (c *claimed) endInput(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, job.ErrLeaseLost) {
		return c.lease.IgnoreLost(err)
	}
	if ctx.Err() != nil {
		return c.lease.IgnoreLost(context.Cause(ctx)) // says nothing about the input
	}
	if !c.last && !job.IsPermanent(err) {
		return err
	}
	e := inputFailure(err)
	c.log.Warn("input failed", "reason", e.Reason, "error", err)
	return c.lease.IgnoreLost(c.record(ctx, job.Event{Kind: job.InputFailedEvent, Error: e.Message, Reason: e.Reason}))
}

// failOutput records that an output has failed.
func (c *claimed) failOutput(ctx context.Context, key string, err error) error {
	return c.record(ctx, outputFailed(key, outputFailure(err)))
}

// record records events and counts the failures among them.
func (c *claimed) record(ctx context.Context, events ...job.Event) error {
	if err := c.lease.Record(ctx, events...); err != nil {
		return err
	}
	c.w.metrics.failed(events)
	return nil
}
