package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/lease"
)

// claimed is the first phase of a run: this process holds the job's lease.
type claimed struct {
	w          *Worker
	log        *slog.Logger
	span       *telemetry.Span // of this attempt
	lease      *lease.Lease
	spec       *job.Spec
	acceptedAt time.Time
	attempt    int  // from 1
	last       bool // no attempt follows when this one fails
}

// attempt is one attempt at a River job of a job.
type attempt struct {
	kind    string // of the River job
	jobID   string
	riverID int64
	n, most int // this one, from 1, and the last
}

// in returns a context that names the job and the attempt.
func (a attempt) in(ctx context.Context) context.Context {
	return telemetry.With(ctx, slog.String("job", a.jobID), slog.Int("attempt", a.n))
}

// claim claims a job and decodes its request. It returns nil without an error when
// there is nothing to do. The context that it returns names the key too, and has the span of the
// attempt, which finish ends.
func (w *Worker) claim(ctx context.Context, a attempt) (context.Context, *claimed, error) {
	l, loaded, err := w.claimer.Claim(ctx, a.jobID, a.riverID, a.n)
	if err != nil || l == nil {
		return ctx, nil, err
	}
	ctx = telemetry.With(ctx, slog.String("key", loaded.KeyName))
	ctx, span := w.tracer.Begin(ctx, loaded.Traceparent, telemetry.Consumer, a.kind)
	c, err := w.start(ctx, a, l, loaded)
	if c == nil {
		span.End(err)
		return ctx, nil, err
	}
	c.span = span
	return ctx, c, nil
}

// start decodes the request of a job that was claimed, and records that a run begins.
func (w *Worker) start(ctx context.Context, a attempt, l *lease.Lease, loaded job.LoadedJob) (*claimed, error) {
	spec, err := coconut.DecodeJob(loaded.Request)
	if err != nil {
		// The request was decoded when it was accepted, so this takes a change of
		// version.
		return nil, river.JobCancel(fmt.Errorf("decode stored request of job %s: %w", a.jobID, err))
	}
	if err := l.Record(ctx, job.Event{Kind: job.JobStartedEvent}); err != nil {
		return nil, l.IgnoreLost(ctx, err)
	}
	return &claimed{w: w, log: w.log, lease: l, spec: spec, acceptedAt: loaded.AcceptedAt, attempt: a.n, last: a.n >= a.most}, nil
}

// finish ends the span of an attempt with what Work returns. What waits for a place is
// no failure.
func (c *claimed) finish(err error) {
	c.span.Set(slog.String("status", string(c.lease.State().Status)))
	if _, snoozed := errors.AsType[*river.JobSnoozeError](err); snoozed {
		err = nil
		c.span.Set(slog.Bool("waits", true))
	}
	c.span.End(err)
}

// folder makes the folder for the run's work files.
func (c *claimed) folder(ctx context.Context) (dir string, remove func(), err error) {
	return c.w.workdir.Create(ctx, c.lease.JobID(), c.lease.Fence())
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
		return c.lease.IgnoreLost(ctx, err)
	}
	if ctx.Err() != nil {
		return c.lease.IgnoreLost(ctx, context.Cause(ctx)) // says nothing about the input
	}
	if !c.last && !job.IsPermanent(err) {
		return err
	}
	e := inputFailure(err)
	c.log.WarnContext(ctx, "input failed", "reason", e.Reason, "error", err)
	return c.lease.IgnoreLost(ctx, c.record(ctx, job.Event{Kind: job.InputFailedEvent, Error: e.Message, Reason: e.Reason}))
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
