package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/publish"
)

// earlyStream is a playable stream that a run publishes before it makes the outputs. A nil
// one does nothing. Nothing that goes wrong with it is an error of the job.
type earlyStream struct {
	key       string // of the output beside which it is
	published *publish.PlayableStream
	steps     *execute.Execution
	stop      context.CancelFunc
}

// startEarly begins the early stream, if the job asks for one and an output is for it. The
// picture of the input is cut while the outputs are made, since that takes hardly any work.
// Where it cannot be cut, the smallest variant is encoded before the others begin. An error
// means that the run cannot go on.
func (f *fetched) startEarly(ctx context.Context) (*earlyStream, error) {
	if !f.spec.Settings.EarlyPlayback {
		return nil, nil
	}
	early, ok := transcode.BuildEarly(f.outputs, f.media, f.planning())
	if !ok {
		return nil, nil
	}
	o := f.outputs[early.Output]
	f.log.InfoContext(ctx, "note", "output", o.Key, "note", early.Note)
	if err := f.lease.Record(ctx, job.Event{Kind: job.OutputNoteEvent, Output: o.Key, Note: early.Note}); err != nil {
		return nil, err
	}
	if len(early.Plan.Steps) == 0 {
		return nil, nil
	}
	state := f.lease.State()
	known := state.Output(o.Key).Result.Early != ""
	if !early.Copied {
		_, release, err := f.w.slots.Acquire(ctx, early.Plan)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	steps, stop := context.WithCancel(ctx)
	e := &earlyStream{key: o.Key, stop: stop, steps: execute.Start(steps, f.dir, early.Plan, execute.Config{
		Media: f.w.media, Cache: execute.NoCache{}, Source: f.copy, StallTimeout: f.w.stall,
		Keys: []string{o.Key}, Progress: func(map[string]float64) {}, Log: f.log, Metrics: f.w.metrics.execute,
	})}
	made := make(chan struct{})
	go func() {
		e.steps.WaitAll()
		close(made)
	}()
	e.published = f.publish.Output(f.dir, o).StartPlayable(ctx, early, known, made, func() error {
		if _, err := e.steps.Wait(steps, 0); err != nil {
			return fmt.Errorf("make early stream: %w", err)
		}
		return nil
	})
	if early.Copied {
		return e, nil
	}
	start := time.Now()
	select {
	case <-made:
		f.log.DebugContext(ctx, "smallest variant encoded", "took", time.Since(start))
		return e, nil
	case <-ctx.Done():
		e.close()
		return nil, context.Cause(ctx)
	}
}

// close stops the early stream where it is.
func (e *earlyStream) close() {
	if e == nil {
		return
	}
	e.published.Close() // before its step fails because it is stopped
	e.stop()
	e.steps.WaitAll()
}

// replace has the address of the early stream lead to the output with this key, which has been
// published from packages.
func (e *earlyStream) replace(ctx context.Context, key string, packages []stream.Package) {
	if e != nil && e.key == key {
		e.published.Replace(ctx, packages)
		e.stop()
	}
}

// end ends the early stream, since the output with this key is about to fail. It must be called
// before Rollback, which removes it where it may.
func (e *earlyStream) end(ctx context.Context, key string) {
	if e != nil && e.key == key {
		e.published.End(ctx)
		e.stop()
	}
}
