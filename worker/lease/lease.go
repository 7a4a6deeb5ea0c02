// Package lease keeps a job in the hands of one process at a time.
//
// A worker claims a job in the database and gets a fencing token, which grows
// with every claim. Every statement that changes the job names the token and
// fails with job.ErrLeaseLost when there is a newer one. So two processes may
// run one job at once, as after a long pause of one of them, but only the newer
// can record anything.
//
// The database cannot fence what is written to a storage. For that a Lease is
// renewed every second while its run lasts, and Check says whether that
// succeeded a moment ago.
//
// The package also holds the heartbeat by which the others know that this
// process lives, and the register of the work that ends when it cannot be
// renewed.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/job"
)

// Store is what a lease needs of the database. All methods but Claim and Load
// fail with job.ErrLeaseLost when the fencing token is not the newest.
type Store interface {
	// Claim takes a job for a node. It fails with job.ErrLeaseLost when the River
	// job is not the job's own any more, and with job.ErrNotFound.
	Claim(ctx context.Context, id string, riverID int64, attempt int, node string) (fence int64, err error)
	Load(ctx context.Context, id string) (job.LoadedJob, error)
	// Record applies events to the job's state and returns it.
	Record(ctx context.Context, id string, fence int64, events ...job.Event) (job.State, error)
	// RecordProbed records input.probed and queues the transcode, at once.
	RecordProbed(ctx context.Context, id string, fence int64, probed job.Event) error
	// SetProgress notes progress of outputs, 0 to 1 by key, and that the run
	// still works. A nil map notes only the latter.
	SetProgress(ctx context.Context, id string, fence int64, progress map[string]float64) error
}

// renewEvery is how often a lease is renewed, and renewTimeout bounds the wait
// for the answer: a connection may have died without a sign.
const (
	renewEvery   = time.Second
	renewTimeout = 5 * time.Second
)

// Claimer claims jobs for one process.
type Claimer struct {
	store Store
	node  string
	log   *slog.Logger
}

// NewClaimer returns a Claimer for the process called node.
func NewClaimer(store Store, node string, log *slog.Logger) *Claimer {
	return &Claimer{store: store, node: node, log: log}
}

// Lease is one claim of a job. Its methods may be called from several
// goroutines.
type Lease struct {
	store Store
	id    string
	fence int64
	log   *slog.Logger

	renewedAt atomic.Pointer[time.Time] // nil: not yet

	recording sync.Mutex // held while an event is recorded, which may take long

	mu    sync.Mutex
	state job.State
}

// Claim claims and loads a job. The lease is nil, without an error, when there
// is nothing to do: the job is another process's, is unknown, or has ended.
func (c *Claimer) Claim(ctx context.Context, id string, riverID int64, attempt int) (*Lease, job.LoadedJob, error) {
	fence, err := c.store.Claim(ctx, id, riverID, attempt, c.node)
	if errors.Is(err, job.ErrLeaseLost) || errors.Is(err, job.ErrNotFound) {
		c.log.Info("job is not this worker's any more", "job", id, "reason", err)
		return nil, job.LoadedJob{}, nil
	}
	if err != nil {
		return nil, job.LoadedJob{}, fmt.Errorf("claim job %s: %w", id, err)
	}
	loaded, err := c.store.Load(ctx, id)
	if err != nil {
		return nil, job.LoadedJob{}, fmt.Errorf("load job %s: %w", id, err)
	}
	if loaded.State.Finished() {
		return nil, job.LoadedJob{}, nil
	}
	return &Lease{store: c.store, id: id, fence: fence, log: c.log, state: loaded.State}, loaded, nil
}

// JobID is the id of the job.
func (l *Lease) JobID() string { return l.id }

// Fence is the fencing token.
func (l *Lease) Fence() int64 { return l.fence }

// State is the job's state as it was last loaded or recorded.
func (l *Lease) State() job.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Record stamps events with the time and records them. It repeats the statement
// while the database is away; see ErrDatabase for what comes of it in the end.
// Only one call records at a time.
func (l *Lease) Record(ctx context.Context, events ...job.Event) error {
	l.recording.Lock()
	defer l.recording.Unlock()
	now := time.Now()
	for i := range events {
		events[i].At = now
	}
	return retryDB(ctx, func(ctx context.Context) error {
		state, err := l.store.Record(ctx, l.id, l.fence, events...)
		if err == nil {
			l.mu.Lock()
			l.state = state
			l.mu.Unlock()
		}
		return err
	})
}

// RecordProbed records what the input is and hands the job on to be transcoded.
func (l *Lease) RecordProbed(ctx context.Context, metadata []byte) error {
	probed := job.Event{Kind: job.InputProbedEvent, At: time.Now(), Metadata: metadata}
	return retryDB(ctx, func(ctx context.Context) error { return l.store.RecordProbed(ctx, l.id, l.fence, probed) })
}

// SetProgress notes the progress of outputs, 0 to 1 by their keys. It is tried
// once.
func (l *Lease) SetProgress(ctx context.Context, progress map[string]float64) error {
	return l.store.SetProgress(ctx, l.id, l.fence, progress)
}

// IgnoreLost turns "another run has begun" into success: the River job is then
// the other run's to end. It returns every other error as it is.
func (l *Lease) IgnoreLost(err error) error {
	if errors.Is(err, job.ErrLeaseLost) {
		l.log.Info("job was taken over", "job", l.id, "run", l.fence)
		return nil
	}
	return err
}

// KeepRenewing renews the lease every second until release, and calls stop once
// it is lost. That is how a run learns of being cancelled or replaced when no
// word of that reaches it, as while it waits for a slow server.
//
// While the database is away the answer stays out, and the run goes on: when
// nobody can ask, nobody can have taken the job, and when others can, all that
// is lost is the work of a machine. What a run may not do without a fresh answer
// is to publish, see Check.
func (l *Lease) KeepRenewing(ctx context.Context, stop context.CancelCauseFunc) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// Any other trouble is the database's, and not for this to judge.
			if err := l.renew(ctx); errors.Is(err, job.ErrLeaseLost) {
				stop(err)
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// renew asks the database whether the run still has its job, and tells it that
// the run still works.
func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	asked := time.Now()
	err := l.store.SetProgress(ctx, l.id, l.fence, nil)
	if err == nil {
		l.renewedAt.Store(&asked)
	}
	return err
}

// Check fails unless the run had its job a moment ago. A process that was
// stopped for a while, or could not reach the database, may have lost it: what
// it publishes then would replace what its successor has published.
//
// When the last answer is older than two seconds Check asks the database, and
// it waits for it for as long as Record does.
func (l *Lease) Check(ctx context.Context) error {
	if at := l.renewedAt.Load(); at != nil && time.Since(*at) < 2*renewEvery {
		return nil
	}
	return retryDB(ctx, l.renew)
}
