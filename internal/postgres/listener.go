package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// jobChannel is notified with a job's id after each transaction that changes what
// can be seen of the job.
const jobChannel = "copra_job"

const (
	// pollInterval is how often watchers are woken while no connection listens.
	pollInterval = time.Second
	// pingAfter is after how long without any notification the connection is
	// asked whether it still lives.
	pingAfter   = 30 * time.Second
	callTimeout = 5 * time.Second
)

// listener tells watchers of jobs that these have changed. One connection of the
// process listens for all; it is opened for the first watcher and is not one of
// the pool's, since it is never given back.
type jobListener struct {
	connect func(ctx context.Context) (*pgx.Conn, error)
	log     *slog.Logger

	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by job
	cancel   context.CancelFunc                    // nil: nobody has watched yet
	closed   bool
	done     chan struct{} // closed when the listener has ended
}

func newJobListener(config *pgx.ConnConfig, log *slog.Logger) *jobListener {
	return &jobListener{
		connect:  func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, config.Copy()) },
		log:      log,
		watchers: map[string]map[chan struct{}]struct{}{},
		done:     make(chan struct{}),
	}
}

// Watch returns a channel that gets a value when the job may have changed, and
// the function that ends this. Changes that come while one waits to be taken
// are one, so nobody who is slow holds anybody up; what changed is for the
// watcher to read. The channel is never closed.
func (s *Store) Watch(id string) (changed <-chan struct{}, stop func()) { return s.listener.watch(id) }

func (l *jobListener) watch(id string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers[id] == nil {
		l.watchers[id] = map[chan struct{}]struct{}{}
	}
	l.watchers[id][c] = struct{}{}
	if l.cancel == nil && !l.closed {
		// It serves all watchers, so no one's context bounds it; close does.
		ctx, cancel := context.WithCancel(context.Background())
		l.cancel = cancel
		go func() {
			defer close(l.done)
			l.run(ctx)
		}()
	}
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers[id], c)
		if len(l.watchers[id]) == 0 {
			delete(l.watchers, id)
		}
	}
}

// close ends the listener and waits for it.
func (l *jobListener) close() {
	l.mu.Lock()
	cancel := l.cancel
	l.closed = true
	l.mu.Unlock()
	if cancel != nil {
		cancel()
		<-l.done
	}
}

// run listens until ctx ends. While it cannot, it has the watchers look for
// themselves.
func (l *jobListener) run(ctx context.Context) {
	for failures := 0; ; failures++ {
		err := l.listen(ctx, func() { failures = 0 })
		if ctx.Err() != nil {
			return
		}
		if failures == 0 {
			l.log.Warn("the connection that listens for changes of jobs is gone; polling meanwhile", "error", err)
		}
		l.wakeAll()
		t := time.NewTimer(pollInterval)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// listen wakes the watchers of each job that is notified of, until the
// connection breaks.
func (l *jobListener) listen(ctx context.Context, listening func()) error {
	cctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := l.connect(cctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(cctx) // there is nothing to lose on it
	}()
	if _, err := conn.Exec(cctx, `LISTEN `+jobChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listening()
	l.wakeAll() // for what changed before
	for {
		wctx, cancel := context.WithTimeout(ctx, pingAfter)
		n, err := conn.WaitForNotification(wctx)
		cancel()
		switch {
		case err == nil:
			l.wake(n.Payload)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			actx, cancel := context.WithTimeout(ctx, callTimeout)
			err := conn.Ping(actx)
			cancel()
			if err != nil {
				return fmt.Errorf("ask whether the connection lives: %w", err)
			}
		default:
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
}

func (l *jobListener) wake(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.watchers[id] {
		signal(c)
	}
}

func (l *jobListener) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.watchers {
		for c := range of {
			signal(c)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting there already
	}
}
