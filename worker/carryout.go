package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// carryOut runs a plan in dir and finishes each output as soon as its own
// steps are done. It returns the indices of outputs that failed in a step that
// they shared, which are not recorded yet; every other output has been
// recorded as done or failed. An error means that the run as a whole cannot go
// on. release gives the slots back, as soon as no step is left: uploads take none.
func (r *run) carryOut(ctx context.Context, stop context.CancelCauseFunc, dir string, outputs []*job.Output, plan transcode.Plan, release func()) (again []int, err error) {
	release = sync.OnceFunc(release)
	defer release()
	if err := r.recordEncoding(ctx, outputs, plan); err != nil {
		return nil, err
	}
	r.seat.change(func(s *seat) { s.encoded = false })
	keys := make([]string, len(r.spec.Outputs))
	for i, o := range r.spec.Outputs {
		keys[i] = o.Key
	}
	watch := newProgress(plan, keys, func(p map[string]float64) {
		if err := r.w.Store.SetProgress(ctx, r.id, r.run, p); errors.Is(err, job.ErrLeaseLost) {
			stop(err)
		}
	})
	s := newSteps(r.w.Log.With("job", r.id), r.w.Media, dir, plan, watch, r.w.StallTimeout)
	s.metrics, s.resume = r.w.Metrics, r.parts.resume(ctx, plan)
	s.tracks.stays = r.parts.stays

	var wg sync.WaitGroup
	s.start(ctx, &wg)
	wg.Go(func() {
		for _, ended := range s.done {
			<-ended
		}
		release()
		r.leaveRoom() // what is left only goes up
		r.seat.change(func(s *seat) { s.encoded = true })
	})
	var mu sync.Mutex
	var errs []error
	for i, o := range outputs {
		if o == nil {
			continue
		}
		wg.Go(func() {
			retry, err := r.conclude(ctx, s, dir, i, o, plan.Results[i])
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				stop(err)
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

// conclude waits for the steps of one output and finishes it. retry asks for
// another plan; an error is the run's, not the output's.
func (r *run) conclude(ctx context.Context, s *steps, dir string, i int, o *job.Output, res transcode.Result) (retry bool, err error) {
	if res.Err != nil {
		return false, r.failOutput(ctx, o.Key, res.Err)
	}
	up := r.uploadEarly(ctx, dir, o, res.Packages)
	defer up.abandon() // before another plan makes the same names
	shared, err := s.wait(ctx, i)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil {
		r.w.Log.Warn("output failed", "job", r.id, "output", o.Key, "shared", shared, "error", err)
		if ffmpeg.Transient(err) && !r.last {
			return false, fmt.Errorf("make output %s: %w", o.Key, err) // the machine's trouble, not the job's: try again
		}
		if shared {
			return true, nil
		}
		up.abandon()
		r.withdraw(ctx, o.Key)
		return false, r.failOutput(ctx, o.Key, &job.Error{Message: ffmpeg.Explain(err), Cause: err})
	}
	start := time.Now()
	result, err := r.finish(ctx, dir, o, res, s.plan.Secrets.Key, up.end())
	switch {
	case err == nil:
		r.w.Log.Debug("output verified and published", "job", r.id, "output", o.Key, "took", time.Since(start))
		return false, r.recordResult(ctx, o.Key, result)
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, job.ErrLeaseLost), errors.Is(err, errDatabase):
		return false, err
	case diskFull(err) && !r.last:
		return false, fmt.Errorf("finish output %s: %w", o.Key, err)
	default:
		r.w.Log.Warn("output not published", "job", r.id, "output", o.Key, "error", err)
		r.withdraw(ctx, o.Key)
		return false, r.failOutput(ctx, o.Key, err)
	}
}

func (r *run) failOutput(ctx context.Context, key string, err error) error {
	return r.record(ctx, job.Event{Kind: job.OutputFailedEvent, Output: key,
		Error: sentence(err, "The output could not be made because of an internal error.")})
}

func (r *run) recordResult(ctx context.Context, key string, result job.Result) error {
	return r.record(ctx, job.Event{Kind: job.OutputCompletedEvent, Output: key, Result: result})
}

// recordEncoding says of every output in the plan that it is being worked on.
func (r *run) recordEncoding(ctx context.Context, outputs []*job.Output, plan transcode.Plan) error {
	var events []job.Event
	for i, o := range outputs {
		if o != nil && plan.Results[i].Err == nil {
			events = append(events, job.Event{Kind: job.OutputStageEvent, Output: o.Key, Stage: job.Encoding})
		}
	}
	if len(events) == 0 {
		return nil
	}
	return r.record(ctx, events...)
}
