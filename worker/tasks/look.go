package tasks

import (
	"context"
	"slices"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

const (
	// stragglerAfter is how long a task runs before it can count as a straggler.
	stragglerAfter = 10 * time.Second
	// stragglerFactor is by how much the rest of a task must be slower than a new run of
	// the whole step would be, for the step to be offered again.
	stragglerFactor = 2
)

// look reads the tasks of the run and updates the states of their steps. It takes tasks from
// silent workers, and offers steps of stragglers again.
func (s *Share) look() {
	if !s.hasRows() {
		return
	}
	var states []job.TaskState
	asked := time.Now()
	if !s.call("tasks not read", func(ctx context.Context) (err error) {
		states, err = s.c.Store.TaskStates(ctx, s.c.JobID, s.c.Run)
		return err
	}) {
		return
	}
	// While this process could not reach the database, the workers may not have reached
	// it either. So a gap begins the time anew after which silent ones lose their tasks.
	if asked.Sub(s.reached) > s.c.Stale/2 {
		s.regular = asked
	}
	s.reached = asked
	byID := map[int64]job.TaskState{}
	for _, st := range states {
		byID[st.ID] = st
	}
	var silent []int64
	var slow []*Step
	s.mu.Lock()
	idle := !slices.ContainsFunc(s.steps, func(t *Step) bool { return !t.ended && !t.running && t.state == Open })
	for _, t := range s.steps {
		if t.ended {
			continue
		}
		silent = append(silent, s.advance(t, byID)...)
		if idle && s.isSlow(t, byID) {
			slow = append(slow, t)
			t.duplicated = true
		}
	}
	s.mu.Unlock()
	if asked.Sub(s.regular) >= s.c.Stale {
		for _, id := range silent {
			s.call("silent worker keeps its task", func(ctx context.Context) error { return s.c.Store.LoseTask(ctx, id, s.c.Stale) })
		}
	}
	for _, t := range slow {
		s.c.Log.InfoContext(s.ctx, "slow step offered again", "step", t.step.ID)
		s.c.Metrics.count(t.step, resultStraggler)
	}
	if len(slow) > 0 {
		s.offer(slow)
		s.reopen(slow)
	}
}

// reopen lets this process take steps that were offered again.
func (s *Share) reopen(steps []*Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range steps {
		if t.state == Elsewhere {
			t.set(Open)
		}
	}
}

// advance sets the state of a step from what the database says of its tasks. It returns the
// ids of the tasks whose workers are silent.
func (s *Share) advance(t *Step, byID map[int64]job.TaskState) (silent []int64) {
	var left []row
	elsewhere, offered, progress := false, false, 0.0
	for _, r := range t.rows {
		st, known := byID[r.id]
		switch {
		case r.own:
			left = append(left, r)
			continue
		case !known: // the job was cancelled or taken over, and this run is about to end
			continue
		case st.Status == job.TaskDone:
			s.made(t, st)
			return nil
		case st.Status == job.TaskFailed:
			s.failed(t, st)
			continue
		}
		r.status = st.Status
		left = append(left, r)
		if st.Status == job.TaskRunning {
			elsewhere = true
			progress = max(progress, st.Progress)
			if st.Silent > s.c.Stale {
				silent = append(silent, r.id)
			}
		} else {
			offered = true
		}
	}
	t.rows = left
	switch {
	case t.running || t.state == Made:
	case elsewhere && !offered:
		t.set(Elsewhere)
	default:
		t.set(Open)
	}
	if elsewhere && !t.running {
		t.progress(progress)
	}
	return silent
}

// made records that another process has stored the artifacts of a step.
func (s *Share) made(t *Step, st job.TaskState) {
	if t.state == Made {
		return
	}
	s.rate(t.step, st.Running)
	s.nodes[st.Node]++
	for _, i := range t.step.Outputs {
		if !slices.Contains(s.outputs[i], st.Node) {
			s.outputs[i] = append(s.outputs[i], st.Node)
		}
	}
	s.c.Log.DebugContext(s.ctx, "step made elsewhere", "step", t.step.ID, "worker", st.Node, "took", st.Running)
	s.c.Metrics.count(t.step, resultElsewhere)
	t.set(Made)
}

// failed records that a worker could not run a step. The step is offered again, to other
// workers first, or after maxFailures run here.
func (s *Share) failed(t *Step, st job.TaskState) {
	s.c.Log.WarnContext(s.ctx, "step failed elsewhere", "step", t.step.ID, "worker", st.Node, "error", st.Error)
	s.c.Metrics.count(t.step, resultFailed)
	s.drop = append(s.drop, st.ID)
	t.failures++
	t.tried = append(t.tried, st.Node)
	t.local = t.local || t.failures >= maxFailures
}

// rate records how fast a step was run.
func (s *Share) rate(st transcode.Step, took time.Duration) {
	if st.Cost > 0 && took > 0 {
		s.rates = append(s.rates, st.Cost/took.Seconds())
	}
}

// isSlow reports whether all tasks of a step are stragglers. The median of the rates that
// the run has seen says how long a new run of the step would take. The time that is left of
// a task is estimated from its progress.
func (s *Share) isSlow(t *Step, byID map[int64]job.TaskState) bool {
	if t.state != Elsewhere || t.duplicated || t.local || len(s.rates) == 0 || t.step.Cost <= 0 {
		return false
	}
	sorted := slices.Sorted(slices.Values(s.rates))
	again := t.step.Cost / sorted[len(sorted)/2]
	for _, r := range t.rows {
		st := byID[r.id]
		if st.Status != job.TaskRunning || st.Running < stragglerAfter {
			return false
		}
		ran := st.Running.Seconds()
		if st.Progress > 0 && ran*(1-st.Progress)/st.Progress < stragglerFactor*again {
			return false
		}
		if st.Progress == 0 && ran < stragglerFactor*again {
			return false
		}
	}
	return true
}
