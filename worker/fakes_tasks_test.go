package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

// fakeTasks are the tasks of the one job, as the database has them. Its nodes are the
// processes that are alive.
type fakeTasks struct {
	nodes int

	mu      sync.Mutex
	rows    []*fakeTask
	changed []chan struct{}
}

type fakeTask struct {
	job.NewTask
	job.TaskState
	fence   int64
	run     int64
	touched time.Time
	request []byte
}

// wake wakes the run that has offered the tasks. f.mu is held.
func (f *fakeTasks) wake() {
	for _, c := range f.changed {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (f *fakeTasks) find(id int64) *fakeTask {
	for _, r := range f.rows {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// claimedTask returns a task that its worker has by this token.
func (s *fakeStore) claimedTask(id, fence int64) (*fakeTask, error) {
	r := s.tasks.find(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r == nil || r.fence != fence || r.Status != job.TaskRunning || r.run != s.fence || s.state.Finished() {
		return nil, job.ErrLeaseLost
	}
	r.touched = time.Now()
	return r, nil
}

func (s *fakeStore) OfferTasks(_ context.Context, _ string, run int64, list []job.NewTask) (ids []int64, err error) {
	err = s.j.do("offer", func() error {
		s.mu.Lock()
		err := s.holds(run)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		s.tasks.mu.Lock()
		defer s.tasks.mu.Unlock()
		for _, t := range list {
			id := int64(len(s.tasks.rows) + 1)
			s.tasks.rows = append(s.tasks.rows, &fakeTask{NewTask: t, run: run, request: s.request,
				TaskState: job.TaskState{ID: id, Step: t.Step, Status: job.TaskOffered}})
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

func (s *fakeStore) ClaimTask(_ context.Context, id int64, node string) (t job.ClaimedTask, wait time.Duration, err error) {
	err = s.j.do("claim-task", func() error {
		s.tasks.mu.Lock()
		defer s.tasks.mu.Unlock()
		r := s.tasks.find(id)
		if r == nil || r.Status != job.TaskOffered {
			return job.ErrLeaseLost
		}
		if slices.Contains(r.Tried, node) {
			wait = time.Second
			return nil
		}
		r.fence++
		r.Status, r.Node, r.touched = job.TaskRunning, node, time.Now()
		t = job.ClaimedTask{ID: id, JobID: fakeJob, Fence: r.fence, Step: r.TaskState.Step, Kind: r.TaskState.Kind, Spec: r.Spec, Request: r.request}
		return nil
	})
	return t, wait, err
}

func (s *fakeStore) RenewTask(_ context.Context, id, fence int64, progress float64) error {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	r, err := s.claimedTask(id, fence)
	if err == nil {
		r.Progress = progress
	}
	return err
}

func (s *fakeStore) CompleteTask(_ context.Context, id, fence int64, _ []string) error {
	return s.j.do("task-done", func() error { return s.endTask(id, fence, job.TaskDone, "") })
}

func (s *fakeStore) FailTask(_ context.Context, id, fence int64, reason string) error {
	return s.j.do("task-failed", func() error { return s.endTask(id, fence, job.TaskFailed, reason) })
}

func (s *fakeStore) endTask(id, fence int64, status job.TaskStatus, reason string) error {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	r, err := s.claimedTask(id, fence)
	if err != nil {
		return err
	}
	r.Status, r.Error = status, reason
	s.tasks.wake()
	return nil
}

func (s *fakeStore) TakeTask(_ context.Context, id int64, node string) (taken bool, err error) {
	err = s.j.do("take-task", func() error {
		s.tasks.mu.Lock()
		defer s.tasks.mu.Unlock()
		if r := s.tasks.find(id); r != nil && r.Status == job.TaskOffered {
			r.fence++
			r.Status, r.Node, taken = job.TaskRunning, node, true
		}
		return nil
	})
	return taken, err
}

func (s *fakeStore) LoseTask(_ context.Context, id int64, silent time.Duration) error {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	if r := s.tasks.find(id); r != nil && r.Status == job.TaskRunning && time.Since(r.touched) > silent {
		r.fence++
		r.Status, r.Error = job.TaskFailed, "silent"
	}
	return nil
}

func (s *fakeStore) TaskStates(context.Context, string, int64) (states []job.TaskState, err error) {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	for _, r := range s.tasks.rows {
		if r.ID < 0 {
			continue
		}
		st := r.TaskState
		st.Silent = time.Since(r.touched)
		states = append(states, st)
	}
	return states, nil
}

func (s *fakeStore) DropTasks(_ context.Context, _ string, _ int64, ids ...int64) error {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	for _, r := range s.tasks.rows {
		if r.ID > 0 && (len(ids) == 0 || slices.Contains(ids, r.ID)) {
			r.ID = -r.ID // the ids of others stay
		}
	}
	return nil
}

func (s *fakeStore) LiveNodes(context.Context, time.Duration) (int, error) {
	return max(1, s.tasks.nodes), nil
}

func (s *fakeStore) Watch(string) (<-chan struct{}, func()) {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	c := make(chan struct{}, 1)
	s.tasks.changed = append(s.tasks.changed, c)
	return c, func() {}
}

func (s *fakeStore) JobsWithTasks(context.Context, []string) (map[string]bool, error) {
	return map[string]bool{}, nil
}
