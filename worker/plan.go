package worker

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
)

// planned is the phase in which the steps are known, and every file that they read
// is in the work directory.
type planned struct {
	*fetched
	outputs []*job.Output // nil: not in this plan
	plan    transcode.Plan
}

// plan plans the outputs and fetches the watermarks that they need. An output whose
// watermark cannot be used is recorded as failed and left out of the plan.
func (f *fetched) plan(ctx context.Context, outputs []*job.Output, opts transcode.Options) (*planned, error) {
	outputs = slices.Clone(outputs)
	plan := transcode.Build(outputs, f.media, opts)
	missing := false
	for _, fetch := range plan.Fetches {
		err := f.w.input.Watermark(ctx, fetch, plan.Secrets[fetch.URL], f.dir, watermarkFailure)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		missing = true
		for _, i := range fetch.Outputs {
			f.log.Warn("watermark failed", "output", outputs[i].Key, "reason", outputFailure(err).Reason, "error", err)
			if err := f.failOutput(ctx, outputs[i].Key, err); err != nil {
				return nil, err
			}
			outputs[i] = nil
		}
	}
	if missing {
		plan = transcode.Build(outputs, f.media, opts)
	}
	return &planned{fetched: f, outputs: outputs, plan: plan}, nil
}

// makeOutputs makes and publishes all outputs. Outputs that fail in chunks are made
// in one piece. Outputs that fail in a step that several share are planned once
// more, each alone, so that only those fail that are at fault. So are outputs that
// fail where the input was entered by seeking: then it is decoded from its start.
func (f *fetched) makeOutputs(ctx context.Context, space *admission.Reservation) error {
	opts := f.planning()
	p, err := f.plan(ctx, f.outputs, opts)
	if err != nil {
		return err
	}
	if err := p.recordOnePiece(ctx); err != nil {
		return err
	}
	failed, err := p.run(ctx, space)
	if err == nil && len(failed) > 0 && opts.ChunkSeconds > 0 {
		opts.ChunkSeconds = 0
		p, failed, err = f.again(ctx, space, p, failed, opts, "one_piece")
	}
	if err == nil && len(failed) > 0 {
		opts.Isolate, opts.NoSeek = true, true
		_, _, err = f.again(ctx, space, p, failed, opts, "isolate")
	}
	return err
}

// again plans the outputs that have failed once more, and runs the plan. fallback
// names the way for the metric.
func (f *fetched) again(ctx context.Context, space *admission.Reservation, p *planned, failed []int, opts transcode.Options, fallback string) (*planned, []int, error) {
	f.log.Warn("outputs planned again", "outputs", len(failed), "fallback", fallback)
	f.w.metrics.fallback(fallback)
	outputs := make([]*job.Output, len(p.outputs))
	for _, i := range failed {
		outputs[i] = p.outputs[i]
	}
	execute.RemoveFiles(f.dir, p.plan, f.cache.Pinned)
	next, err := f.plan(ctx, outputs, opts)
	if err != nil {
		return nil, nil, err
	}
	failed, err = next.run(ctx, space)
	return next, failed, err
}

// recordOnePiece records of each output that is not made in chunks, although the job
// asks for it, why.
func (p *planned) recordOnePiece(ctx context.Context) error {
	var events []job.Event
	for _, one := range p.plan.OnePiece {
		for _, i := range one.Outputs {
			p.log.Info("made in one piece", "output", p.outputs[i].Key, "reason", one.Reason)
			events = append(events, job.Event{Kind: job.OutputNoteEvent, Output: p.outputs[i].Key, Note: "Made in one piece: " + one.Reason})
		}
	}
	if len(events) == 0 {
		return nil
	}
	return p.lease.Record(ctx, events...)
}

// run runs the steps of the plan and completes each output as soon as its own steps
// are done. It returns the indices of the outputs that another plan may make, about
// which nothing is recorded yet. Every other output is recorded as completed or
// failed. An error means that the run cannot go on.
//
// The CPU slots and the reserved disk space are released when the last step has
// ended, since uploads need neither.
func (p *planned) run(ctx context.Context, space *admission.Reservation) (again []int, err error) {
	n, release, err := p.w.slots.Acquire(ctx, p.plan)
	if err != nil {
		return nil, err
	}
	release = sync.OnceFunc(release)
	defer release()
	p.log.Debug("slots acquired", "slots", n)
	if err := p.recordEncoding(ctx); err != nil {
		return nil, err
	}
	p.slot.SetEncoded(false)
	cache := p.cache.ForPlan(ctx, p.plan)
	shared := p.share(ctx, cache)
	defer shared.close()
	steps := execute.Start(ctx, p.dir, p.plan, p.execution(ctx, cache, shared))
	var wg sync.WaitGroup
	wg.Go(func() {
		steps.WaitAll()
		release()
		space.Release() // uploads write no files
		p.slot.SetEncoded(true)
	})
	var mu sync.Mutex
	var errs []error
	for i, o := range p.outputs {
		if o == nil {
			continue
		}
		wg.Go(func() {
			retry, err := p.completeOutput(ctx, steps, shared, i, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				p.stop(err)
			}
			if retry {
				again = append(again, i)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return again, errors.Join(errs...)
}

// execution returns what the steps need. A progress report that finds the lease lost
// stops the run.
func (p *planned) execution(ctx context.Context, cache *artifacts.PlanCache, shared *sharedPlan) execute.Config {
	keys := make([]string, len(p.spec.Outputs))
	for i, o := range p.spec.Outputs {
		keys[i] = o.Key
	}
	c := execute.Config{
		Media: p.w.media, Cache: cache, StallTimeout: p.w.stall, Keys: keys,
		Progress: func(done map[string]float64) {
			if err := p.lease.SetProgress(ctx, done); errors.Is(err, job.ErrLeaseLost) {
				p.stop(err)
			}
		},
		Log: p.log, Metrics: p.w.metrics.execute,
	}
	if shared != nil {
		c.Sharer = shared
	}
	return c
}

// recordEncoding records of every output in the plan that it is being encoded.
func (p *planned) recordEncoding(ctx context.Context) error {
	var events []job.Event
	for i, o := range p.outputs {
		if o != nil && p.plan.Results[i].Err == nil {
			events = append(events, job.Event{Kind: job.OutputStageEvent, Output: o.Key, Stage: job.Encoding})
		}
	}
	if len(events) == 0 {
		return nil
	}
	return p.lease.Record(ctx, events...)
}
