package admission

import (
	"sync"
	"sync/atomic"
)

// Yielded counts the runs of a process that have yielded their slot.
type Yielded struct{ n atomic.Int64 }

// Count is how many there are: the process may take as many jobs more.
func (y *Yielded) Count() int { return int(y.n.Load()) }

// SlotLease is a run's place among the jobs that the process works on at once. A
// run that has nothing left to do but to wait for a storage that is away yields
// it, so that one customer's storage does not stop the work for the others.
type SlotLease struct {
	all *Yielded

	mu      sync.Mutex
	encoded bool // no step is left
	waiting int  // uploads that wait for their storage
	yielded bool
}

// Lease returns the slot of a run that begins.
func (y *Yielded) Lease() *SlotLease { return &SlotLease{all: y} }

// SetEncoded tells whether all steps of the run's plan have ended.
func (s *SlotLease) SetEncoded(yes bool) { s.change(func() { s.encoded = yes }) }

// WaitForStorage tells that an upload waits, until the returned function.
func (s *SlotLease) WaitForStorage() (done func()) {
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

// Release ends it with the run.
func (s *SlotLease) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.yielded {
		s.all.n.Add(-1)
		s.yielded = false
	}
	s.encoded = false
}
