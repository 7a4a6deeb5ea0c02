package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// errHeartbeatLost is why work ends in a process that could not renew its
// heartbeat for dbOutageLimit. Another may have taken its jobs long before; that
// does no harm, since a run publishes and records nothing without its lease.
var errHeartbeatLost = errors.New("this worker could not renew its heartbeat for too long and may have been replaced")

// NodeStore is what a heartbeat needs of the database.
type NodeStore interface {
	// Heartbeat says that a node lives.
	Heartbeat(ctx context.Context, node string) error
	// Reap queues again what nodes hold whose last heartbeat is older than stale,
	// and what nobody works on, and returns how much that was.
	Reap(ctx context.Context, stale time.Duration) (int, error)
}

// HeartbeatConfig is what a Heartbeat is made of.
type HeartbeatConfig struct {
	Store NodeStore
	Node  string
	// Every is how often the heartbeat is renewed, and Stale after how long a
	// process that does not renew its own is taken for dead.
	Every, Stale time.Duration
	// Requeued is called when work of dead processes was queued again, with how
	// much.
	Requeued func(n int)
	Log      *slog.Logger
}

// Heartbeat tells the other processes that this one lives, and takes back the
// work of those that do not. It knows the work that runs in this process and
// ends all of it when the heartbeat could not be renewed for too long.
type Heartbeat struct {
	c HeartbeatConfig

	mu      sync.Mutex
	nextID  int
	cancels map[int]context.CancelCauseFunc
}

// NewHeartbeat returns a heartbeat that does not beat yet, see Run.
func NewHeartbeat(c HeartbeatConfig) *Heartbeat {
	return &Heartbeat{c: c, cancels: map[int]context.CancelCauseFunc{}}
}

// Track returns a context for one piece of work, and the function to end it,
// which must be called.
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

// Run renews the heartbeat and takes back the work of dead processes, until ctx
// ends. It must run as long as the River client does. It calls started, which
// may be nil, after the first heartbeat.
func (h *Heartbeat) Run(ctx context.Context, started func()) {
	b := beat{h: h, last: time.Now()}
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

// beat is what Run remembers from one heartbeat to the next.
type beat struct {
	h       *Heartbeat
	last    time.Time // of the last that succeeded
	regular time.Time // since when none has failed for long
}

func (b *beat) once(ctx context.Context) {
	c := b.h.c
	ctx, cancel := context.WithTimeout(ctx, c.Stale/2)
	defer cancel()
	if err := c.Store.Heartbeat(ctx, c.Node); err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			c.Log.Warn("renewing the heartbeat", "node", c.Node, "error", err)
		}
		if time.Since(b.last) > dbOutageLimit {
			b.h.stopAll(errHeartbeatLost)
		}
		return
	}
	// Where the database was away from this process it may have been so from
	// the others, which are not to be taken for dead: they get the time to
	// say that they live.
	if time.Since(b.last) > c.Stale/2 {
		b.regular = time.Now()
	}
	b.last = time.Now()
	if time.Since(b.regular) < c.Stale {
		return
	}
	n, err := c.Store.Reap(ctx, c.Stale)
	switch {
	case err != nil && !errors.Is(ctx.Err(), context.Canceled):
		c.Log.Warn("looking for abandoned work", "error", err)
	case n > 0:
		c.Log.Info("re-queued abandoned work", "jobs", n)
		c.Requeued(n)
	}
}
