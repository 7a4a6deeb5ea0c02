package worker

import (
	"context"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/artifacts"
)

// localInput is the input in the work directory.
type localInput struct {
	run    *transcoding
	dir    string
	cache  *artifacts.Session
	remove func()
}

// fetch brings the whole input into the run's folder. An error is the input's, see
// endInput.
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
	r.log.Debug("input fetched", "took", time.Since(start))
	return &localInput{run: r, dir: dir, cache: r.w.cache.Open(ctx, r.lease.JobID(), dir), remove: remove}, nil
}

// measure replaces the estimates in media by what the input's packets say. If the
// input cannot be measured, the estimates stay: the steps that read it will report
// what is wrong with it.
func (in *localInput) measure(ctx context.Context, media *job.Media) error {
	start := time.Now()
	probed := media.Duration
	err := in.run.w.input.Measure(ctx, in.dir, media)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log := in.run.log
	if err != nil {
		log.Warn("input not measured", "error", err)
		return nil
	}
	log.Debug("input measured", "took", time.Since(start), "probed_seconds", probed, "seconds", media.Duration)
	return nil
}

// close closes the artifact cache and removes the work files.
func (in *localInput) close(ctx context.Context) {
	in.cache.Close(ctx, cacheEnd(context.Cause(ctx), in.run.lease.State().Status))
	in.remove()
}

// fetched is the phase in which the parameters are known and the input is in the
// work directory.
type fetched struct {
	*resolved
	*localInput
}
