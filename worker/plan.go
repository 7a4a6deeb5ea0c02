package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/admission"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/lease"
)

// planned is the phase in which it is known how outputs are made, and all that
// is needed for it is in the folder.
type planned struct {
	*fetched
	outputs []*job.Output // nil: not in this plan
	plan    transcode.Plan
}

// plan plans the outputs and brings the watermarks that they need. An output
// whose watermark cannot be had fails here, with a sentence, and is not in the
// plan; the others never meet it.
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
			f.w.log.Warn("watermark cannot be used", "job", f.lease.JobID(), "output", outputs[i].Key, "reason", outputFailure(err).Reason, "error", err)
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

// run runs the plan and completes each output as soon as its own steps are done.
// It returns the indices of outputs that failed in a step that they shared, which
// are not recorded yet; every other output has been recorded as done or failed.
// An error means that the run as a whole cannot go on.
//
// The CPU slots and the reserved disk space are given back as soon as no step is
// left: uploads take neither.
func (p *planned) run(ctx context.Context, space *admission.Reservation) (sharedFailures []int, err error) {
	n, release, err := p.w.slots.Acquire(ctx, p.plan)
	if err != nil {
		return nil, err
	}
	release = sync.OnceFunc(release)
	defer release()
	p.w.log.Debug("slots taken", "job", p.lease.JobID(), "slots", n)
	if err := p.recordEncoding(ctx); err != nil {
		return nil, err
	}
	p.slot.SetEncoded(false)
	steps := execute.Start(ctx, p.dir, p.plan, p.execution(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		steps.WaitAll()
		release()
		space.Release() // what is left only goes up
		p.slot.SetEncoded(true)
	})
	var mu sync.Mutex
	var errs []error
	for i, o := range p.outputs {
		if o == nil {
			continue
		}
		wg.Go(func() {
			shared, err := p.completeOutput(ctx, steps, i, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				p.stop(err)
			}
			if shared {
				sharedFailures = append(sharedFailures, i)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return sharedFailures, errors.Join(errs...)
}

func (p *planned) execution(ctx context.Context) execute.Config {
	keys := make([]string, len(p.spec.Outputs))
	for i, o := range p.spec.Outputs {
		keys[i] = o.Key
	}
	return execute.Config{
		Media: p.w.media, Cache: p.cache.ForPlan(ctx, p.plan), StallTimeout: p.w.stall, Keys: keys,
		Progress: func(done map[string]float64) {
			if err := p.lease.SetProgress(ctx, done); errors.Is(err, job.ErrLeaseLost) {
				p.stop(err)
			}
		},
		Log: p.w.log.With("job", p.lease.JobID()), Metrics: p.w.metrics.execute,
	}
}

// recordEncoding says of every output in the plan that it is being worked on.
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

// completeOutput waits for the steps of one output and publishes it. shared says
// that it failed in a step that others need too and asks for another plan; an
// error is the run's, not the output's.
func (p *planned) completeOutput(ctx context.Context, steps *execute.Execution, i int, o *job.Output) (shared bool, err error) {
	res := p.plan.Results[i]
	if res.Err != nil {
		return false, p.failOutput(ctx, o.Key, res.Err)
	}
	out := p.publish.Output(p.dir, o)
	segments := out.StartSegments(ctx, res.Packages)
	defer segments.Abandon() // before another plan makes the same names
	shared, err = steps.Wait(ctx, i)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil {
		p.w.log.Warn("output failed", "job", p.lease.JobID(), "output", o.Key, "shared", shared, "reason", ffmpeg.Reason(err), "error", err)
		if requeue(err) && !p.last {
			return false, fmt.Errorf("make output %s: %w", o.Key, err) // the machine's trouble, not the job's: try again
		}
		if shared {
			return true, nil
		}
		segments.Abandon()
		p.publish.Rollback(ctx, o.Key)
		return false, p.failOutput(ctx, o.Key, ffmpeg.Failure(err))
	}
	start := time.Now()
	result, err := out.Publish(ctx, res, p.plan.Secrets.Key, segments.Finish())
	switch {
	case err == nil:
		p.w.log.Debug("output verified and published", "job", p.lease.JobID(), "output", o.Key, "took", time.Since(start))
		return false, p.lease.Record(ctx, job.Event{Kind: job.OutputCompletedEvent, Output: o.Key, Result: result})
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, job.ErrLeaseLost), errors.Is(err, lease.ErrDatabase):
		return false, err
	case requeue(err) && !p.last:
		return false, fmt.Errorf("finish output %s: %w", o.Key, err)
	default:
		p.w.log.Warn("output not published", "job", p.lease.JobID(), "output", o.Key, "reason", outputFailure(err).Reason, "error", err)
		p.publish.Rollback(ctx, o.Key)
		return false, p.failOutput(ctx, o.Key, err)
	}
}
