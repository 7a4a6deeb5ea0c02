package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/lease"
)

// claimed is the first phase of a run: this process has the job.
type claimed struct {
	w          *Worker
	lease      *lease.Lease
	spec       *job.Spec
	acceptedAt time.Time
	last       bool // there will be no other run after this one fails
}

// claim claims and loads a job. It returns nil without error when there is
// nothing left to do.
func (w *Worker) claim(ctx context.Context, id string, riverID int64, attempt, attempts int) (*claimed, error) {
	l, loaded, err := w.claimer.Claim(ctx, id, riverID, attempt)
	if err != nil || l == nil {
		return nil, err
	}
	spec, err := coconut.DecodeJob(loaded.Request)
	if err != nil {
		// The request passed this very check when it was accepted; only a
		// change of version can bring this about.
		return nil, river.JobCancel(fmt.Errorf("decode stored request of job %s: %w", id, err))
	}
	if err := l.Record(ctx, job.Event{Kind: job.JobStartedEvent}); err != nil {
		return nil, l.IgnoreLost(err)
	}
	return &claimed{w: w, lease: l, spec: spec, acceptedAt: loaded.AcceptedAt, last: attempt >= attempts}, nil
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

// endInput ends a run whose trouble is the input's: what the customer can be
// told ends the job, the rest is tried again while attempts last.
func (c *claimed) endInput(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, job.ErrLeaseLost) {
		return c.lease.IgnoreLost(err)
	}
	if ctx.Err() != nil {
		return c.lease.IgnoreLost(context.Cause(ctx)) // stopped from outside: no verdict on the input
	}
	if !c.last && !job.IsPermanent(err) {
		return err
	}
	e := inputFailure(err)
	c.w.log.Warn("input failed", "job", c.lease.JobID(), "reason", e.Reason, "error", err)
	return c.lease.IgnoreLost(c.record(ctx, job.Event{Kind: job.InputFailedEvent, Error: e.Message, Reason: e.Reason}))
}

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
