package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/input"
)

// localInput is the copy of the input in the work directory.
type localInput struct {
	run    *transcoding
	dir    string
	copy   *input.Copy
	cache  *artifacts.Session
	remove func()
}

// open makes the run's folder for the input, of which nothing is fetched yet. An error
// is the input's, see endInput.
func (r *transcoding) open(ctx context.Context, media job.Media) (*localInput, error) {
	dir, remove, err := r.folder(ctx)
	if err != nil {
		return nil, err
	}
	c, err := r.w.input.Open(ctx, r.lease.JobID(), r.spec.Input, media.Recording != "", dir)
	if err != nil {
		remove()
		return nil, err
	}
	cache := r.w.cache.Open(ctx, r.lease.JobID(), dir)
	cache.IdentifySource(c.Identity)
	return &localInput{run: r, dir: dir, copy: c, cache: cache, remove: remove}, nil
}

// fetch fetches the whole input.
func (in *localInput) fetch(ctx context.Context) error {
	start := time.Now()
	ctx, span := telemetry.Start(ctx, "fetch input")
	err := in.copy.Fetch(ctx)
	span.Set(slog.Int64("bytes", in.copy.Received()))
	span.End(err)
	if err != nil {
		return err
	}
	in.run.log.DebugContext(ctx, "input fetched", "took", time.Since(start))
	return nil
}

// fetchFirst reports whether the whole input has to be there before a plan is made: it is
// measured or decoded first, or too small to begin earlier.
func (f *fetched) fetchFirst() bool {
	return f.copy.Small() || f.media.Still() || f.needsTimeline()
}

// measure replaces the estimates in media by what the input's packets say. If the
// input cannot be measured, the estimates stay: the steps that read it will report
// what is wrong with it.
func (in *localInput) measure(ctx context.Context, media *job.Media) error {
	if m, ok := in.copy.Made(); ok {
		*media = m
		return nil
	}
	start := time.Now()
	probed := media.Duration
	err := in.run.w.input.Measure(ctx, in.dir, media)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log := in.run.log
	if err != nil {
		log.WarnContext(ctx, "input not measured", "error", err)
		return nil
	}
	log.DebugContext(ctx, "input measured", "took", time.Since(start), "probed_seconds", probed, "seconds", media.Duration)
	return nil
}

// close closes the artifact cache, ends transfers and removes the work files.
func (in *localInput) close(ctx context.Context) {
	in.run.log.DebugContext(ctx, "input closed", "received", in.copy.Received())
	in.run.w.metrics.received(in.copy.Received())
	in.copy.Close()
	in.cache.Close(ctx, cacheEnd(context.Cause(ctx), in.run.lease.State().Status))
	in.remove()
}

// fetched is the phase in which the parameters are known and the input is in the
// work directory, or arrives there.
type fetched struct {
	*resolved
	*localInput
	early *earlyStream // nil: the job has none
}
