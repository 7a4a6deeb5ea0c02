package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/lease"
	"github.com/copra-video/copra/worker/publish"
)

// completeOutput waits for the steps of output i, publishes it, and records that it
// is completed or failed. If another plan may make it, since it failed in a step that
// other outputs share or after a seek, it records nothing and returns again. An error
// means that the run cannot go on, and says nothing about the output.
func (p *planned) completeOutput(ctx context.Context, steps *execute.Execution, others *sharedPlan, i int, o *job.Output) (again bool, err error) {
	res := p.plan.Results[i]
	if res.Err != nil {
		return false, p.failOutput(ctx, o.Key, res.Err)
	}
	ctx, span := telemetry.Start(ctx, "output", slog.String("output", o.Key), slog.String("type", string(o.Type)))
	defer func() {
		state := p.lease.State()
		if s := state.Output(o.Key); s != nil {
			span.Set(slog.String("stage", string(s.Stage)))
		}
		span.End(err)
	}()
	out := p.publish.Output(p.dir, o)
	out.MayMove(p.plan.Movable)
	segments := out.StartSegments(ctx, res.Packages)
	defer segments.Abandon() // another plan may make files with the same names
	shared, err := steps.Wait(ctx, i)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if failed := p.copy.Err(); err != nil && failed != nil {
		return false, &inputError{failed}
	}
	if err != nil {
		p.log.WarnContext(ctx, "output failed", "output", o.Key, "shared", shared, "reason", ffmpeg.Reason(err), "error", err)
		if p.onDevice(i) {
			return true, nil // the software may do better
		}
		if requeue(err) && !p.last {
			return false, fmt.Errorf("make output %s: %w", o.Key, err) // the server's fault: another run may succeed
		}
		if shared || res.Seeks && seekMayHaveFailed(err) {
			return true, nil
		}
		segments.Abandon()
		p.early.end(ctx, o.Key)
		p.publish.Rollback(ctx, o.Key)
		return false, p.failOutput(ctx, o.Key, ffmpeg.Failure(err))
	}
	done := job.Event{Kind: job.OutputCompletedEvent, Output: o.Key, Nodes: others.nodesOf(i)}
	return p.publishOutput(ctx, out, o, res, segments, func(r job.Result) error {
		done.Result = r
		return p.lease.Record(ctx, p.completed(steps, done)...)
	})
}

// seekMayHaveFailed reports whether an output may have failed because a seek in the
// input led nowhere: nothing was decoded, or not what lies there.
func seekMayHaveFailed(err error) bool {
	switch ffmpeg.Reason(err) {
	case job.OutputNotValid, job.InputDamaged, job.InputStreamMissing, job.EncodingFailed:
		return true
	default:
		return false
	}
}

// publishOutput publishes an output whose steps are done, and records what came of
// it, by record if it is completed; again is as in completeOutput. A failed stream is
// rolled back before its failure is recorded.
func (p *planned) publishOutput(ctx context.Context, out *publish.Output, o *job.Output, res transcode.Result, segments *publish.SegmentUploader, record func(job.Result) error) (again bool, err error) {
	start := time.Now()
	result, err := out.Publish(ctx, res, p.plan.Secrets.Key, segments.Finish())
	switch {
	case err == nil:
		p.log.DebugContext(ctx, "output published", "output", o.Key, "took", time.Since(start))
		p.early.replace(ctx, o.Key, res.Packages)
		return false, record(result)
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, job.ErrLeaseLost), errors.Is(err, lease.ErrDatabase):
		return false, err
	case requeue(err) && !p.last:
		return false, fmt.Errorf("finish output %s: %w", o.Key, err)
	case res.Seeks && outputFailure(err).Reason == job.OutputNotValid:
		p.log.WarnContext(ctx, "output not valid after a seek", "output", o.Key, "error", err)
		return true, nil
	default:
		p.log.WarnContext(ctx, "output not published", "output", o.Key, "reason", outputFailure(err).Reason, "error", err)
		p.early.end(ctx, o.Key)
		p.publish.Rollback(ctx, o.Key)
		return false, p.failOutput(ctx, o.Key, err)
	}
}
