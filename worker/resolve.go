package worker

import (
	"context"
	"errors"
	"slices"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/admission"
)

// resolved is the phase in which the parameters of the outputs are known.
type resolved struct {
	*transcoding
	media   job.Media
	outputs []*job.Output // in the order of the request; nil: this run does not make it
	helpers int           // other workers that may take chunks of the job
}

// resolve evaluates the conditions and expressions of the outputs that are not done
// yet. It records which outputs are skipped, which fail because their parameters
// cannot be evaluated, and which are queued.
func (r *transcoding) resolve(ctx context.Context, media job.Media) (*resolved, error) {
	state := r.lease.State()
	vars := coconut.Vars(media)
	outputs := make([]*job.Output, len(r.spec.Outputs))
	var events []job.Event
	fail := func(key string, err error) {
		e := failure(err, job.StorageUnavailable, "The parameters of the output could not be evaluated.")
		r.log.WarnContext(ctx, "output not resolved", "output", key, "reason", e.Reason, "error", err)
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
		if outputs[i], err = coconut.ResolveOutput(req, vars); err == nil {
			err = r.serverKeys(outputs[i])
		}
		if err != nil {
			fail(req.Key, err)
			outputs[i] = nil
		}
	}
	for i, o := range outputs {
		if o != nil {
			events = append(events, job.Event{Kind: job.OutputStageEvent, Output: r.spec.Outputs[i].Key, Stage: job.Queued})
		}
	}
	next := &resolved{transcoding: r, media: media, outputs: outputs, helpers: r.countHelpers(ctx, media)}
	if len(events) == 0 {
		return next, nil
	}
	return next, r.record(ctx, events...)
}

// reserveDisk reserves the disk space that the job takes at most. Of an input that is not
// fetched before the plan is made, only what the plan reads is kept.
func (r *resolved) reserveDisk(ctx context.Context) (*admission.Reservation, bool) {
	plan, size := transcode.Build(r.outputs, r.media, r.planning()), r.media.Size
	if !r.media.Still() && !r.needsTimeline() && r.w.input.Serves {
		size = plan.SourceUse(r.media).Bytes
	}
	space := plan.Space
	if r.spec.Settings.EarlyPlayback {
		if early, ok := transcode.BuildEarly(r.outputs, r.media, r.planning()); ok {
			space = space.And(early.Plan.Space)
		}
	}
	return r.reserve(ctx, size, space)
}

// needsTimeline reports whether the input is measured before the plan is made.
func (r *resolved) needsTimeline() bool {
	return r.media.NeedsTimeline() && !(r.media.LacksOnlyTimes() && transcode.OnlyCopies(r.outputs))
}

// reserve reserves disk space for what is kept of an input, in bytes, and for what a plan
// makes of it.
func (r *transcoding) reserve(ctx context.Context, input int64, space transcode.Space) (*admission.Reservation, bool) {
	folder := r.w.workdir.RunFolder(r.lease.JobID(), r.lease.Fence())
	return r.w.disk.Reserve(ctx, r.lease.JobID(), folder, admission.Need(input, space, r.w.cache.Enabled()))
}

// checkStorage asks the job's storage, before any work is done, whether it accepts
// results. If it refuses, the outputs that go there fail at once. Every other error
// may pass until the upload, which would report it.
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
		r.log.WarnContext(ctx, "storage check failed", "error", err)
		return nil
	}
	var events []job.Event
	for i, o := range r.outputs {
		if usesStorage(o) {
			r.outputs[i] = nil
			events = append(events, outputFailed(o.Key, refusal))
		}
	}
	r.log.WarnContext(ctx, "storage refused", "reason", refusal.Reason, "error", err)
	return r.record(ctx, events...)
}

// usesStorage reports whether this run makes the output and stores it in the job's
// storage.
func usesStorage(o *job.Output) bool { return o != nil && o.URL.IsZero() }
