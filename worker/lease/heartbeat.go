package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

// errHeartbeatLost ends all work of a process that could not renew its heartbeat
// for dbOutageLimit. Other processes may have taken its jobs long before. That
// does no harm, since a run publishes and records nothing without its lease.
var errHeartbeatLost = errors.New("this worker could not renew its heartbeat for too long and may have been replaced")

// NodeStore is what a heartbeat needs of the database.
type NodeStore interface {
	// Heartbeat stores that a node is alive. It reports whether there is work of nodes
	// whose heartbeat is older than stale, and whether some is due in the queues.
	Heartbeat(ctx context.Context, node string, stale time.Duration, queues []string) (job.Unattended, error)
	// Reap requeues the work of nodes whose heartbeat is older than stale, and work
	// that no node has. What has no attempt left fails instead.
	Reap(ctx context.Context, stale time.Duration) (job.Reaped, error)
}

// HeartbeatConfig is what a Heartbeat is made of.
type HeartbeatConfig struct {
	Store NodeStore
	Node  string
	// Every is the interval of the heartbeat while the process has work, and IdleEvery
	// while it has none. A process whose heartbeat is older than Stale counts as dead.
	Every, IdleEvery, Stale time.Duration
	// Due is called when work waits in one of the Queues or will in a moment, whether it was
	// announced or not. With no Queues it is not called.
	Due    func()
	Queues []string
	// Reaped is called after work of dead processes was requeued or failed.
	Reaped func(job.Reaped)
	Log    *slog.Logger
}

// Heartbeat tells the other processes that this one is alive, and requeues the
// work of those that are not. It is also the registry of the work that runs in
// this process, and ends it when the heartbeat could not be renewed for too long.
type Heartbeat struct {
	c HeartbeatConfig

	busy    chan struct{} // gets a value when work begins in an idle process
	mu      sync.Mutex
	nextID  int
	cancels map[int]context.CancelCauseFunc
}

// reapEvery is how often Reap is called though no process is dead: it looks for other
// things too, and knows how often. idleReapEvery is the same in a process without work.
const (
	reapEvery     = 20 * time.Second
	idleReapEvery = 2 * time.Minute
)

// NewHeartbeat returns a Heartbeat, which begins with Run.
func NewHeartbeat(c HeartbeatConfig) *Heartbeat {
	return &Heartbeat{c: c, busy: make(chan struct{}, 1), cancels: map[int]context.CancelCauseFunc{}}
}

// Track registers one piece of work. It returns the context for it and the
// function that ends it, which must be called.
func (h *Heartbeat) Track(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.nextID
	h.nextID++
	h.cancels[id] = cancel
	if len(h.cancels) == 1 {
		select {
		case h.busy <- struct{}{}:
		default:
		}
	}
	return ctx, func(cause error) {
		cancel(cause)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.cancels, id)
	}
}

func (h *Heartbeat) stopAll(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, cancel := range h.cancels {
		cancel(cause)
	}
}

// Run renews the heartbeat and requeues the work of dead processes until ctx
// ends. It must run for as long as the River client does. It calls started, which
// may be nil, after the first heartbeat.
func (h *Heartbeat) Run(ctx context.Context, started func()) {
	b := heartbeatRun{h: h, last: time.Now()}
	b.once(ctx)
	if started != nil {
		started()
	}
	for {
		wait := h.interval()
		timer := time.NewTimer(time.Until(b.begun.Add(wait)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-h.busy:
			timer.Stop() // from now on the interval is another
		case <-timer.C:
			b.once(ctx)
		}
	}
}

// idle reports whether the process has no work.
func (h *Heartbeat) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.cancels) == 0
}

// interval is the time from one heartbeat to the next.
func (h *Heartbeat) interval() time.Duration {
	if h.idle() {
		return max(h.c.Every, h.c.IdleEvery)
	}
	return h.c.Every
}

// reapInterval is the time from one call of Reap to the next while no process is dead.
func (h *Heartbeat) reapInterval() time.Duration {
	if h.idle() {
		return idleReapEvery
	}
	return reapEvery
}

// heartbeatRun is what Run remembers between two heartbeats.
type heartbeatRun struct {
	h       *Heartbeat
	begun   time.Time // when the last one began
	reaped  time.Time // when Reap was last called
	last    time.Time // when the last one succeeded
	regular time.Time // since when no gap was longer than half of Stale
}

// once renews the heartbeat, and requeues the work of dead processes if that
// succeeded.
func (b *heartbeatRun) once(ctx context.Context) {
	c := b.h.c
	b.begun = time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Stale/2)
	defer cancel()
	waiting, err := c.Store.Heartbeat(ctx, c.Node, c.Stale, c.Queues)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			c.Log.WarnContext(ctx, "heartbeat failed", "error", err)
		}
		if time.Since(b.last) > dbOutageLimit {
			b.h.stopAll(errHeartbeatLost)
		}
		return
	}
	// If this process could not reach the database, the others may not have
	// reached it either. They get the time to renew their heartbeats before they
	// count as dead.
	if time.Since(b.last) > max(c.Stale/2, c.IdleEvery+c.Every/2) {
		b.regular = time.Now()
	}
	b.last = time.Now()
	if waiting.Due {
		c.Due()
	}
	if time.Since(b.regular) < c.Stale || !waiting.Orphans && time.Since(b.reaped) < b.h.reapInterval() {
		return
	}
	b.reaped = time.Now()
	reaped, err := c.Store.Reap(ctx, c.Stale)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		c.Log.WarnContext(ctx, "reap failed", "error", err)
	}
	if reaped.Requeued > 0 {
		c.Log.InfoContext(ctx, "orphaned work requeued", "jobs", reaped.Requeued)
		c.Reaped(reaped)
	}
}
