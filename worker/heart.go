package worker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errSilent is why work ends in a process that could not say for databasePatience
// that it lives. Another may have taken its jobs long before; that does no harm,
// since a run publishes and records nothing without asking, see hold.
var errSilent = errors.New("this worker could not renew its heartbeat for too long and may have been replaced")

// heart keeps the contexts of running work, to end them all when the process
// has lost its standing.
type heart struct {
	mu      sync.Mutex
	nextID  int
	cancels map[int]context.CancelCauseFunc
}

func newHeart() *heart { return &heart{cancels: map[int]context.CancelCauseFunc{}} }

// work returns a context for one piece of work, and the function to end it.
func (h *heart) work(ctx context.Context) (context.Context, context.CancelCauseFunc) {
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

func (h *heart) stopAll(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, cancel := range h.cancels {
		cancel(cause)
	}
}

// KeepAlive renews this process's heartbeat and re-queues the work of processes
// that have fallen silent, until ctx ends. It must run as long as the River
// client does. Its first beat is made before it returns from started, which
// may be nil.
func (w *Worker) KeepAlive(ctx context.Context, started func()) {
	last := time.Now()
	var regular time.Time // since when no beat has failed for long
	beat := func() {
		bctx, cancel := context.WithTimeout(ctx, w.Stale/2)
		defer cancel()
		if err := w.Store.Heartbeat(bctx, w.Node); err != nil {
			if ctx.Err() == nil {
				w.Log.Warn("renewing the heartbeat", "node", w.Node, "error", err)
			}
			if time.Since(last) > databasePatience {
				w.heart.stopAll(errSilent)
			}
			return
		}
		// Where the database was away from this process it may have been so from
		// the others, which are not to be taken for dead: they get the time to
		// say that they live.
		if time.Since(last) > w.Stale/2 {
			regular = time.Now()
		}
		last = time.Now()
		if time.Since(regular) < w.Stale {
			return
		}
		n, err := w.Store.Reap(bctx, w.Stale)
		switch {
		case err != nil && ctx.Err() == nil:
			w.Log.Warn("looking for abandoned work", "error", err)
		case n > 0:
			w.Log.Info("re-queued abandoned work", "jobs", n)
			w.Metrics.reaped(n)
			// On a shared volume the dead one's files would lie until the next start.
			if err := w.sweep(); err != nil {
				w.Log.Warn("removing work files of dead workers", "error", err)
			}
		}
	}
	beat()
	if started != nil {
		started()
	}
	tick := time.NewTicker(w.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			beat()
		}
	}
}
