package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/webhook/hostlimit"
)

// retryDelays are the delays between the eight attempts of a delivery, about
// 24 h in all (coconut-v2.md section 12).
var retryDelays = [queue.NotifyAttempts - 1]time.Duration{
	5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// Timeout bounds Work. Most of it is for the time in the queue of a host and
// for a slow database.
func (w *Worker) Timeout(*river.Job[queue.NotifyArgs]) time.Duration { return 6 * sendTimeout }

// NextRetry follows retryDelays.
func (w *Worker) NextRetry(j *river.Job[queue.NotifyArgs]) time.Time {
	i := min(max(j.Attempt, 1), len(retryDelays)) - 1
	return time.Now().Add(retryDelays[i])
}

// Work makes one attempt to deliver a webhook. River retries it when it returns
// an error, except for one of JobCancel, and not before the delay of JobSnooze.
func (w *Worker) Work(ctx context.Context, j *river.Job[queue.NotifyArgs]) error {
	d, err := w.load(ctx, j.Args.DeliveryID)
	if err != nil {
		return w.loadFailed(ctx, j, err)
	}
	if d.Done && !j.Args.Replay {
		return nil
	}
	ctx = telemetry.With(ctx, slog.String("job", d.JobID), slog.String("key", d.KeyName), slog.Int("attempt", j.Attempt),
		slog.String("event", string(d.Event)), slog.Bool("replay", j.Args.Replay))
	permit, err := w.hosts.Acquire(ctx, hostOf(d.Notification))
	if deferral, ok := errors.AsType[*hostlimit.Deferral](err); ok {
		return w.postpone(ctx, j.ID, deferral)
	}
	if err != nil {
		return err
	}
	ctx, span := w.c.Tracer.Begin(ctx, d.Traceparent, telemetry.Consumer, "webhook")
	a, err := w.attempt(ctx, d)
	span.Set(slog.Int("http.response.status_code", a.Status))
	span.End(err)
	permit.Release(a.Status != 0)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // the process is stopping, so this attempt does not count
	}
	return w.finishAttempt(ctx, j, d, a, err)
}

// loadFailed decides what follows from a delivery that could not be loaded.
func (w *Worker) loadFailed(ctx context.Context, j *river.Job[queue.NotifyArgs], err error) error {
	if errors.Is(err, job.ErrNotFound) {
		return river.JobCancel(err)
	}
	if j.Attempt >= j.MaxAttempts && !j.Args.Replay {
		err = errors.Join(err, w.c.Store.MarkGivenUp(ctx, j.Args.DeliveryID))
	}
	return fmt.Errorf("load delivery: %w", err)
}

// postpone returns the delivery to the queue. This does not use up an attempt.
func (w *Worker) postpone(ctx context.Context, riverID int64, d *hostlimit.Deferral) error {
	if d.Unresponsive {
		if err := w.c.Store.Deprioritize(ctx, riverID); err != nil {
			return err
		}
	}
	return river.JobSnooze(d.Delay)
}

// attempt sends the delivery. A stop of the process leaves it a moment to end,
// since a receiver that is cut off gets the same event again later.
func (w *Worker) attempt(ctx context.Context, d job.Delivery) (job.DeliveryAttempt, error) {
	ctx, cancel := withGrace(ctx, shutdownGrace)
	defer cancel()
	a := job.DeliveryAttempt{At: time.Now()}
	var err error
	a.Status, err = w.send(ctx, d, a.At)
	a.Duration = time.Since(a.At)
	return a, err
}

// finishAttempt saves an attempt that ended with sendErr, and returns what River is
// to do. A delivery is given up after the last attempt; a replay is one attempt
// outside of the schedule and gives nothing up.
func (w *Worker) finishAttempt(ctx context.Context, j *river.Job[queue.NotifyArgs], d job.Delivery, a job.DeliveryAttempt, sendErr error) error {
	// The receiver has answered, so the attempt is saved even while the process stops.
	ctx, cancel := withGrace(ctx, shutdownGrace)
	defer cancel()
	last := j.Args.Replay || j.Attempt > len(retryDelays)
	if sendErr != nil {
		a.Error = sendErr.Error()
		if !last {
			a.Next = w.NextRetry(j)
		}
	}
	w.c.Metrics.attempted(d.Event, a, sendErr == nil)
	if err := w.save(ctx, d.ID, a); err != nil {
		return fmt.Errorf("save delivery attempt: %w", err)
	}
	if sendErr == nil {
		return nil
	}
	w.c.Log.WarnContext(ctx, "webhook not delivered", "status", a.Status, "error", sendErr)
	if !last {
		return sendErr
	}
	if !j.Args.Replay {
		if err := w.c.Store.MarkGivenUp(ctx, d.ID); err != nil {
			return fmt.Errorf("give delivery up: %w", err)
		}
	}
	return river.JobCancel(sendErr)
}

func (w *Worker) load(ctx context.Context, id int64) (job.Delivery, error) {
	if err := w.dbCalls.Acquire(ctx, 1); err != nil {
		return job.Delivery{}, context.Cause(ctx)
	}
	defer w.dbCalls.Release(1)
	return w.c.Store.LoadDelivery(ctx, id)
}

func (w *Worker) save(ctx context.Context, id int64, a job.DeliveryAttempt) error {
	if err := w.dbCalls.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer w.dbCalls.Release(1)
	return w.c.Store.SaveAttempt(ctx, id, a)
}
