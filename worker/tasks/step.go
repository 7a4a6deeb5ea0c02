package tasks

import (
	"context"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// State says who may run a step.
type State int

// The states of a step.
const (
	Open      State = iota // the first process that claims it
	Elsewhere              // another process runs it
	Made                   // another process has stored its artifacts
)

// row is one task of a step.
type row struct {
	id     int64
	status job.TaskStatus // "": offered, as far as is known
	own    bool           // this process has claimed it
}

// Step is a step of a run that any process may run. The lock of its Share guards its
// members.
type Step struct {
	share    *Share
	step     transcode.Step
	progress func(float64)
	added    time.Time

	state      State
	changed    chan struct{} // closed when state changes
	rows       []row
	attempts   int      // how often it was offered
	failures   int      // of other processes
	tried      []string // workers that have failed it
	running    bool     // in this process
	since      time.Time
	local      bool // it is offered no more
	duplicated bool // it was offered a second time because it is slow
	ended      bool
}

// offerable reports whether the step waits and has not been offered.
func (t *Step) offerable() bool {
	return !t.running && !t.local && !t.ended && t.state == Open && len(t.rows) == 0
}

// row returns the task that offers the step.
func (t *Step) row(spec []byte) job.NewTask {
	t.attempts++
	n := job.NewTask{
		Step: t.step.ID, Kind: string(t.step.Kind), Attempt: t.attempts, Tried: t.tried, Cost: t.step.Cost, Length: t.step.Duration, Spec: spec,
	}
	return n
}

// set changes the state, and wakes those who wait for that.
func (t *Step) set(s State) {
	if t.state != s {
		t.state = s
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// State returns the state, and a channel that is closed when it has changed.
func (t *Step) State() (State, <-chan struct{}) {
	t.share.mu.Lock()
	defer t.share.mu.Unlock()
	return t.state, t.changed
}

// Take claims the step for this process. It reports false when another process was first. If
// the database does not answer it reports true: at worst the step is run twice.
func (t *Step) Take(ctx context.Context) bool {
	s := t.share
	s.mu.Lock()
	if t.state != Open {
		s.mu.Unlock()
		return false
	}
	var offered int64
	for _, r := range t.rows {
		if r.status == "" || r.status == job.TaskOffered {
			offered = r.id
		}
	}
	t.running, t.since = true, time.Now()
	s.mu.Unlock()
	if offered == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	taken, err := s.c.Store.TakeTask(ctx, offered, s.c.Node)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.c.Log.WarnContext(ctx, "task not taken", "step", t.step.ID, "error", err)
	}
	if taken || err != nil {
		for i := range t.rows {
			if t.rows[i].id == offered {
				t.rows[i].own, t.rows[i].status = true, job.TaskRunning
			}
		}
		s.c.Metrics.count(t.step, resultHere)
		return true
	}
	t.running = false
	t.set(Elsewhere)
	s.wakeUp()
	return false
}

// Unusable says that the artifacts that another process has stored cannot be restored. The
// step is run here.
func (t *Step) Unusable() {
	t.share.mu.Lock()
	defer t.share.mu.Unlock()
	t.local = true
	t.forget()
	t.set(Open)
}

// End says that the run needs the step no more. Other processes lose their tasks of it.
func (t *Step) End() {
	t.share.mu.Lock()
	defer t.share.mu.Unlock()
	if t.running && t.state != Made {
		t.share.rate(t.step, time.Since(t.since))
	}
	t.ended, t.running = true, false
	t.forget()
	t.share.wakeUp()
}

// forget has the tasks of the step ended.
func (t *Step) forget() {
	for _, r := range t.rows {
		t.share.drop = append(t.share.drop, r.id)
	}
	t.rows = nil
}
