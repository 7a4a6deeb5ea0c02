package postgres

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/copra-video/copra/internal/queue"
)

// txn is a transaction that collects the notifications to send after its commit.
type txn struct {
	pgx.Tx
	queues []string // with new River jobs
	jobs   []string // ids of jobs with visible changes
}

// withTx runs f in a transaction. If f returns nil, it commits, and publishes the
// notifications that were collected.
func (s *Store) withTx(ctx context.Context, f func(*txn) error) error {
	var c *txn
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		c = &txn{Tx: tx}
		return f(c)
	})
	if err == nil {
		s.notifier.publish(c.queues, c.jobs)
	}
	return err
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

// notifyInterval is the shortest time between two NOTIFY statements of a
// process. Notifications in between are sent together.
const notifyInterval = 2 * time.Millisecond

// notifier tells workers of new River jobs, and watchers of changed jobs. It does
// so after the commit and for many transactions at once, for two reasons.
// PostgreSQL takes a lock of the whole server to commit a transaction with a
// NOTIFY, so such commits would wait for one another's write to the disk. And
// River drops the notification of a job inserted less than 100 ms after another
// one, which leaves the job to polling, up to a second later.
//
// Notifications that are lost when a process dies are made up for by polling.
type notifier struct {
	pool     *pgxpool.Pool
	log      *slog.Logger
	inserted atomic.Pointer[func(queues []string)] // nil: nobody in this process asks

	mu           sync.Mutex
	queues, jobs map[string]struct{} // not yet sent

	due    chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

func newNotifier(pool *pgxpool.Pool, log *slog.Logger) *notifier {
	ctx, cancel := context.WithCancel(context.Background()) // close ends it
	n := &notifier{pool: pool, log: log, queues: map[string]struct{}{}, jobs: map[string]struct{}{},
		due: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.run(ctx)
	}()
	return n
}

// close sends the pending notifications.
func (n *notifier) close() {
	n.cancel()
	<-n.done
}

// publish queues notifications and returns at once.
func (n *notifier) publish(queues, jobs []string) {
	if len(queues)+len(jobs) == 0 {
		return
	}
	n.mu.Lock()
	for _, q := range queues {
		n.queues[q] = struct{}{}
	}
	for _, j := range jobs {
		n.jobs[j] = struct{}{}
	}
	n.mu.Unlock()
	signal(n.due)
	if f := n.inserted.Load(); f != nil && len(queues) > 0 {
		(*f)(queues)
	}
}

func (n *notifier) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			n.flush(ctx)
			return
		case <-n.due:
		}
		n.flush(ctx)
		pause.Reset(notifyInterval)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// flush sends the pending notifications. If that fails, they are left to polling.
func (n *notifier) flush(ctx context.Context) {
	channels, payloads := n.take()
	if len(channels) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	_, err := n.pool.Exec(ctx, `
		SELECT pg_notify(CASE n.channel WHEN $3 THEN `+queue.ChannelSQL("n.channel")+` ELSE n.channel END, n.payload)
		FROM unnest($1::text[], $2::text[]) n (channel, payload)`, channels, payloads, queue.InsertTopic)
	if err != nil {
		n.log.DebugContext(ctx, "notify", "error", err)
	}
}

// take removes the pending notifications and returns them.
func (n *notifier) take() (channels, payloads []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for q := range n.queues {
		channels, payloads = append(channels, queue.InsertTopic), append(payloads, queue.InsertPayload(q))
	}
	for j := range n.jobs {
		channels, payloads = append(channels, jobChannel), append(payloads, j)
	}
	clear(n.queues)
	clear(n.jobs)
	return channels, payloads
}

// signal wakes the receiver of c, which has a buffer of one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a signal is pending already
	}
}
