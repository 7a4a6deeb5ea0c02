package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/copra-video/copra/job"
)

// jobChannel is notified with the id of a job after each transaction that changes
// a visible part of the job.
const jobChannel = "copra_job"

const (
	// pollInterval is how often watchers are woken while nothing is heard.
	pollInterval = 500 * time.Millisecond
	// checkAfter is the time without notifications after which the connection is
	// checked, by a notification of our own: a broken one may show no error.
	checkAfter = 30 * time.Second
	// hearAfter is how long such a notification may take.
	hearAfter = 5 * time.Second
	// callTimeout bounds statements that nobody waits for.
	callTimeout = 5 * time.Second
)

// jobListener wakes watchers when their job has changed. One connection of the
// process listens for all watchers. It is opened for the first of them, and is
// not taken from the pool, since it is never given back. Until it has heard
// something it only supplements polling: a LISTEN may be accepted and hear nothing.
type jobListener struct {
	connect  func(ctx context.Context) (*pgx.Conn, error)
	announce func(ctx context.Context) error // sends a notification of no job, over another connection
	deaf     bool                            // a LISTEN is known to hear nothing
	log      *slog.Logger

	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by job id
	cancel   context.CancelFunc                    // nil before the first watcher
	closed   bool
	done     chan struct{} // closed when run has ended
}

func newJobListener(pool *pgxpool.Pool, deaf bool, log *slog.Logger) *jobListener {
	return &jobListener{
		connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, pool.Config().ConnConfig) },
		announce: func(ctx context.Context) error {
			_, err := pool.Exec(ctx, `SELECT pg_notify('`+jobChannel+`', '')`)
			return err
		},
		deaf:     deaf,
		log:      log,
		watchers: map[string]map[chan struct{}]struct{}{},
		done:     make(chan struct{}),
	}
}

// Watch returns a channel that receives a value when the job may have changed,
// and a function that ends the watch. The watcher reads the job to learn what
// changed. Changes are merged while a value waits in the channel, so a slow
// watcher delays nobody. The channel is never closed.
func (s *Store) Watch(id string) (changed <-chan struct{}, stop func()) { return s.listener.watch(id) }

// WatchAll is Watch for all jobs.
func (s *Store) WatchAll() (changed <-chan struct{}, stop func()) {
	return s.listener.watch(job.AnyKey)
}

func (l *jobListener) watch(id string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers[id] == nil {
		l.watchers[id] = map[chan struct{}]struct{}{}
	}
	l.watchers[id][c] = struct{}{}
	if l.cancel == nil && !l.closed {
		l.start()
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

// start starts to listen, until close. No watcher's context bounds it, since it
// serves all of them. l.mu is held.
func (l *jobListener) start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
}

// close ends run and waits for it.
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

// run listens until ctx ends. While it cannot, it wakes all watchers every
// pollInterval.
func (l *jobListener) run(ctx context.Context) {
	for failures := 0; ; failures++ {
		if !l.deaf {
			err := l.listen(ctx, func() { failures = 0 })
			if ctx.Err() != nil {
				return
			}
			if failures == 0 {
				l.log.WarnContext(ctx, "listening for changed jobs failed; polling instead", "error", err)
			}
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

// listen wakes the watchers of each job that is notified, until the connection
// breaks or hears nothing of what this process announces. It calls hearing when it
// has heard something for the first time.
func (l *jobListener) listen(ctx context.Context, hearing func()) error {
	cctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := l.connect(cctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(cctx) // no data can be lost
	}()
	if _, err := conn.Exec(cctx, `LISTEN `+jobChannel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	l.wakeAll() // for changes before LISTEN
	for first := true; ; first = false {
		if err := l.check(ctx, conn); err != nil {
			return err
		}
		if first {
			hearing()
		}
		if err := l.hear(ctx, conn); err != nil {
			return err
		}
	}
}

// hear passes on what is heard until nothing has been for checkAfter.
func (l *jobListener) hear(ctx context.Context, conn *pgx.Conn) error {
	for {
		wctx, cancel := context.WithTimeout(ctx, checkAfter)
		n, err := conn.WaitForNotification(wctx)
		cancel()
		switch {
		case err == nil:
			l.wake(n.Payload)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return nil
		default:
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
}

// check announces and waits until something is heard. It wakes all watchers
// meanwhile.
func (l *jobListener) check(ctx context.Context, conn *pgx.Conn) error {
	actx, cancel := context.WithTimeout(ctx, callTimeout)
	err := l.announce(actx)
	cancel()
	if err != nil {
		return fmt.Errorf("check the connection: %w", err)
	}
	for waited := time.Duration(0); waited < hearAfter; waited += pollInterval {
		wctx, cancel := context.WithTimeout(ctx, pollInterval)
		n, err := conn.WaitForNotification(wctx)
		cancel()
		if err == nil {
			l.wake(n.Payload)
			return nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("wait for a notification: %w", err)
		}
		l.wakeAll()
	}
	return errors.New("a notification of this process's own did not arrive")
}

// wake wakes the watchers of a job, and those of all jobs.
func (l *jobListener) wake(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.watchers[job.AnyKey] {
		signal(c)
	}
	for c := range l.watchers[id] {
		signal(c)
	}
}

func (l *jobListener) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, watchers := range l.watchers {
		for c := range watchers {
			signal(c)
		}
	}
}
