package worker

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

// steps runs the steps of a plan, each as soon as what it needs is done: one
// heavy step at a time, because an encoder fills all cores by itself, a few
// light ones beside it, and those that follow it.
type steps struct {
	log   *slog.Logger
	media Media
	dir   string
	plan  transcode.Plan
	watch *progress
	stall time.Duration

	metrics *Metrics
	resume  *resume // spares what an earlier run has done

	heavy, light, following *semaphore.Weighted

	tracks *intermediates
	done   map[string]chan struct{} // closed when the step has ended

	mu   sync.Mutex
	errs map[string]error
}

func newSteps(log *slog.Logger, media Media, dir string, plan transcode.Plan, watch *progress, stall time.Duration) *steps {
	s := &steps{
		log: log, media: media, dir: dir, plan: plan, watch: watch, stall: stall,
		heavy: semaphore.NewWeighted(1), light: semaphore.NewWeighted(lightSteps), following: semaphore.NewWeighted(followSteps),
		tracks: newIntermediates(log, dir, plan),
		done:   map[string]chan struct{}{}, errs: map[string]error{},
	}
	for _, st := range plan.Steps {
		s.done[st.ID] = make(chan struct{})
	}
	return s
}

// start runs all steps in goroutines that wg counts.
func (s *steps) start(ctx context.Context, wg *sync.WaitGroup) {
	for _, st := range s.plan.Steps {
		wg.Go(func() {
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

// errSkipped marks a step that did not run because one that it needs failed.
var errSkipped = errors.New("a step before it failed")

func (s *steps) runStep(ctx context.Context, st transcode.Step) error {
	if s.resume.spares(st) {
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
	} else if st.Kind == transcode.StepEncode || st.Kind == transcode.StepPass1 || st.Kind == transcode.StepStills {
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
	s.metrics.started(st)
	command := ffmpeg.Command{Args: st.FFmpegArgs(), Dir: s.dir, StallTimeout: s.stall, Progress: func(p ffmpeg.Progress) {
		s.watch.step(st, p.OutTime)
	}}
	if followed != nil {
		defer followed.close()
		command.Input = followed
	}
	err = s.media.Run(ctx, command)
	if err != nil && st.Optional && ctx.Err() == nil {
		s.log.Warn("going on without a step", "step", st.ID, "error", err)
	} else if err != nil {
		return fmt.Errorf("step %s: %w", st.ID, err)
	}
	s.log.Debug("step done", "step", st.ID, "took", time.Since(start))
	if err == nil {
		s.resume.keep(st)
	}
	s.watch.step(st, max(st.Duration, 1)) // one of unknown length is done too
	return nil
}

// prepare makes the folders and files that a step finds there. ffmpeg writes in
// this folder too, so no link in it is followed out of it.
func (s *steps) prepare(st transcode.Step) error {
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

func (s *steps) err(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs[id]
}

// wait waits until every step that output i depends on has ended and returns
// the first error among them; shared reports whether the step that failed
// served other outputs too.
func (s *steps) wait(ctx context.Context, i int) (shared bool, err error) {
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

// progress adds up what is done of each output, as a share of the cost of the
// steps that it depends on, and hands it on at most once a second.
type progress struct {
	report func(map[string]float64)
	keys   []string // by output index
	every  time.Duration

	mu    sync.Mutex
	total []float64
	done  []map[string]float64 // by output index, by step
	last  time.Time
}

// encodeShare is the part of an output's progress that its steps make up; the
// rest is for verifying and uploading.
const encodeShare = 0.95

func newProgress(plan transcode.Plan, keys []string, report func(map[string]float64)) *progress {
	p := &progress{report: report, keys: keys, every: time.Second,
		total: make([]float64, len(keys)), done: make([]map[string]float64, len(keys)), last: time.Now()}
	for i := range keys {
		p.done[i] = map[string]float64{}
	}
	for _, st := range plan.Steps {
		for _, i := range st.Outputs {
			p.total[i] += st.Cost
		}
	}
	return p
}

// step tells that st has got as far as at on its time line.
func (p *progress) step(st transcode.Step, at time.Duration) {
	share := 1.0
	if st.Duration > 0 {
		share = min(float64(at)/float64(st.Duration), 1)
	} else if at == 0 {
		return
	}
	p.mu.Lock()
	for _, i := range st.Outputs {
		p.done[i][st.ID] = share * st.Cost
	}
	if time.Since(p.last) < p.every {
		p.mu.Unlock()
		return
	}
	p.last = time.Now()
	snapshot := map[string]float64{}
	for i, steps := range p.done {
		if p.total[i] == 0 {
			continue
		}
		sum := 0.0
		for _, d := range steps {
			sum += d
		}
		snapshot[p.keys[i]] = encodeShare * sum / p.total[i]
	}
	p.mu.Unlock()
	p.report(snapshot)
}
