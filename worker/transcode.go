package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/publish"
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
	ctx, stop := w.heartbeat.Track(ctx)
	defer stop(nil)
	if wait, err := w.runSlots.AcquireRunSlot(ctx, j.Args.JobID, j.ID); err != nil {
		return err
	} else if wait > 0 {
		w.log.Debug("job waits for others of its key", "job", j.Args.JobID)
		return river.JobSnooze(wait)
	}
	c, err := w.claim(ctx, j.Args.JobID, j.ID, j.Attempt, j.MaxAttempts)
	if err != nil || c == nil {
		return err
	}
	defer c.lease.KeepRenewing(ctx, stop)()
	start := time.Now()
	if s := c.spec.Settings.MaxDuration; s > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, c.acceptedAt.Add(time.Duration(s)*time.Second), errTooLong)
		defer cancel()
	}
	r := c.startTranscode(stop)
	defer r.slot.Release()
	err = r.transcode(ctx)
	switch {
	case errors.Is(err, errNoDiskSpace):
		return river.JobSnooze(diskWait)
	case err == nil:
		w.metrics.jobDone(c.lease.State(), time.Since(start))
		return nil
	case errors.Is(err, job.ErrLeaseLost):
		return c.lease.IgnoreLost(err)
	case errors.Is(err, errTooLong):
		return r.failRemaining(context.WithoutCancel(ctx), job.Errorf(job.MaxDurationExceeded, "The job did not end within its max_duration of %d seconds.", c.spec.Settings.MaxDuration))
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx)) // River hands it back
	case c.last:
		e := outputFailure(err)
		w.log.Error("giving up a job", "job", c.lease.JobID(), "attempt", j.Attempt, "reason", e.Reason, "error", err)
		return r.failRemaining(ctx, e)
	default:
		return err
	}
}

var (
	errTooLong     = errors.New("the job ran longer than its max_duration")
	errNoDiskSpace = errors.New("too little disk space in the work directory")
)

// diskWait is how long a job waits for disk space before it looks again.
const diskWait = 15 * time.Second

// transcoding is a run of a claimed job that makes its outputs.
type transcoding struct {
	*claimed
	stop    context.CancelCauseFunc // ends the run's context, for what is found out on the side
	slot    *admission.SlotLease
	publish *publish.Session
}

func (c *claimed) startTranscode(stop context.CancelCauseFunc) *transcoding {
	slot := c.w.yielded.Lease()
	target := publish.Target{Storage: c.spec.Storage, Created: c.acceptedAt}
	return &transcoding{claimed: c, stop: stop, slot: slot, publish: c.w.publisher.Open(c.lease, target, slot.WaitForStorage)}
}

// failRemaining fails every output that has not ended, and so the job.
func (r *transcoding) failRemaining(ctx context.Context, e *job.Error) error {
	var events []job.Event
	for _, o := range r.lease.State().Outputs {
		if !o.Stage.Final() {
			r.publish.Rollback(ctx, o.Key)
			events = append(events, outputFailed(o.Key, e))
		}
	}
	return r.lease.IgnoreLost(r.record(ctx, events...))
}

// transcode is the whole of a run, phase by phase. Where the probe could only
// estimate how long the input is, it is fetched and measured before the outputs
// are resolved, since conditions, expressions and the disk space depend on it.
// Else nothing is fetched that no output needs.
func (r *transcoding) transcode(ctx context.Context) error {
	media, err := job.ParseMedia(r.lease.State().Input.Metadata)
	if err != nil {
		return job.Permanent(fmt.Errorf("read stored metadata of job %s: %w", r.lease.JobID(), err))
	}
	if media.Estimated() {
		return r.measureFirst(ctx, media)
	}
	resolved, err := r.resolve(ctx, media)
	if err != nil || r.finished() {
		return err
	}
	space, ok := resolved.reserveDisk()
	if !ok {
		return errNoDiskSpace
	}
	defer space.Release()
	if err := resolved.checkStorage(ctx); err != nil || r.finished() {
		return err
	}
	local, err := r.fetch(ctx)
	if err != nil {
		return r.endInput(ctx, err)
	}
	defer local.close(ctx)
	if resolved.media.NeedsTimeline() {
		if err := local.measure(ctx, &resolved.media); err != nil {
			return err
		}
	}
	if err := r.lease.Record(ctx, job.Event{Kind: job.InputTransferredEvent}); err != nil {
		return err
	}
	return (&fetched{resolved: resolved, localInput: local}).makeOutputs(ctx, space)
}

// measureFirst is transcode for an input whose length is an estimate.
func (r *transcoding) measureFirst(ctx context.Context, media job.Media) error {
	download, ok := r.reserve(media, transcode.Space{})
	if !ok {
		return errNoDiskSpace
	}
	defer download.Release()
	local, err := r.fetch(ctx)
	if err != nil {
		return r.endInput(ctx, err)
	}
	defer local.close(ctx)
	if err := local.measure(ctx, &media); err != nil {
		return err
	}
	if len(media.Video)+len(media.Audio) == 0 {
		return r.endInput(ctx, job.Errorf(job.InputNotValid, "The input declares video or audio but holds none."))
	}
	if err := r.lease.Record(ctx, job.Event{Kind: job.InputTransferredEvent, Metadata: media.Raw}); err != nil {
		return err
	}
	resolved, err := r.resolve(ctx, media)
	if err != nil || r.finished() {
		return err
	}
	download.Release()
	space, ok := resolved.reserveDisk()
	if !ok {
		return errNoDiskSpace
	}
	defer space.Release()
	if err := resolved.checkStorage(ctx); err != nil || r.finished() {
		return err
	}
	return (&fetched{resolved: resolved, localInput: local}).makeOutputs(ctx, space)
}

// resolved is the phase after the outputs' parameters were evaluated.
type resolved struct {
	*transcoding
	media   job.Media
	outputs []*job.Output // in the order of the request; nil: not to be made
}

// resolve evaluates conditions and expressions. What is skipped or cannot be
// resolved is recorded.
func (r *transcoding) resolve(ctx context.Context, media job.Media) (*resolved, error) {
	state := r.lease.State()
	vars := coconut.Vars(media)
	outputs := make([]*job.Output, len(r.spec.Outputs))
	var events []job.Event
	fail := func(key string, err error) {
		e := failure(err, job.StorageUnavailable, "The parameters of the output could not be evaluated.")
		r.w.log.Warn("output cannot be resolved", "job", r.lease.JobID(), "output", key, "reason", e.Reason, "error", err)
		events = append(events, outputFailed(key, e))
	}
	for i, req := range r.spec.Outputs {
		if o := state.Output(req.Key); o == nil || o.Stage.Final() {
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
	next := &resolved{transcoding: r, media: media, outputs: outputs}
	if len(events) == 0 {
		return next, nil
	}
	return next, r.record(ctx, events...)
}

// reserveDisk reserves what the job takes of the disk at most.
func (r *resolved) reserveDisk() (*admission.Reservation, bool) {
	return r.reserve(r.media, transcode.Build(r.outputs, r.media, r.w.planning).Space)
}

func (r *transcoding) reserve(media job.Media, space transcode.Space) (*admission.Reservation, bool) {
	folder := r.w.workdir.RunFolder(r.lease.JobID(), r.lease.Fence())
	return r.w.disk.Reserve(r.lease.JobID(), folder, admission.Need(media, space, r.w.cache.Enabled()))
}

// checkStorage finds out before any work is done whether the job's storage
// takes results at all. Where it does not, the outputs that need it fail at
// once; trouble that may pass is left for the upload to meet.
func (r *resolved) checkStorage(ctx context.Context) error {
	first := slices.IndexFunc(r.outputs, usesStorage)
	if first < 0 {
		return nil
	}
	err := r.publish.CheckStorage(ctx, r.outputs[first])
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	refusal, ok := errors.AsType[*job.Error](err)
	if !ok {
		r.w.log.Warn("checking the storage", "job", r.lease.JobID(), "error", err)
		return nil
	}
	var events []job.Event
	for i, o := range r.outputs {
		if usesStorage(o) {
			r.outputs[i] = nil
			events = append(events, outputFailed(o.Key, refusal))
		}
	}
	r.w.log.Warn("storage refused", "job", r.lease.JobID(), "reason", refusal.Reason, "error", err)
	return r.record(ctx, events...)
}

// usesStorage reports whether an output is to be made and goes to the job's
// storage.
func usesStorage(o *job.Output) bool { return o != nil && o.URL.IsZero() }

// localInput is the input in the work directory.
type localInput struct {
	run    *transcoding
	dir    string
	cache  *artifacts.Session
	remove func()
}

// fetch brings the whole input into a folder of the run.
func (r *transcoding) fetch(ctx context.Context) (*localInput, error) {
	src, err := r.w.input.Open(ctx, r.spec.Input)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	dir, remove, err := r.folder()
	if err != nil {
		return nil, err
	}
	if err := r.w.input.Fetch(ctx, src, dir); err != nil {
		remove()
		return nil, err
	}
	r.w.log.Debug("input fetched", "job", r.lease.JobID(), "took", time.Since(start))
	return &localInput{run: r, dir: dir, cache: r.w.cache.Open(ctx, r.lease.JobID(), dir), remove: remove}, nil
}

// measure brings the input's time line into media. Where it cannot be measured
// the probe's word stands: what is wrong with the input is then told by the steps
// that read it.
func (in *localInput) measure(ctx context.Context, media *job.Media) error {
	start := time.Now()
	probed := media.Duration
	err := in.run.w.input.Measure(ctx, in.dir, media)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log := in.run.w.log.With("job", in.run.lease.JobID())
	if err != nil {
		log.Warn("input not measured", "error", err)
		return nil
	}
	log.Debug("input measured", "took", time.Since(start), "probed_seconds", probed, "seconds", media.Duration)
	return nil
}

// close ends the use of the work files and removes them.
func (in *localInput) close(ctx context.Context) {
	in.cache.Close(ctx, cacheEnd(context.Cause(ctx), in.run.lease.State().Status))
	in.remove()
}

// fetched is the phase in which the outputs are resolved and the input is here.
type fetched struct {
	*resolved
	*localInput
}

// makeOutputs plans, runs and publishes.
func (f *fetched) makeOutputs(ctx context.Context, space *admission.Reservation) error {
	p, err := f.plan(ctx, f.outputs, f.w.planning)
	if err != nil {
		return err
	}
	failed, err := p.run(ctx, space)
	if err != nil || len(failed) == 0 {
		return err
	}
	// A step that several outputs shared has failed. Each of them gets another
	// chance alone, so that the culprit does not take the others with it.
	f.w.log.Warn("shared step failed, planning each output on its own", "job", f.lease.JobID(), "outputs", len(failed))
	f.w.metrics.fallback("isolate")
	alone := make([]*job.Output, len(p.outputs))
	for _, i := range failed {
		alone[i] = p.outputs[i]
	}
	execute.RemoveFiles(f.dir, p.plan, f.cache.Pinned)
	opts := f.w.planning
	opts.Isolate = true
	if p, err = f.plan(ctx, alone, opts); err != nil {
		return err
	}
	_, err = p.run(ctx, space)
	return err
}
