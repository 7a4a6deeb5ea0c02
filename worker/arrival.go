package worker

import (
	"context"
	"sync"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/execute"
)

// inputError ends a run whose input failed while the outputs were made.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }

func (e *inputError) Unwrap() error { return e.err }

// failInput is endInput for a run that has begun to make outputs.
func (r *transcoding) failInput(ctx context.Context, err error) error {
	if r.last || job.IsPermanent(err) {
		for _, o := range r.lease.State().Outputs {
			if !o.Stage.Final() {
				r.publish.Rollback(ctx, o.Key)
			}
		}
	}
	return r.endInput(ctx, err)
}

// fetchSource has fetched what the plan needs of the input: all of it, in the background, or
// only what its steps read.
func (p *planned) fetchSource() error {
	if p.copy.Complete() || !p.plan.SourceUse(p.media).Whole {
		return nil
	}
	if err := p.copy.FetchRest(); err != nil {
		return &inputError{err}
	}
	return nil
}

// recordArrival records input.transferred when the input is complete. stop ends the wait
// for it.
func (p *planned) recordArrival(ctx context.Context) (stop func()) {
	if p.transferred() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		if p.copy.Wait(ctx) != nil {
			return
		}
		if err := p.lease.Record(ctx, job.Event{Kind: job.InputTransferredEvent}); err != nil && ctx.Err() == nil {
			p.stop(err)
		}
	})
	return func() { cancel(); wait.Wait() }
}

func (p *planned) transferred() bool {
	state := p.lease.State()
	return state.Input.Status == job.InputTransferred
}

// completed are the events of an output that is completed. If no step reads the input any
// more, its transfer has ended before.
func (p *planned) completed(steps *execute.Execution, e job.Event) []job.Event {
	if !p.transferred() && (p.copy.Complete() || steps.SourceRead()) {
		return []job.Event{{Kind: job.InputTransferredEvent}, e}
	}
	return []job.Event{e}
}
