package worker

import "sync"

// seat is a run's place among the jobs that the process works on at once. A run
// that has nothing left to do but to wait for a storage that is away gives it up,
// so that one customer's storage does not stop the work for the others.
type seat struct {
	w *Worker

	mu      sync.Mutex
	encoded bool // no step is left
	waiting int  // uploads that wait for their storage
	given   bool // up
}

// waits tells that an upload waits, until the returned function.
func (r *run) waits() (done func()) {
	r.seat.change(func(s *seat) { s.waiting++ })
	r.w.Metrics.waiting(1)
	return func() {
		r.seat.change(func(s *seat) { s.waiting-- })
		r.w.Metrics.waiting(-1)
	}
}

func (s *seat) change(f func(*seat)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	if s.encoded && s.waiting > 0 && !s.given {
		s.given = true
		s.w.parked.Add(1)
	}
}

// leave ends it with the run.
func (s *seat) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given {
		s.w.parked.Add(-1)
		s.given = false
	}
	s.encoded = false
}

// YieldedSlots is how many of the transcodes that run have given up their seat: the
// process may take as many more.
func (w *Worker) YieldedSlots() int { return int(w.parked.Load()) }
