// Package execute runs the steps of a plan in a folder: each as soon as what it
// needs is done, with readers that follow intermediates while these grow, and
// removes intermediates as soon as no step needs them.
package execute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// lightSteps is how many steps that only copy or encode sound may run beside
// the one that encodes pictures.
const lightSteps = 3

// Media is what steps need of ffmpeg.
type Media interface {
	Run(ctx context.Context, c ffmpeg.Command) error
}

// Cache keeps what steps make for later runs of the job.
type Cache interface {
	// Satisfied reports whether a step need not run: its files are there, or
	// nothing needs them. It may take as long as it takes to bring them.
	Satisfied(st transcode.Step) bool
	// Store stores what a step has made, in the background.
	Store(st transcode.Step)
	// Pinned reports whether a file is still being stored, so that nothing of it
	// may be removed.
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

// Config is what running a plan takes.
type Config struct {
	Media Media
	Cache Cache
	// StallTimeout is how long ffmpeg may show no progress; 0: ffmpeg's default.
	StallTimeout time.Duration
	// Keys are those of the plan's outputs, in its order, and Progress is told how
	// far each has got, 0 to 1, at most once a second.
	Keys     []string
	Progress func(map[string]float64)
	Log      *slog.Logger
	Metrics  *Metrics
}

// Run runs the steps of a plan, each as soon as what it needs is done: one
// heavy step at a time, because an encoder fills all cores by itself, a few
// light ones beside it, and those that follow it.
type Run struct {
	Config
	dir   string
	plan  transcode.Plan
	watch *progress

	heavy, light, following *semaphore.Weighted

	tracks *intermediates
	done   map[string]chan struct{} // closed when the step has ended
	all    sync.WaitGroup

	mu   sync.Mutex
	errs map[string]error
}

// Start begins to run the steps of plan in dir.
func Start(ctx context.Context, dir string, plan transcode.Plan, c Config) *Run {
	s := newRun(dir, plan, c)
	s.start(ctx)
	return s
}

func newRun(dir string, plan transcode.Plan, c Config) *Run {
	s := &Run{
		Config: c, dir: dir, plan: plan, watch: newProgress(plan, c.Keys, c.Progress),
		heavy: semaphore.NewWeighted(1), light: semaphore.NewWeighted(lightSteps), following: semaphore.NewWeighted(followSteps),
		tracks: newIntermediates(c.Log, dir, plan, c.Cache.Pinned),
		done:   map[string]chan struct{}{}, errs: map[string]error{},
	}
	for _, st := range plan.Steps {
		s.done[st.ID] = make(chan struct{})
	}
	return s
}

func (s *Run) start(ctx context.Context) {
	for _, st := range s.plan.Steps {
		s.all.Go(func() {
			defer close(s.done[st.ID])
			defer s.tracks.ended(st)
			if err := s.runStep(ctx, st); err != nil {
				s.mu.Lock()
				s.errs[st.ID] = err
				s.mu.Unlock()
			}
		})
	}
}

// WaitAll waits until every step has ended, as they all do soon after the
// context that they were started with.
func (s *Run) WaitAll() { s.all.Wait() }

// errSkipped marks a step that did not run because one that it needs failed.
var errSkipped = errors.New("a step before it failed")

func (s *Run) runStep(ctx context.Context, st transcode.Step) error {
	if s.Cache.Satisfied(st) {
		s.watch.step(st, max(st.Duration, 1))
		return nil
	}
	for _, need := range st.Needs {
		select {
		case <-s.done[need]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := s.err(need); err != nil {
			return fmt.Errorf("%w: %w", errSkipped, err)
		}
	}
	followed, err := s.follow(ctx, st)
	if err != nil {
		return err
	}
	sem := s.light
	if followed != nil {
		sem = s.following
	} else if st.Kind == transcode.StepEncode || st.Kind == transcode.StepPass1 || st.Kind == transcode.StepThumbnails {
		sem = s.heavy
	}
	if err := sem.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer sem.Release(1)
	if err := s.prepare(st); err != nil {
		return err
	}
	start := time.Now()
	s.Metrics.started(st)
	command := ffmpeg.Command{Args: st.FFmpegArgs(), Dir: s.dir, StallTimeout: s.StallTimeout, Progress: func(p ffmpeg.Progress) {
		s.watch.step(st, p.OutTime)
	}}
	if followed != nil {
		defer followed.close()
		command.Input = followed
	}
	err = s.Media.Run(ctx, command)
	if err != nil && st.Optional && ctx.Err() == nil {
		s.Log.Warn("going on without a step", "step", st.ID, "error", err)
	} else if err != nil {
		return fmt.Errorf("step %s: %w", st.ID, err)
	}
	s.Log.Debug("step done", "step", st.ID, "took", time.Since(start))
	if err == nil {
		s.Cache.Store(st)
	}
	s.watch.step(st, max(st.Duration, 1)) // one of unknown length is done too
	return nil
}

// prepare makes the folders and files that a step finds there. ffmpeg writes in
// this folder too, so no link in it is followed out of it.
func (s *Run) prepare(st transcode.Step) error {
	var inputs []transcode.InputFile
	if st.Op.FFmpeg != nil {
		inputs = st.Op.FFmpeg.Inputs
	}
	if len(st.Dirs)+len(inputs) == 0 {
		return nil
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	for _, d := range st.Dirs {
		if err := root.MkdirAll(d, 0o700); err != nil {
			return fmt.Errorf("make folder for step %s: %w", st.ID, err)
		}
	}
	for _, f := range inputs {
		if err := root.WriteFile(f.Name, f.Content(s.plan.Secrets), 0o600); err != nil {
			return fmt.Errorf("write file for step %s: %w", st.ID, err)
		}
	}
	return nil
}

func (s *Run) err(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs[id]
}

// Wait waits until every step that output i depends on has ended and returns
// the first error among them; shared reports whether the step that failed
// served other outputs too.
func (s *Run) Wait(ctx context.Context, i int) (shared bool, err error) {
	for _, st := range s.plan.Steps {
		if !slices.Contains(st.Outputs, i) {
			continue
		}
		select {
		case <-s.done[st.ID]:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
		if err := s.err(st.ID); err != nil && !errors.Is(err, errSkipped) {
			return len(st.Outputs) > 1, err
		}
	}
	return false, nil
}
