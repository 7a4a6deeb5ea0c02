package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// jobChannel is notified with the id of a job after each transaction that changes
// a visible part of the job.
const jobChannel = "copra_job"

const (
	// pollInterval is how often watchers are woken while no connection listens.
	pollInterval = time.Second
	// pingAfter is the time without notifications after which the connection is
	// checked: a broken one may show no error.
	pingAfter = 30 * time.Second
	// callTimeout bounds statements that nobody waits for.
	callTimeout = 5 * time.Second
)

// jobListener wakes watchers when their job has changed. One connection of the
// process listens for all watchers. It is opened for the first of them, and is
// not taken from the pool, since it is never given back.
type jobListener struct {
	connect func(ctx context.Context) (*pgx.Conn, error)
	log     *slog.Logger

	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by job id
	cancel   context.CancelFunc                    // nil before the first watcher
	closed   bool
	done     chan struct{} // closed when run has ended
}

func newJobListener(config *pgx.ConnConfig, log *slog.Logger) *jobListener {
	return &jobListener{
		connect:  func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, config.Copy()) },
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
		err := l.listen(ctx, func() { failures = 0 })
		if ctx.Err() != nil {
			return
		}
		if failures == 0 {
			l.log.Warn("listening for changed jobs failed; polling instead", "error", err)
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
// breaks. It calls listening when it has begun.
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
		_ = conn.Close(cctx) // no data can be lost
	}()
	if _, err := conn.Exec(cctx, `LISTEN `+jobChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listening()
	l.wakeAll() // for changes before LISTEN
	for {
		wctx, cancel := context.WithTimeout(ctx, pingAfter)
		n, err := conn.WaitForNotification(wctx)
		cancel()
		switch {
		case err == nil:
			l.wake(n.Payload)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			pctx, cancel := context.WithTimeout(ctx, callTimeout)
			err := conn.Ping(pctx)
			cancel()
			if err != nil {
				return fmt.Errorf("check the connection: %w", err)
			}
		default:
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
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
