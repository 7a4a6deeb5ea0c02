package execute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/transcode"
)

// Sharer lets other processes run steps of a plan.
type Sharer interface {
	// Share says that a step waits for a slot. It returns nil for a step that only
	// this process can run. progress gets how far another process has come, 0 to 1.
	Share(st transcode.Step, progress func(float64)) Shared
}

// Shared is a step that this process or another one may run.
type Shared interface {
	// State returns where the step is, and a channel that is closed when that has
	// changed.
	State() (s SharedState, changed <-chan struct{})
	// Take claims the step for this process, which has a slot for it. It reports false
	// if the state is another by now.
	Take(ctx context.Context) bool
	// Restore restores what another process has made. If it reports false, the step is to
	// be run here, and State says so from then on.
	Restore(ctx context.Context) bool
	// End says that this process needs the step no more: it has run, failed, or was
	// restored.
	End()
}

// SharedState says who may run a step.
type SharedState int

// The states of a shared step.
const (
	// SharedOpen: the first process that claims it.
	SharedOpen SharedState = iota
	// SharedElsewhere: another process runs it.
	SharedElsewhere
	// SharedMade: another process has made its files, which can be restored.
	SharedMade
)

// errMadeElsewhere ends a step that another process has finished meanwhile.
var errMadeElsewhere = errors.New("another process has made it")

// anywhere runs a step that needs no other one. It runs here when a slot is free, unless
// another process has claimed it by then. A step for which another process is slow may run
// here too, and the first result counts.
func (e *Execution) anywhere(ctx context.Context, st transcode.Step, shared Shared) error {
	defer shared.End()
	for {
		state, changed := shared.State()
		switch state {
		case SharedMade:
			if shared.Restore(ctx) {
				return nil
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		case SharedElsewhere:
			select {
			case <-changed:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case SharedOpen:
			ran, err := e.takeShared(ctx, st, shared, changed)
			switch {
			case errors.Is(err, errMadeElsewhere):
				continue
			case ran, err != nil:
				return err
			}
		}
	}
}

// takeShared waits for a slot until the step has changed, and runs it if it can still
// be taken.
func (e *Execution) takeShared(ctx context.Context, st transcode.Step, shared Shared, changed <-chan struct{}) (ran bool, err error) {
	slots := e.slotsFor(st)
	waiting, stop := endWith(ctx, changed)
	err = slots.Acquire(waiting, 1)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return false, nil
	}
	defer slots.Release(1)
	if !shared.Take(ctx) {
		return false, nil
	}
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		for running.Err() == nil {
			state, changed := shared.State()
			if state == SharedMade {
				end(errMadeElsewhere)
				return
			}
			select {
			case <-changed:
			case <-running.Done():
			}
		}
	}()
	err = e.runStep(running, st, nil)
	if ctx.Err() == nil && errors.Is(context.Cause(running), errMadeElsewhere) && err != nil {
		return false, errMadeElsewhere
	}
	return true, err
}

// endWith returns a context that also ends when c is closed.
func endWith(ctx context.Context, c <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-c:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// runStep carries out the operation of a step that has a slot, and stores its
// artifacts.
func (e *Execution) runStep(ctx context.Context, st transcode.Step, tail *tailReader) error {
	start := time.Now()
	ctx, span := telemetry.Start(ctx, string(st.Kind), slog.String("step", st.ID))
	err := e.operate(ctx, st, tail)
	span.End(err)
	switch {
	case err == nil:
		e.c.Log.DebugContext(ctx, "step done", "step", st.ID, "took", time.Since(start))
		e.c.Cache.Store(st)
	case st.Optional && ctx.Err() == nil:
		e.c.Log.WarnContext(ctx, "optional step failed", "step", st.ID, "error", err)
	default:
		return fmt.Errorf("step %s: %w", st.ID, err)
	}
	return nil
}
