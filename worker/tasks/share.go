// Package tasks spreads the steps of one job over several processes. A run that has
// more steps than slots offers those that wait as tasks (Share): rows in the database,
// which any process may claim, this one too. A process that runs tasks of other
// processes' jobs keeps a copy of the source of each (Sources).
//
// The package knows neither how a step is run nor what an artifact is. A step that
// is run twice does no harm, since its results have the same names and bytes.
package tasks

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

const (
	// waitBefore is how long a step waits for a slot of its own process before it is
	// offered. A step that begins here at once is not worth a download elsewhere.
	waitBefore = time.Second
	// lookEvery is how often a run looks at its tasks. It is also woken when one ends.
	lookEvery = time.Second
	// aloneFor is after how long a run that found no other process looks again.
	aloneFor = 5 * time.Second
	// maxFailures is how often a step may fail elsewhere. After that only the process of
	// the job runs it, whose error the customer gets.
	maxFailures = 2
	// callTimeout bounds one call of the database.
	callTimeout = 5 * time.Second
)

// Store is what a run needs of the database to share its steps.
type Store interface {
	// OfferTasks stores tasks and queues them in the order of the list.
	OfferTasks(ctx context.Context, jobID string, run int64, tasks []job.NewTask) (ids []int64, err error)
	// TakeTask claims an offered task for the run itself.
	TakeTask(ctx context.Context, id int64, node string) (bool, error)
	// LoseTask takes a task from a worker that has not renewed its lease for silent.
	LoseTask(ctx context.Context, id int64, silent time.Duration) error
	TaskStates(ctx context.Context, jobID string, run int64) ([]job.TaskState, error)
	// DropTasks ends tasks of the run, without ids all of them. Their workers lose them.
	DropTasks(ctx context.Context, jobID string, run int64, ids ...int64) error
	// LiveNodes counts the worker processes whose heartbeat is not older than stale.
	LiveNodes(ctx context.Context, stale time.Duration) (int, error)
	// Watch wakes the run when something of its job has changed.
	Watch(jobID string) (changed <-chan struct{}, stop func())
}

// Config is what a Share is made of.
type Config struct {
	Store Store
	JobID string
	Run   int64  // the fencing token of the job
	Node  string // this process
	// Stale is the age of a sign of life at which a process counts as dead.
	Stale time.Duration
	// Spec returns what another process needs to run a step. It may take long.
	Spec    func(ctx context.Context, st transcode.Step) ([]byte, error)
	Log     *slog.Logger
	Metrics *Metrics
}

// Share offers steps of one run to other processes.
type Share struct {
	c      Config
	ctx    context.Context //nolint:containedctx // of the run, whose steps use the Share
	cancel context.CancelFunc
	wake   chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	steps   []*Step
	offered bool             // the run has had rows
	drop    []int64          // rows that are to be deleted
	rates   []float64        // cost per second of steps that have ended, in this run
	nodes   map[string]int   // how many steps other processes have run
	outputs map[int][]string // by index of an output: the processes that have run steps of it

	// Only run uses these.
	aloneUntil time.Time // until then no other process is looked for
	reached    time.Time // when the database last answered
	regular    time.Time // since when it has answered without a long gap
}

// Start begins to share the steps of a run, until ctx ends or Close is called. Close must be
// called in both cases.
func Start(ctx context.Context, c Config) *Share {
	s := &Share{c: c, wake: make(chan struct{}, 1), ended: make(chan struct{}), nodes: map[string]int{}, outputs: map[int][]string{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.ended)
		s.run()
	}()
	return s
}

// Close ends the tasks that are left. It returns how many steps other processes have run, by
// node.
func (s *Share) Close() map[string]int {
	s.cancel()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offered {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), callTimeout)
		defer cancel()
		if err := s.c.Store.DropTasks(ctx, s.c.JobID, s.c.Run); err != nil {
			s.c.Log.WarnContext(ctx, "tasks not ended", "error", err) // they are void when the job has ended
		}
	}
	return s.nodes
}

// NodesOf returns the other processes that have run steps of an output.
func (s *Share) NodesOf(output int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.outputs[output]))
}

// Add shares a step. progress is called with how far another process has come, 0 to 1.
func (s *Share) Add(st transcode.Step, progress func(float64)) *Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := &Step{share: s, step: st, progress: progress, added: time.Now(), changed: make(chan struct{})}
	s.steps = append(s.steps, step)
	return step
}

// run looks at the steps and their tasks until the run ends. Once there are tasks, it is also
// woken when one ends.
func (s *Share) run() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var changed <-chan struct{}
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		case <-changed:
		}
		s.offerWaiting()
		if changed == nil && s.hasRows() {
			changed, stop = s.c.Store.Watch(s.c.JobID)
		}
		s.look()
		s.dropEnded()
	}
}

// call calls the database and reports whether that succeeded. A failure is logged as what,
// and the next look tries again.
func (s *Share) call(what string, f func(ctx context.Context) error) bool {
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	err := f(ctx)
	if err != nil && s.ctx.Err() == nil {
		s.c.Log.WarnContext(s.ctx, what, "error", err)
	}
	return err == nil
}

// offerWaiting offers the steps that have waited for a slot, if there are other processes.
// The most costly ones come first: one of them at the end would delay the job most.
func (s *Share) offerWaiting() {
	now := time.Now()
	var waiting []*Step
	s.mu.Lock()
	for _, step := range s.steps {
		if step.offerable() && now.Sub(step.added) >= waitBefore {
			waiting = append(waiting, step)
		}
	}
	s.mu.Unlock()
	if len(waiting) == 0 || now.Before(s.aloneUntil) {
		return
	}
	nodes := 0
	if !s.call("workers not counted", func(ctx context.Context) (err error) {
		nodes, err = s.c.Store.LiveNodes(ctx, s.c.Stale)
		return err
	}) || nodes < 2 {
		s.aloneUntil = now.Add(aloneFor)
		return
	}
	slices.SortStableFunc(waiting, func(a, b *Step) int { return cmp.Compare(b.step.Cost, a.step.Cost) })
	s.offer(waiting)
}

// offer stores a row for each step.
func (s *Share) offer(steps []*Step) {
	var rows []job.NewTask
	var offered []*Step
	for _, step := range steps {
		spec, err := s.c.Spec(s.ctx, step.step)
		if s.ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if err != nil {
			s.c.Log.WarnContext(s.ctx, "step not offered", "step", step.step.ID, "error", err)
			step.local = true
		} else if step.offerable() || step.duplicated {
			offered = append(offered, step)
			rows = append(rows, step.row(spec))
		}
		s.mu.Unlock()
	}
	if len(rows) == 0 {
		return
	}
	var ids []int64
	if !s.call("steps not offered", func(ctx context.Context) (err error) {
		ids, err = s.c.Store.OfferTasks(ctx, s.c.JobID, s.c.Run, rows)
		return err
	}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = true
	for i, step := range offered {
		if step.ended || step.running { // this process has taken it meanwhile
			s.drop = append(s.drop, ids[i])
			continue
		}
		step.rows = append(step.rows, row{id: ids[i]})
	}
	s.c.Log.InfoContext(s.ctx, "steps offered", "steps", len(rows))
}

// hasRows reports whether any step has tasks.
func (s *Share) hasRows() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.steps, func(t *Step) bool { return !t.ended && len(t.rows) > 0 })
}

// dropEnded ends the tasks of steps that have ended.
func (s *Share) dropEnded() {
	s.mu.Lock()
	ids := s.drop
	s.drop = nil
	s.steps = slices.DeleteFunc(s.steps, func(step *Step) bool { return step.ended })
	s.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	if !s.call("tasks not ended", func(ctx context.Context) error {
		return s.c.Store.DropTasks(ctx, s.c.JobID, s.c.Run, ids...)
	}) {
		s.mu.Lock()
		s.drop = append(s.drop, ids...)
		s.mu.Unlock()
	}
}

// wakeUp makes run look now.
func (s *Share) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
