package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/publish"
)

type transcodeWorker struct {
	river.WorkerDefaults[queue.TranscodeArgs]
	w *Worker
}

// Timeout lifts River's default of a minute, since an encode may take hours. The
// watchdog of package ffmpeg ends a run that makes no progress, and the heartbeat
// finds the work of a process that died.
func (t *transcodeWorker) Timeout(*river.Job[queue.TranscodeArgs]) time.Duration { return -1 }

// NextRetry implements river.Worker. The next attempt is soon: a fault of the job has
// failed its output, so an error of Work is a fault of this system that may pass.
func (t *transcodeWorker) NextRetry(j *river.Job[queue.TranscodeArgs]) time.Time {
	return time.Now().Add(time.Duration(j.Attempt*j.Attempt) * 2 * time.Second)
}

// Work fetches the input, and makes and publishes the outputs that are not done yet.
// A lost lease is no error. Every other error makes River try again, if attempts are
// left.
func (t *transcodeWorker) Work(ctx context.Context, j *river.Job[queue.TranscodeArgs]) (err error) {
	w := t.w
	a := attempt{j.Kind, j.Args.JobID, j.ID, j.Attempt, j.MaxAttempts}
	ctx, stop := w.heartbeat.Track(a.in(ctx))
	defer stop(nil)
	if wait, err := w.runSlots.AcquireRunSlot(ctx, j.Args.JobID, j.ID); err != nil {
		return err
	} else if wait > 0 {
		w.log.DebugContext(ctx, "waiting for run slot")
		return river.JobSnooze(wait)
	}
	ctx, c, err := w.claim(ctx, a)
	if err != nil || c == nil {
		return err
	}
	defer func() { c.finish(err) }()
	defer c.lease.KeepRenewing(ctx, stop)()
	start := time.Now()
	if s := c.spec.Settings.MaxDuration; s > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, c.acceptedAt.Add(time.Duration(s)*time.Second), errTooLong)
		defer cancel()
	}
	r := c.startTranscode(stop, w.slotOf(j.Queue))
	defer r.slot.Release()
	err = r.transcode(ctx)
	switch {
	case errors.Is(err, errNoDiskSpace):
		return river.JobSnooze(diskWait)
	case err == nil:
		w.metrics.jobDone(c.lease.State(), time.Since(start))
		return nil
	case errors.Is(err, job.ErrLeaseLost):
		return c.lease.IgnoreLost(ctx, err)
	case errors.As(err, new(*inputError)):
		return r.failInput(context.WithoutCancel(ctx), err)
	case errors.Is(err, errTooLong):
		return r.failRemaining(context.WithoutCancel(ctx), job.Errorf(job.MaxDurationExceeded, "The job did not end within its max_duration of %d seconds.", c.spec.Settings.MaxDuration))
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx)) // River hands it back
	case c.last:
		e := outputFailure(err)
		c.log.ErrorContext(ctx, "attempts exhausted", "reason", e.Reason, "error", err)
		return r.failRemaining(ctx, e)
	default:
		return err
	}
}

var (
	errTooLong     = errors.New("the job ran longer than its max_duration")
	errNoDiskSpace = errors.New("too little disk space in the work directory")
)

// diskWait is how long a job waits for disk space until the next attempt.
const diskWait = 15 * time.Second

// transcoding is a claimed job whose outputs this run makes.
type transcoding struct {
	*claimed
	stop    context.CancelCauseFunc // ends the run's context, for errors that goroutines find
	slot    *admission.SlotLease
	publish *publish.Session
}

// slotOf returns the slot of a job of a queue. Those of a queue for a card are fetched for free
// CPU slots, so what they yield makes no room in the queue Transcode.
func (w *Worker) slotOf(riverQueue string) *admission.SlotLease {
	if slices.Contains(queue.Cards(), riverQueue) {
		return (&admission.Yielded{}).Lease()
	}
	return w.yielded.Lease()
}

func (c *claimed) startTranscode(stop context.CancelCauseFunc, slot *admission.SlotLease) *transcoding {
	target := publish.Target{Storage: c.spec.Storage, Created: c.acceptedAt}
	return &transcoding{claimed: c, stop: stop, slot: slot, publish: c.w.publisher.Open(c.lease, target, slot.WaitForOthers)}
}

// failRemaining records that every output that is not done has failed, which ends
// the job. Streams are rolled back first.
func (r *transcoding) failRemaining(ctx context.Context, e *job.Error) error {
	var events []job.Event
	for _, o := range r.lease.State().Outputs {
		if !o.Stage.Final() {
			r.publish.Rollback(ctx, o.Key)
			events = append(events, outputFailed(o.Key, e))
		}
	}
	return r.lease.IgnoreLost(ctx, r.record(ctx, events...))
}

// transcode is the whole of a run, phase by phase. Where the probe could only
// estimate how long the input is, it is fetched and measured before the outputs
// are resolved, and so is one that is made of other files, since conditions, expressions and the disk space depend on it.
// Else nothing is fetched that no output needs, and encodes begin while it arrives.
func (r *transcoding) transcode(ctx context.Context) error {
	media, err := job.ParseMedia(r.lease.State().Input.Metadata)
	if err != nil {
		return job.Permanent(fmt.Errorf("read stored metadata of job %s: %w", r.lease.JobID(), err))
	}
	if media.Estimated() || r.spec.Input.Joined() || media.Recording != "" {
		return r.measureFirst(ctx, media)
	}
	resolved, err := r.resolve(ctx, media)
	if err != nil || r.finished() {
		return err
	}
	space, ok := resolved.reserveDisk(ctx)
	if !ok {
		return errNoDiskSpace
	}
	defer space.Release()
	if err := resolved.checkStorage(ctx); err != nil || r.finished() {
		return err
	}
	local, err := r.open(ctx, media)
	if err != nil {
		return r.endInput(ctx, err)
	}
	defer local.close(ctx)
	next := &fetched{resolved: resolved, localInput: local}
	if next.fetchFirst() {
		if ended, err := next.fetchBefore(ctx); ended || err != nil {
			return err
		}
	}
	return next.makeOutputs(ctx, space)
}

// fetchBefore fetches the whole input before the plan is made, and measures it where that
// has to be. ended reports whether the input has ended the job.
func (f *fetched) fetchBefore(ctx context.Context) (ended bool, err error) {
	if err := f.fetch(ctx); err != nil {
		return true, f.endInput(ctx, err)
	}
	if f.needsTimeline() {
		if err := f.measure(ctx, &f.media); err != nil {
			return false, err
		}
		if e := unusable(f.media); e != nil {
			return true, f.endInput(ctx, e)
		}
	}
	return false, f.lease.Record(ctx, job.Event{Kind: job.InputTransferredEvent})
}

// unusable says why no output can be made of an input that was measured; nil: some
// can.
func unusable(m job.Media) *job.Error {
	switch {
	case len(m.Video)+len(m.Audio) == 0:
		return job.Errorf(job.InputNotValid, "The input declares video or audio but holds none.")
	case m.Cut > 0:
		return job.InputErrorf(job.InputDamaged, "is not complete: it ends after %.1f s where its header says %.1f s", m.Cut, m.Duration)
	case m.Restart > 0:
		return job.Errorf(job.InputDamaged, "The clock of the input begins anew after %.1f s, as where a recorder was started again. That is mended in MPEG-TS only; send the parts as files of their own.", m.Restart)
	}
	return nil
}

// measureFirst is transcode for an input whose length is an estimate.
func (r *transcoding) measureFirst(ctx context.Context, media job.Media) error {
	download, ok := r.reserve(ctx, media.Size, transcode.Space{})
	if !ok {
		return errNoDiskSpace
	}
	defer download.Release()
	local, err := r.open(ctx, media)
	if err != nil {
		return r.endInput(ctx, err)
	}
	defer local.close(ctx)
	if err := local.fetch(ctx); err != nil {
		return r.endInput(ctx, err)
	}
	if err := local.measure(ctx, &media); err != nil {
		return err
	}
	if e := unusable(media); e != nil {
		return r.endInput(ctx, e)
	}
	if err := r.lease.Record(ctx, job.Event{Kind: job.InputTransferredEvent, Metadata: media.Raw}); err != nil {
		return err
	}
	resolved, err := r.resolve(ctx, media)
	if err != nil || r.finished() {
		return err
	}
	download.Release()
	space, ok := resolved.reserveDisk(ctx)
	if !ok {
		return errNoDiskSpace
	}
	defer space.Release()
	if err := resolved.checkStorage(ctx); err != nil || r.finished() {
		return err
	}
	return (&fetched{resolved: resolved, localInput: local}).makeOutputs(ctx, space)
}
