// Package execute runs the steps of a plan in a folder. Each step starts as soon
// as what it needs is done. Readers follow intermediate files while these are
// written, and an intermediate is removed as soon as no step needs it.
package execute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

const (
	// lightSteps is how many steps that only copy, or encode sound, run beside the
	// one that encodes pictures.
	lightSteps = 3
	// tailSteps is how many steps follow the one that encodes pictures. They wait
	// most of the time, and each takes some 15 MiB of memory.
	tailSteps = 16
	// waitingSteps is how many steps wait for a speech service.
	waitingSteps = 8
)

// Media runs ffmpeg.
type Media interface {
	Run(ctx context.Context, c ffmpeg.Command) error
}

// Source is the input, which may still be arriving.
type Source interface {
	// Use lets a run of ffmpeg in dir read the input. It returns nil when the input is
	// in dir. done must be called when the run has ended.
	Use(ctx context.Context, dir string) (served *ffmpeg.Served, done func(), err error)
	// Err is why no more of the input can be read; nil while there is no reason.
	Err() error
	// Unchanged returns an error when what was read is known to be of two files.
	Unchanged(ctx context.Context) error
}

// Cache keeps what steps make for later runs of the job.
type Cache interface {
	// Satisfied reports whether a step need not run: its files are there, or
	// nothing needs them. It may block while files are restored.
	Satisfied(st transcode.Step) bool
	// Store stores what a step has made, in the background.
	Store(st transcode.Step)
	// Pinned reports whether a file is still being stored. A pinned file must stay
	// whole.
	Pinned(name string) bool
}

// NoCache is a Cache that keeps nothing.
type NoCache struct{}

// Satisfied implements Cache.
func (NoCache) Satisfied(transcode.Step) bool { return false }

// Store implements Cache.
func (NoCache) Store(transcode.Step) {}

// Pinned implements Cache.
func (NoCache) Pinned(string) bool { return false }

// Config is what the execution of a plan needs.
type Config struct {
	Media Media
	Cache Cache
	// Source is the input that the steps read; nil: it is in the folder.
	Source Source
	// Sharer lets other processes run steps; nil: all run here.
	Sharer Sharer
	// StallTimeout is how long ffmpeg may make no progress; 0: ffmpeg's default.
	StallTimeout time.Duration
	// Keys are those of the plan's outputs, in its order. Progress gets the
	// progress of each, 0 to 1 by key, at most once a second.
	Keys     []string
	Progress func(map[string]float64)
	// Speech transcribes speech; nil: nothing does.
	Speech Speech
	// Note gets a sentence on the outputs of a step; nil: nobody asks.
	Note func(ctx context.Context, st transcode.Step, text string)
	// Ran gets each run of ffmpeg that has ended; nil: nobody asks.
	Ran     func(transcode.Step, ffmpeg.Report)
	Log     *slog.Logger
	Metrics *Metrics
}

// Execution is a plan whose steps run. One heavy step runs at a time, because an
// encoder uses all cores, with a few light ones and those that follow it.
type Execution struct {
	c        Config
	dir      string
	plan     transcode.Plan
	progress *progress

	heavy, light, tails, waiting *semaphore.Weighted

	intermediates *intermediates
	done          map[string]chan struct{} // by step: closed when it has ended
	running       sync.WaitGroup

	mu   sync.Mutex
	errs map[string]error // by step
}

// Start starts to run the steps of plan in dir. They end when ctx does.
func Start(ctx context.Context, dir string, plan transcode.Plan, c Config) *Execution {
	e := newExecution(dir, plan, c)
	e.start(ctx)
	return e
}

func newExecution(dir string, plan transcode.Plan, c Config) *Execution {
	e := &Execution{
		c: c, dir: dir, plan: plan, progress: newProgress(plan, c.Keys, c.Progress),
		heavy: semaphore.NewWeighted(1), light: semaphore.NewWeighted(lightSteps), tails: semaphore.NewWeighted(tailSteps),
		waiting:       semaphore.NewWeighted(waitingSteps),
		intermediates: newIntermediates(c.Log, dir, plan, c.Cache.Pinned),
		done:          map[string]chan struct{}{}, errs: map[string]error{},
	}
	for _, st := range plan.Steps {
		e.done[st.ID] = make(chan struct{})
	}
	return e
}

func (e *Execution) start(ctx context.Context) {
	for _, st := range e.plan.Steps {
		e.running.Go(func() {
			defer close(e.done[st.ID])
			defer e.intermediates.release(ctx, st)
			if err := e.step(ctx, st); err != nil {
				e.mu.Lock()
				e.errs[st.ID] = err
				e.mu.Unlock()
			}
		})
	}
}

// WaitAll waits until every step has ended.
func (e *Execution) WaitAll() { e.running.Wait() }

// WaitEncoded waits until every step has ended but those that wait for a speech service,
// and what needs its answer, which only copies. It reports whether one of these is left.
func (e *Execution) WaitEncoded() (left bool) {
	waits := e.plan.Waits()
	for _, st := range e.plan.Steps {
		if !waits[st.ID] {
			<-e.done[st.ID]
		}
	}
	for id, wait := range waits {
		select {
		case <-e.done[id]:
		default:
			left = left || wait
		}
	}
	return left
}

// Wait waits until every step that output i depends on has ended, or one of them
// has failed. It returns the error of that step. shared reports whether another plan
// may do without the step: it serves other outputs too, or is one of chunks. When ctx
// ends the error is its cause.
func (e *Execution) Wait(ctx context.Context, i int) (shared bool, err error) {
	for _, st := range e.plan.Steps {
		if !slices.Contains(st.Outputs, i) {
			continue
		}
		select {
		case <-e.done[st.ID]:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
		// A step that did not run is not to blame; the one that failed follows.
		if err := e.err(st.ID); err != nil && !errors.Is(err, errSkipped) {
			return len(st.Outputs) > 1 || st.OfChunks(), err
		}
	}
	return false, nil
}

// SourceRead reports whether no step reads the source any more.
func (e *Execution) SourceRead() bool {
	for _, st := range e.plan.Steps {
		select {
		case <-e.done[st.ID]:
		default:
			if st.ReadsSource() {
				return false
			}
		}
	}
	return true
}

// errSkipped marks a step that did not run, or broke off, because one that it
// needs failed.
var errSkipped = errors.New("a step that it needs failed")

// err returns the error of a step that has ended.
func (e *Execution) err(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.errs[id]
}

// step runs one step, unless the cache has what it makes, and waits first for
// what it needs.
func (e *Execution) step(ctx context.Context, st transcode.Step) error {
	if e.c.Cache.Satisfied(st) {
		e.progress.complete(st)
		return nil
	}
	if err := e.awaitNeeds(ctx, st); err != nil {
		return err
	}
	tail, err := e.openTail(ctx, st)
	if err != nil {
		return err
	}
	defer tail.close()
	if shared := e.share(st); shared != nil {
		err = e.anywhere(ctx, st, shared)
	} else {
		err = e.here(ctx, st, tail)
	}
	if err == nil {
		e.progress.complete(st)
	}
	return err
}

// share returns the step as one that other processes may run too; nil if only this
// one can.
func (e *Execution) share(st transcode.Step) Shared {
	if e.c.Sharer == nil || !st.Portable() {
		return nil
	}
	return e.c.Sharer.Share(st, func(share float64) { e.progress.set(st, share) })
}

// here runs a step when a slot is free.
func (e *Execution) here(ctx context.Context, st transcode.Step, tail *tailReader) error {
	slots := e.slotsFor(st)
	if err := slots.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer slots.Release(1)
	return e.runStep(ctx, st, tail)
}

// awaitNeeds waits for the steps that st needs.
func (e *Execution) awaitNeeds(ctx context.Context, st transcode.Step) error {
	for _, need := range st.Needs {
		select {
		case <-e.done[need]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := e.err(need); err != nil {
			return fmt.Errorf("%w: %w", errSkipped, err)
		}
	}
	return nil
}

// slotsFor returns the slots that st takes one of.
func (e *Execution) slotsFor(st transcode.Step) *semaphore.Weighted {
	switch {
	case st.Op.Transcribe != nil:
		return e.waiting
	case st.Tail.Name != "":
		return e.tails
	case st.Kind == transcode.StepEncode, st.Kind == transcode.StepPass1, st.Kind == transcode.StepThumbnails, st.Kind == transcode.StepQuality:
		return e.heavy
	default:
		return e.light
	}
}
