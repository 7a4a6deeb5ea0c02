package webhook

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

// A delivery that waits for an answer costs little, but those of many receivers
// that never answer must not take all the places that a process has. So a host
// begins with few places and earns more by answering in time; a few more
// deliveries stand in line for a moment; and the rest are put off, to come back
// when it is expected to be their turn. What is put off because its host does
// not answer stands behind all that was not (Store.Deprioritize).
const (
	firstPlaces = 2  // of a host that nothing is known of
	latePlaces  = 3  // of a host that answers, but not in time
	mostPlaces  = 10 // of a host that answers in time
	silentPlace = 1  // of a host whose last delivery ran out of time

	// promptly is the time to answer in.
	promptly = time.Second
	// linePerPlace is how many stand in line for each place of a host, and
	// lineTime for how long.
	linePerPlace = 3
	lineTime     = 2 * promptly
	// leastWait and mostWait bound for how long a delivery is put off.
	leastWait, mostWait = time.Second, time.Minute

	// manyHosts is when hosts that were not heard of for hostMemory are forgotten.
	manyHosts  = 1000
	hostMemory = time.Minute
)

// receivers knows the deliveries under way and what their hosts are like.
type receivers struct {
	slots int // deliveries that this process can hold at once

	mu    sync.Mutex
	held  int // deliveries that are under way or stand in line
	hosts map[string]*receiver
}

// receiver is a host that takes webhooks.
type receiver struct {
	places int
	busy   int  // deliveries under way
	slow   bool // the last that is known is that it did not answer in time
	known  bool // it has answered in time, and not been silent since
	took   time.Duration
	line   []chan bool // true: there is a place; false: come back later
	next   time.Time   // when the last that was put off comes back
	used   time.Time
}

func newReceivers(slots int) *receivers {
	return &receivers{slots: slots, hosts: map[string]*receiver{}}
}

// host is the one that a notification goes to.
func host(n job.Notification) string {
	if n.Type == "sns" {
		return "sns " + n.Region
	}
	if p, err := url.Parse(n.URL.Reveal()); err == nil {
		return p.Host
	}
	return ""
}

// turn is what enter says: a place, or how long to stay away.
type turn struct {
	leave  func(answered bool) // gives the place back; nil: there was none
	wait   time.Duration
	silent bool // it is put off because the host does not answer
}

// enter takes a place at the host, for which it may stand in line. It fails
// only when ctx has ended.
func (r *receivers) enter(ctx context.Context, host string) (turn, error) {
	r.mu.Lock()
	h := r.find(host)
	if h.busy < h.places && (h.known || r.held < r.slots*3/4) {
		defer r.mu.Unlock()
		r.held++
		h.busy++
		return r.begin(h), nil
	}
	// Half of the slots at most are spent on what only waits.
	if h.slow || len(h.line) >= linePerPlace*h.places || r.held >= r.slots/2 {
		defer r.mu.Unlock()
		return h.putOff(), nil
	}
	ready := make(chan bool, 1)
	h.line = append(h.line, ready)
	r.held++
	r.mu.Unlock()

	var err error
	place, told := false, false
	late := time.NewTimer(lineTime)
	defer late.Stop()
	select {
	case place = <-ready:
		told = true
	case <-late.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !told && !h.quit(ready) {
		place = <-ready // it came at the last moment
	}
	if place && err == nil {
		return r.begin(h), nil
	}
	if place {
		h.busy--
		h.call()
	}
	r.held--
	return h.putOff(), err
}

// find returns what is known of a host.
func (r *receivers) find(host string) *receiver {
	now := time.Now()
	h := r.hosts[host]
	if h == nil {
		if len(r.hosts) >= manyHosts {
			for name, old := range r.hosts {
				if old.busy == 0 && len(old.line) == 0 && now.Sub(old.used) > hostMemory {
					delete(r.hosts, name)
				}
			}
		}
		h = &receiver{places: firstPlaces}
		r.hosts[host] = h
	}
	h.used = now
	return h
}

// begin starts the clock of a delivery that has a place.
func (r *receivers) begin(h *receiver) turn {
	begun := time.Now()
	late := time.AfterFunc(promptly, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		h.hang()
	})
	return turn{leave: func(answered bool) {
		prompt := late.Stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.held--
		h.busy--
		h.used = time.Now()
		h.learn(h.used.Sub(begun), prompt, answered)
		h.call()
	}}
}

// hang is that a delivery has waited for too long.
func (h *receiver) hang() {
	h.slow, h.places, h.took = true, min(h.places, latePlaces), max(h.took, 2*promptly)
	for _, ready := range h.line {
		ready <- false
	}
	h.line = nil
}

// learn draws the conclusion from a delivery. A refused connection is prompt: it
// holds nobody up.
func (h *receiver) learn(took time.Duration, prompt, answered bool) {
	h.took += (took - h.took) / 4
	switch {
	case prompt:
		h.slow, h.places = false, min(h.places+1, mostPlaces)
		h.known = h.known || answered
		if h.next.After(time.Now().Add(leastWait)) {
			h.next = time.Time{} // it is back
		}
	case answered:
		h.places = min(h.places+1, latePlaces)
	default:
		h.places, h.known = silentPlace, false
	}
}

// call gives the places that are free to those in line.
func (h *receiver) call() {
	for h.busy < h.places && len(h.line) > 0 {
		h.busy++
		h.line[0] <- true
		h.line = h.line[1:]
	}
}

// quit leaves the line and reports whether it stood there.
func (h *receiver) quit(ready chan bool) bool {
	i := slices.Index(h.line, ready)
	if i < 0 {
		return false
	}
	h.line = slices.Delete(h.line, i, i+1)
	return true
}

// putOff says when to come back: each at the time when the host is expected to
// be done with those before it.
func (h *receiver) putOff() turn {
	now := time.Now()
	each := h.took / time.Duration(h.places)
	h.next = later(now.Add(leastWait), h.next.Add(each))
	if last := now.Add(mostWait); h.next.After(last) {
		h.next = last
	}
	return turn{wait: h.next.Sub(now), silent: h.slow}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
