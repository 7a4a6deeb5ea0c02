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
		r.log.Warn("output not resolved", "output", key, "reason", e.Reason, "error", err)
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

// What is long enough to be encoded in chunks, and how long these are, in seconds.
// Coconut's settings.ultrafast has an effect from one minute on.
const (
	chunkedFrom  = 60
	chunkSeconds = 30
)

// planning returns what the planner needs to know for this job.
func (r *resolved) planning() transcode.Options {
	opts := r.w.planning
	if r.w.chunks && r.spec.Settings.UltraFast && r.media.Duration >= chunkedFrom {
		opts.ChunkSeconds = chunkSeconds
	}
	return opts
}

// reserveDisk reserves the disk space that the job takes at most.
func (r *resolved) reserveDisk() (*admission.Reservation, bool) {
	return r.reserve(r.media, transcode.Build(r.outputs, r.media, r.planning()).Space)
}

// reserve reserves disk space for an input and for what a plan makes of it.
func (r *transcoding) reserve(media job.Media, space transcode.Space) (*admission.Reservation, bool) {
	folder := r.w.workdir.RunFolder(r.lease.JobID(), r.lease.Fence())
	return r.w.disk.Reserve(r.lease.JobID(), folder, admission.Need(media, space, r.w.cache.Enabled()))
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
		r.log.Warn("storage check failed", "error", err)
		return nil
	}
	var events []job.Event
	for i, o := range r.outputs {
		if usesStorage(o) {
			r.outputs[i] = nil
			events = append(events, outputFailed(o.Key, refusal))
		}
	}
	r.log.Warn("storage refused", "reason", refusal.Reason, "error", err)
	return r.record(ctx, events...)
}

// usesStorage reports whether this run makes the output and stores it in the job's
// storage.
func usesStorage(o *job.Output) bool { return o != nil && o.URL.IsZero() }
