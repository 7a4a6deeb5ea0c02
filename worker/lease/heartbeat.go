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
	// Heartbeat stores that a node is alive.
	Heartbeat(ctx context.Context, node string) error
	// Reap requeues the work of nodes whose heartbeat is older than stale, and work
	// that no node has. What has no attempt left fails instead.
	Reap(ctx context.Context, stale time.Duration) (job.Reaped, error)
}

// HeartbeatConfig is what a Heartbeat is made of.
type HeartbeatConfig struct {
	Store NodeStore
	Node  string
	// Every is the interval of the heartbeat. A process whose heartbeat is older
	// than Stale counts as dead.
	Every, Stale time.Duration
	// Reaped is called after work of dead processes was requeued or failed.
	Reaped func(job.Reaped)
	Log    *slog.Logger
}

// Heartbeat tells the other processes that this one is alive, and requeues the
// work of those that are not. It is also the registry of the work that runs in
// this process, and ends it when the heartbeat could not be renewed for too long.
type Heartbeat struct {
	c HeartbeatConfig

	mu      sync.Mutex
	nextID  int
	cancels map[int]context.CancelCauseFunc
}

// NewHeartbeat returns a Heartbeat, which begins with Run.
func NewHeartbeat(c HeartbeatConfig) *Heartbeat {
	return &Heartbeat{c: c, cancels: map[int]context.CancelCauseFunc{}}
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
	tick := time.NewTicker(h.c.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.once(ctx)
		}
	}
}

// heartbeatRun is what Run remembers between two heartbeats.
type heartbeatRun struct {
	h       *Heartbeat
	last    time.Time // when the last one succeeded
	regular time.Time // since when no gap was longer than half of Stale
}

// once renews the heartbeat, and requeues the work of dead processes if that
// succeeded.
func (b *heartbeatRun) once(ctx context.Context) {
	c := b.h.c
	ctx, cancel := context.WithTimeout(ctx, c.Stale/2)
	defer cancel()
	if err := c.Store.Heartbeat(ctx, c.Node); err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			c.Log.Warn("heartbeat failed", "node", c.Node, "error", err)
		}
		if time.Since(b.last) > dbOutageLimit {
			b.h.stopAll(errHeartbeatLost)
		}
		return
	}
	// If this process could not reach the database, the others may not have
	// reached it either. They get the time to renew their heartbeats before they
	// count as dead.
	if time.Since(b.last) > c.Stale/2 {
		b.regular = time.Now()
	}
	b.last = time.Now()
	if time.Since(b.regular) < c.Stale {
		return
	}
	reaped, err := c.Store.Reap(ctx, c.Stale)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		c.Log.Warn("reap failed", "error", err)
	}
	if reaped.Requeued > 0 {
		c.Log.Info("orphaned work requeued", "jobs", reaped.Requeued)
		c.Reaped(reaped)
	}
}
