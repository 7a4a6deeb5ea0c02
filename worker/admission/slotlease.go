package admission

import (
	"sync"
	"sync/atomic"
)

// Yielded counts the runs of a process that have yielded their slots.
type Yielded struct{ n atomic.Int64 }

// Count returns how many there are. The process may take on as many more jobs.
func (y *Yielded) Count() int { return int(y.n.Load()) }

// SlotLease is a run's place among the jobs that the process works on at once. A
// run yields it when all its steps have ended and it only waits for a storage that
// is away, so that one customer's storage does not stop the jobs of others; and when it
// only waits for a speech service. What is
// yielded is not taken back: another job may have started.
type SlotLease struct {
	all *Yielded

	mu      sync.Mutex
	encoded bool // no step is left that needs the processor
	waiting int  // uploads that wait for their storage, and what else waits for others
	yielded bool
}

// Lease returns the place of a run that begins.
func (y *Yielded) Lease() *SlotLease { return &SlotLease{all: y} }

// SetEncoded says whether all steps of the run's plan have ended that need the processor.
func (s *SlotLease) SetEncoded(yes bool) { s.change(func() { s.encoded = yes }) }

// WaitForOthers says that the run waits for others until done is called: an upload for its
// storage, a step for a speech service.
func (s *SlotLease) WaitForOthers() (done func()) {
	s.change(func() { s.waiting++ })
	return func() { s.change(func() { s.waiting-- }) }
}

func (s *SlotLease) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if s.encoded && s.waiting > 0 && !s.yielded {
		s.yielded = true
		s.all.n.Add(1)
	}
}

// Release ends the lease. It must be called when the run ends.
func (s *SlotLease) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.yielded {
		s.all.n.Add(-1)
		s.yielded = false
	}
	s.encoded = false
}
