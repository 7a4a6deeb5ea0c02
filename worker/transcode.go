package worker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

type transcodeWorker struct {
	river.WorkerDefaults[queue.TranscodeArgs]
	w *Worker
}

// Timeout lifts River's default of a minute. An encode may take hours; what no
// longer advances is ended by the watchdog of the ffmpeg package, and what
// died with its process is found by the reaper.
func (t *transcodeWorker) Timeout(*river.Job[queue.TranscodeArgs]) time.Duration { return -1 }

// NextRetry tries again soon: what brings a transcode here is a passing fault
// of this system, since trouble of the job's own has ended its output.
func (t *transcodeWorker) NextRetry(j *river.Job[queue.TranscodeArgs]) time.Time {
	return time.Now().Add(time.Duration(j.Attempt*j.Attempt) * 2 * time.Second)
}

// Work fetches the input, then plans, runs and publishes what is not done yet.
func (t *transcodeWorker) Work(ctx context.Context, j *river.Job[queue.TranscodeArgs]) error {
	w := t.w
	ctx, done := w.heart.work(ctx)
	defer done(nil)
	if wait, err := w.Store.AcquireRunSlot(ctx, j.Args.JobID, j.ID); err != nil {
		return err
	} else if wait > 0 {
		w.Log.Debug("job waits for others of its key", "job", j.Args.JobID)
		return river.JobSnooze(wait)
	}
	r, err := w.begin(ctx, j.Args.JobID, j.ID, j.Attempt)
	if err != nil || r == nil {
		return err
	}
	defer r.hold(ctx, done)()
	start := time.Now()
	last := j.Attempt >= j.MaxAttempts
	if s := r.spec.Settings.MaxDuration; s > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, r.rec.AcceptedAt.Add(time.Duration(s)*time.Second), errTooLong)
		defer cancel()
	}
	r.last = last
	defer r.seat.leave()
	err = r.transcode(ctx, done, last)
	switch {
	case errors.Is(err, errNoRoom):
		return river.JobSnooze(roomWait)
	case err == nil:
		w.Metrics.jobDone(r.rec.State, time.Since(start))
		return nil
	case errors.Is(err, job.ErrLeaseLost):
		return r.lost(err)
	case errors.Is(err, errTooLong):
		return r.giveUp(context.WithoutCancel(ctx), fmt.Sprintf("The job did not end within its max_duration of %d seconds.", r.spec.Settings.MaxDuration))
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx)) // River hands it back
	case last:
		w.Log.Error("giving up a job", "job", r.id, "attempt", j.Attempt, "error", err)
		return r.giveUp(ctx, sentence(err, "The output could not be made because of an internal error."))
	default:
		return err
	}
}

var errTooLong = errors.New("the job ran longer than its max_duration")

// giveUp fails every output that has not ended, and so the job.
func (r *run) giveUp(ctx context.Context, sentence string) error {
	var events []job.Event
	for _, o := range r.rec.State.Outputs {
		if !o.Stage.Final() {
			r.withdraw(ctx, o.Key)
			events = append(events, job.Event{Kind: job.OutputFailedEvent, Output: o.Key, Error: sentence})
		}
	}
	return r.lost(r.record(ctx, events...))
}

// transcode is the whole of a run. stop ends the run's context with a cause,
// for what is found out on the side.
func (r *run) transcode(ctx context.Context, stop context.CancelCauseFunc, last bool) error {
	media, err := job.ParseMedia(r.rec.State.Input.Metadata)
	if err != nil {
		return job.Permanent(fmt.Errorf("read stored metadata of job %s: %w", r.id, err))
	}
	outputs, err := r.resolve(ctx, media)
	if err != nil || r.rec.State.Finished() {
		return err
	}
	if !r.room(media, transcode.Build(outputs, media, r.w.planOptions()).Space) {
		return errNoRoom
	}
	defer r.leaveRoom()
	if err := r.checkStorage(ctx, outputs); err != nil || r.rec.State.Finished() {
		return err
	}
	src, err := r.w.Opener.Source(ctx, r.spec.Input)
	if err != nil {
		return r.endInput(ctx, fmt.Errorf("open input: %w", err), last)
	}
	start := time.Now()
	path, remove, err := r.fetch(ctx, src, nil)
	if err != nil {
		return r.endInput(ctx, fmt.Errorf("fetch input: %w", err), last)
	}
	defer remove()
	r.w.Log.Debug("input fetched", "job", r.id, "took", time.Since(start))
	if err := r.record(ctx, job.Event{Kind: job.InputTransferredEvent}); err != nil {
		return err
	}

	dir := filepath.Dir(path)
	r.folder = dir
	r.parts = r.openParts(ctx, dir)
	defer func() { r.parts.end(ctx, r.rec.State) }()
	plan, err := r.plan(ctx, dir, outputs, media, r.w.planOptions())
	if err != nil {
		return err
	}
	release, err := r.takeSlots(ctx, plan)
	if err != nil {
		return err
	}
	failed, err := r.carryOut(ctx, stop, dir, outputs, plan, release)
	if err != nil {
		return err
	}
	if len(failed) == 0 {
		return nil
	}
	// A step that several outputs shared has failed. Each of them gets another
	// chance alone, so that the culprit does not take the others with it.
	r.w.Log.Warn("shared step failed, planning each output on its own", "job", r.id, "outputs", len(failed))
	r.w.Metrics.fallback("isolate")
	alone := make([]*job.Output, len(outputs))
	for _, i := range failed {
		alone[i] = outputs[i]
	}
	clearScratch(dir, plan, r.parts.stays)
	opts := r.w.planOptions()
	opts.Isolate = true
	if plan, err = r.plan(ctx, dir, alone, media, opts); err != nil {
		return err
	}
	if release, err = r.takeSlots(ctx, plan); err != nil {
		return err
	}
	_, err = r.carryOut(ctx, stop, dir, alone, plan, release)
	return err
}

// resolve evaluates conditions and expressions. The outputs that are to be
// made stand at their index, the others are nil; what is skipped or cannot be
// resolved is recorded.
func (r *run) resolve(ctx context.Context, media job.Media) ([]*job.Output, error) {
	vars := coconut.Vars(media)
	outputs := make([]*job.Output, len(r.spec.Outputs))
	var events []job.Event
	fail := func(key string, err error) {
		r.w.Log.Warn("output cannot be resolved", "job", r.id, "output", key, "error", err)
		events = append(events, job.Event{Kind: job.OutputFailedEvent, Output: key,
			Error: sentence(err, "The parameters of the output could not be evaluated.")})
	}
	for i, req := range r.spec.Outputs {
		if o := r.rec.State.Output(req.Key); o == nil || o.Stage.Final() {
			continue // done by an earlier run
		}
		wanted, err := coconut.EvalCondition(req, vars)
		if err != nil {
			fail(req.Key, err)
			continue
		}
		if !wanted {
			events = append(events, job.Event{Kind: job.OutputSkippedEvent, Output: req.Key})
			continue
		}
		if outputs[i], err = coconut.ResolveOutput(req, vars); err != nil {
			fail(req.Key, err)
			outputs[i] = nil
		}
	}
	for i, o := range outputs {
		if o != nil {
			events = append(events, job.Event{Kind: job.OutputStageEvent, Output: r.spec.Outputs[i].Key, Stage: job.Queued})
		}
	}
	if len(events) == 0 {
		return outputs, nil
	}
	return outputs, r.record(ctx, events...)
}
