// Package hostlimit is an adaptive concurrency limiter with one limit for each
// host. It keeps hosts that answer slowly, or not at all, from occupying every
// slot of a process.
//
// A host starts with a small limit and raises it by answering in time. Above
// the limit, a few requests wait for a short time; all others are deferred,
// that is, told when to come back. Four facts make up the state of a host: its
// limit, whether it is slow, whether it is proven, and its mean response time.
//
//	state   slow  proven  limit    meaning
//	new     no    no      2        nothing is known about the host
//	prompt  no    yes     2 to 10  it answers within ResponseTarget
//	failing no    no      2 to 10  it fails within ResponseTarget, for example by refusing the connection
//	late    yes   any     1 to 3   a request has taken longer than ResponseTarget
//	silent  yes   no      1        the last request that ended got no answer within its time limit
//
// These events change the state of a host:
//
//	event                                    next state   limit
//	a request ends in time with an answer    prompt       one more, at most 10
//	a request ends in time without answer    slow ends    one more, at most 10
//	a request in flight reaches the target   late         at most 3; waiting requests are deferred
//	a request ends late with an answer       (as it was)  one more, at most 3
//	a request ends late without answer       silent       1
//	no request for a minute                  new          2; only when many hosts are known
//
// Acquire decides in this order, where used counts the slots of the process
// that are taken by requests in flight and by waiting ones:
//
//	condition                                          decision
//	below the limit, and proven or used < 3/4 of all   permit
//	slow, or the queue is full, or used >= 1/2 of all  deferral
//	otherwise                                          wait for twice ResponseTarget at most
package hostlimit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ResponseTarget is the time in which a host should answer.
const ResponseTarget = time.Second

// The limits on the requests in flight to one host.
const (
	initialLimit = 2  // nothing is known about the host
	promptLimit  = 10 // it answers within ResponseTarget
	lateLimit    = 3  // it answers, but later
	silentLimit  = 1  // it has not answered at all
)

const (
	// waitersPerPermit bounds the requests that wait, per permit of the host.
	waitersPerPermit = 3
	// waitTime bounds how long a request waits.
	waitTime = 2 * ResponseTarget
	// minDeferral and maxDeferral bound the delay of a deferred request.
	minDeferral, maxDeferral = time.Second, time.Minute

	// maxHosts is the number of hosts above which those without a request for
	// hostTTL are forgotten.
	maxHosts = 1000
	hostTTL  = time.Minute
)

// Limiter limits the requests in flight to each host. It is safe for concurrent use.
type Limiter struct {
	slots int // of the process

	mu    sync.Mutex
	used  int // slots taken by requests in flight and by waiting ones
	hosts map[string]*hostState
}

// hostState is what is known about one host. Limiter.mu guards it.
type hostState struct {
	limit        int
	inFlight     int
	slow         bool // the latest observation is a response time above ResponseTarget
	proven       bool // it has answered in time and has not been silent since
	meanTime     time.Duration
	waiters      []chan bool // receives true for a permit, false for a deferral
	lastDeferred time.Time   // when the last deferred request is due
	lastUsed     time.Time
}

// New returns a Limiter for a process that can hold so many requests at once.
func New(slots int) *Limiter {
	return &Limiter{slots: slots, hosts: map[string]*hostState{}}
}

// Permit allows one request to a host. Release must be called once.
type Permit struct {
	limiter *Limiter
	host    *hostState
	start   time.Time
	target  *time.Timer // fires at ResponseTarget
}

// Deferral is the error of a request that got no permit. It is to be made again
// after Delay.
type Deferral struct {
	Delay time.Duration
	// Unresponsive is true when the host is slow, and false when it has only
	// too many requests at the moment.
	Unresponsive bool
}

// Error implements error.
func (d *Deferral) Error() string {
	return fmt.Sprintf("the host has as many requests as it may; try again in %s", d.Delay)
}

// Acquire returns a permit for one request to the host. It may wait for one for
// twice ResponseTarget. Its error is a *Deferral, or the cause of the end of ctx.
func (l *Limiter) Acquire(ctx context.Context, host string) (*Permit, error) {
	l.mu.Lock()
	h := l.state(host)
	if h.inFlight < h.limit && (h.proven || l.used < l.slots*3/4) {
		defer l.mu.Unlock()
		l.used++
		h.inFlight++
		return l.permit(h), nil
	}
	// Waiting requests take half of the slots at most.
	if h.slow || len(h.waiters) >= waitersPerPermit*h.limit || l.used >= l.slots/2 {
		defer l.mu.Unlock()
		return nil, h.deferral()
	}
	ready := make(chan bool, 1)
	h.waiters = append(h.waiters, ready)
	l.used++
	l.mu.Unlock()
	return l.wait(ctx, h, ready)
}

// wait waits in the queue of h. The slot is taken already.
func (l *Limiter) wait(ctx context.Context, h *hostState, ready chan bool) (*Permit, error) {
	timeout := time.NewTimer(waitTime)
	defer timeout.Stop()
	granted, notified := false, false
	var err error
	select {
	case granted = <-ready:
		notified = true
	case <-timeout.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !notified && !h.dequeue(ready) {
		granted = <-ready // the decision came at the same time as the timeout
	}
	if granted && err == nil {
		return l.permit(h), nil
	}
	if granted {
		h.inFlight--
		h.wakeNext()
	}
	l.used--
	if err != nil {
		return nil, err
	}
	return nil, h.deferral()
}

// state returns the state of a host, a new one if nothing is known about it.
func (l *Limiter) state(host string) *hostState {
	now := time.Now()
	h := l.hosts[host]
	if h == nil {
		l.evict(now)
		h = &hostState{limit: initialLimit}
		l.hosts[host] = h
	}
	h.lastUsed = now
	return h
}

// evict forgets idle hosts when many are known. Customers choose the names of
// hosts, so the map must not grow without bound.
func (l *Limiter) evict(now time.Time) {
	if len(l.hosts) < maxHosts {
		return
	}
	for name, h := range l.hosts {
		if h.inFlight == 0 && len(h.waiters) == 0 && now.Sub(h.lastUsed) > hostTTL {
			delete(l.hosts, name)
		}
	}
}

// permit starts the clock of a request whose slot and place are taken.
func (l *Limiter) permit(h *hostState) *Permit {
	return &Permit{limiter: l, host: h, start: time.Now(), target: time.AfterFunc(ResponseTarget, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		h.onTimeout()
	})}
}

// Release gives the permit back. answered says whether the host sent an
// answer, of whatever content.
func (p *Permit) Release(answered bool) {
	inTime := p.target.Stop()
	l, h := p.limiter, p.host
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used--
	h.inFlight--
	h.lastUsed = time.Now()
	h.adjust(h.lastUsed.Sub(p.start), inTime, answered)
	h.wakeNext()
}

// onTimeout is called when a request in flight reaches ResponseTarget.
func (h *hostState) onTimeout() {
	h.slow = true
	h.limit = min(h.limit, lateLimit)
	h.meanTime = max(h.meanTime, 2*ResponseTarget)
	for _, ready := range h.waiters {
		ready <- false
	}
	h.waiters = nil
}

// adjust learns from a request that has ended. A refused connection ends in
// time: it occupies no slot for long.
func (h *hostState) adjust(took time.Duration, inTime, answered bool) {
	h.meanTime += (took - h.meanTime) / 4
	switch {
	case inTime:
		h.slow, h.limit = false, min(h.limit+1, promptLimit)
		h.proven = h.proven || answered
		if h.lastDeferred.After(time.Now().Add(minDeferral)) {
			h.lastDeferred = time.Time{} // the host is back, so new deferrals are short
		}
	case answered:
		h.limit = min(h.limit+1, lateLimit)
	default:
		h.limit, h.proven = silentLimit, false
	}
}

// wakeNext gives free permits to the requests that wait.
func (h *hostState) wakeNext() {
	for h.inFlight < h.limit && len(h.waiters) > 0 {
		h.inFlight++
		h.waiters[0] <- true
		h.waiters = h.waiters[1:]
	}
}

// dequeue removes a waiter and reports whether it was still in the queue.
func (h *hostState) dequeue(ready chan bool) bool {
	i := slices.Index(h.waiters, ready)
	if i < 0 {
		return false
	}
	h.waiters = slices.Delete(h.waiters, i, i+1)
	return true
}

// deferral computes when a request is to come back: requests are spaced so that
// each returns when the host should be done with the one before it.
func (h *hostState) deferral() *Deferral {
	now := time.Now()
	due := h.lastDeferred.Add(h.meanTime / time.Duration(h.limit))
	if first := now.Add(minDeferral); due.Before(first) {
		due = first
	}
	if last := now.Add(maxDeferral); due.After(last) {
		due = last
	}
	h.lastDeferred = due
	return &Deferral{Delay: due.Sub(now), Unresponsive: h.slow}
}
