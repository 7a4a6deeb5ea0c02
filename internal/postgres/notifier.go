package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// txn is a transaction that keeps whom its commit concerns: the queues that it
// added to, and the jobs of which something can be seen.
type txn struct {
	pgx.Tx
	queues, jobs []string
}

// insert adds a River job to its queue.
func (s *Store) insert(ctx context.Context, tx *txn, args river.JobArgs, o *river.InsertOpts) (*rivertype.JobRow, error) {
	inserted, err := s.river.InsertTx(ctx, tx.Tx, args, o)
	if err != nil {
		return nil, err
	}
	tx.queues = append(tx.queues, inserted.Job.Queue)
	return inserted.Job, nil
}

// River's own word of new work is silenced, see waker: it is sent once in so long.
const riverSilence = 24 * time.Hour

// notifyInterval is between two words of the process: what comes meanwhile is told
// together.
const notifyInterval = 2 * time.Millisecond

// notifier tells workers of new work and watchers of changed jobs, after the commit
// and for many transactions at once. A NOTIFY within a transaction would have
// all commits that notify wait for one another, each for its write to the disk;
// and River drops the word of what is inserted within 100 ms of the last, which
// leaves it to be found by polling, a second later. A word that is lost with its
// process is made up by polling too.
type notifier struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu           sync.Mutex
	queues, jobs map[string]struct{}

	due    chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

func newNotifier(pool *pgxpool.Pool, log *slog.Logger) *notifier {
	ctx, cancel := context.WithCancel(context.Background()) // close ends it
	w := &notifier{pool: pool, log: log, queues: map[string]struct{}{}, jobs: map[string]struct{}{},
		due: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
	return w
}

// close tells what is still to be told.
func (w *notifier) close() {
	w.cancel()
	<-w.done
}

// publish has all who listen hear soon.
func (w *notifier) publish(queues, jobs []string) {
	if len(queues)+len(jobs) == 0 {
		return
	}
	w.mu.Lock()
	for _, q := range queues {
		w.queues[q] = struct{}{}
	}
	for _, j := range jobs {
		w.jobs[j] = struct{}{}
	}
	w.mu.Unlock()
	signal(w.due)
}

func (w *notifier) run(ctx context.Context) {
	gap := time.NewTimer(0)
	defer gap.Stop()
	for {
		select {
		case <-ctx.Done():
			w.flush(ctx)
			return
		case <-w.due:
		}
		w.flush(ctx)
		gap.Reset(notifyInterval)
		select {
		case <-ctx.Done():
		case <-gap.C:
		}
	}
}

// flush sends what has gathered. What cannot be sent is left to polling.
func (w *notifier) flush(ctx context.Context) {
	w.mu.Lock()
	var channels, payloads []string
	for q := range w.queues {
		channels, payloads = append(channels, riverChannel), append(payloads, fmt.Sprintf(`{"queue": %q}`, q))
	}
	for j := range w.jobs {
		channels, payloads = append(channels, jobChannel), append(payloads, j)
	}
	clear(w.queues)
	clear(w.jobs)
	w.mu.Unlock()
	if len(channels) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	_, err := w.pool.Exec(ctx, `
		SELECT pg_notify(CASE n.channel WHEN $3 THEN current_schema() || '.' || n.channel ELSE n.channel END, n.payload)
		FROM unnest($1::text[], $2::text[]) n (channel, payload)`, channels, payloads, riverChannel)
	if err != nil {
		w.log.Debug("telling of new work", "error", err)
	}
}

// riverChannel, below the schema, is what River's clients listen to for new work.
const riverChannel = "river_insert"
