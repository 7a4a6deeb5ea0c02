package admission

import (
	"slices"
	"sync"
)

// Yielded counts the runs of a process that have yielded their slots. The zero value has no
// places for runs that upload.
type Yielded struct {
	places int

	mu        sync.Mutex
	n         int
	uploading int          // runs that have a place, at most so many as there are
	next      []*SlotLease // runs that keep their slot until a place is free, the oldest first
}

// NewYielded returns a counter with places for so many runs that upload. There is a bound since
// each upload takes memory and a part of the line; runs that wait for a storage take neither.
func NewYielded(places int) *Yielded { return &Yielded{places: places} }

// Count returns how many there are. The process may take on as many more jobs.
func (y *Yielded) Count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.n
}

// SlotLease is a run's place among the jobs that the process works on at once. A
// run yields it when all its steps have ended and
//
//   - it uploads, and one of the places for that is free,
//   - or it only waits for a storage that is away, so that one customer's storage does not stop
//     the jobs of others, or for a speech service.
//
// What is yielded is not taken back: another job may have started.
type SlotLease struct {
	all *Yielded

	// The lock of all guards these.
	encoded  bool // no step is left that needs the processor
	waiting  int  // uploads that wait for their storage, and what else waits for others
	yielded  bool
	hasPlace bool // it has a place, or one more than there are if it had yielded before
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

// Release ends the lease. It must be called when the run ends.
func (s *SlotLease) Release() {
	s.change(func() {
		s.encoded = false
		if s.yielded {
			s.yielded = false
			s.all.n--
		}
	})
}

// change changes a lease by f, and gives away the places that are free then.
func (s *SlotLease) change(f func()) {
	y := s.all
	y.mu.Lock()
	defer y.mu.Unlock()
	f()
	uploads := s.encoded && s.waiting == 0
	if s.hasPlace && !uploads {
		s.hasPlace = false
		y.uploading--
	}
	y.next = slices.DeleteFunc(y.next, func(other *SlotLease) bool { return other == s })
	switch {
	case s.encoded && s.waiting > 0:
		s.yield()
	case uploads && s.yielded && !s.hasPlace:
		s.place()
	case uploads && !s.yielded:
		y.next = append(y.next, s)
	}
	for len(y.next) > 0 && y.uploading < y.places {
		y.next[0].place()
		y.next = y.next[1:]
	}
}

// place gives the run a place. The lock is held.
func (s *SlotLease) place() {
	s.hasPlace = true
	s.all.uploading++
	s.yield()
}

// yield counts the run. The lock is held.
func (s *SlotLease) yield() {
	if !s.yielded {
		s.yielded = true
		s.all.n++
	}
}
