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
	// Claim gives a job to a node and returns the new fencing token. The error is
	// job.ErrLeaseLost when the River job is no longer the job's own, and
	// job.ErrNotFound when there is no such job.
	Claim(ctx context.Context, id string, riverID int64, attempt int, node string) (fence int64, err error)
	Load(ctx context.Context, id string) (job.LoadedJob, error)
	// Record applies events to the job's state and returns it.
	Record(ctx context.Context, id string, fence int64, events ...job.Event) (job.State, error)
	// RecordProbed records input.probed and queues the transcode, in one
	// transaction.
	RecordProbed(ctx context.Context, id string, fence int64, probed job.Event) error
	// SetProgress stores the progress of outputs, 0 to 1 by their keys, and that
	// the run is alive. A nil map stores only the latter.
	SetProgress(ctx context.Context, id string, fence int64, progress map[string]float64) error
}

const (
	// renewEvery is the interval at which a lease is renewed.
	renewEvery = time.Second
	// renewTimeout bounds one renewal. A broken connection may give no sign.
	renewTimeout = 5 * time.Second
	// freshFor is how long an answer of the database counts, see Check.
	freshFor = 2 * renewEvery
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

	checkedAt atomic.Pointer[time.Time] // when the last successful renewal began; nil: none yet

	recording sync.Mutex // held while events are recorded, which may take long

	mu    sync.Mutex
	state job.State
}

// Claim claims and loads a job. It returns a nil lease and no error when there is
// nothing to do: another process has the job, or it is unknown or finished.
func (c *Claimer) Claim(ctx context.Context, id string, riverID int64, attempt int) (*Lease, job.LoadedJob, error) {
	fence, err := c.store.Claim(ctx, id, riverID, attempt, c.node)
	if errors.Is(err, job.ErrLeaseLost) || errors.Is(err, job.ErrNotFound) {
		c.log.InfoContext(ctx, "job not claimed", "cause", err)
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

// Record stamps events with the current time and records them in one
// transaction. While the database is away it waits, for up to half an hour; the
// error then is ErrDatabase. Calls are serialised.
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

// RecordProbed records ffprobe's description of the input and queues the
// transcode. It waits for the database as Record does.
func (l *Lease) RecordProbed(ctx context.Context, metadata []byte) error {
	probed := job.Event{Kind: job.InputProbedEvent, At: time.Now(), Metadata: metadata}
	return retryDB(ctx, func(ctx context.Context) error { return l.store.RecordProbed(ctx, l.id, l.fence, probed) })
}

// SetProgress stores the progress of outputs, 0 to 1 by their keys. It does not
// wait for a database that is away.
func (l *Lease) SetProgress(ctx context.Context, progress map[string]float64) error {
	return l.store.SetProgress(ctx, l.id, l.fence, progress)
}

// IgnoreLost returns nil for job.ErrLeaseLost, and every other error as it is. A
// run whose lease is lost must end without an error: the River job belongs to the
// other run.
func (l *Lease) IgnoreLost(ctx context.Context, err error) error {
	if errors.Is(err, job.ErrLeaseLost) {
		l.log.InfoContext(ctx, "lease lost", "fence", l.fence)
		return nil
	}
	return err
}

// KeepRenewing renews the lease every second until release is called. When the
// lease is lost it calls stop. A run that waits for a slow server makes no other
// statement and learns only in this way that it was cancelled or replaced.
//
// Every other error is ignored, so a run goes on while the database is away. If
// no process can reach the database, none can have claimed the job. If another
// one can, this machine's work is wasted, which does no harm: publishing needs
// a fresh answer, see Check.
func (l *Lease) KeepRenewing(ctx context.Context, stop context.CancelCauseFunc) (release func()) {
	return keepRenewing(ctx, stop, l.renew)
}

// keepRenewing calls renew every second until release is called or the lease is
// lost, which it tells stop.
func keepRenewing(ctx context.Context, stop context.CancelCauseFunc, renew func(context.Context) error) (release func()) {
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
			if err := renew(ctx); errors.Is(err, job.ErrLeaseLost) {
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

// renew asks the database whether the lease is still valid, and tells it that
// the run is alive.
func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	asked := time.Now() // the answer may be old by the time it arrives
	err := l.store.SetProgress(ctx, l.id, l.fence, nil)
	if err == nil {
		l.checkedAt.Store(&asked)
	}
	return err
}

// Check fails unless the lease was valid within the last two seconds. A process
// that was suspended, or cut off from the database, may have lost its job. What
// it published then would replace what its successor has published.
//
// When the last answer is older than two seconds Check asks the database. It may
// block for as long as Record does.
func (l *Lease) Check(ctx context.Context) error {
	if at := l.checkedAt.Load(); at != nil && time.Since(*at) < freshFor {
		return nil
	}
	return retryDB(ctx, l.renew)
}
