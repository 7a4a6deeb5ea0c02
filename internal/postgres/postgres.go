// Package postgres is the only package with SQL statements. Its Store implements
// the small interfaces that api, worker and webhook declare. DESIGN.md states the
// invariants and the alternatives that were refused.
//
//	connect.go      connections, how soon broken ones are noticed, whether it is ready
//	pooler.go       what a pooler such as PgBouncer takes away
//	migrate.go      bring the schema up to date, Copra's and River's
//	inspect.go      the state of a database, for copra doctor
//	keys.go         API keys
//	signing.go      secrets that sign a key's webhooks
//	limits.go       how many jobs a key may have queued and running
//	create.go       accept a job, with idempotency
//	jobs.go         read a job
//	list.go         read a page of a key's jobs, or of all
//	history.go      read a job's events
//	detail.go       what the console shows of a job and of its webhooks
//	overview.go     what the console shows of a deployment
//	sessions.go     who is signed in to the console
//	run.go          claim a job, its fence, its progress
//	record.go       change a job, the only way
//	tasks.go        steps of a job that any worker may run
//	cancel.go       end a job for its customer
//	retry.go        start a finished job again for its customer
//	deliveries.go   webhooks to be sent
//	order.go        the order of a job's webhooks
//	deliverylog.go  attempts to send webhooks, and replays
//	notifier.go     transactions, and the notifications that follow them
//	listener.go     notifications of changed jobs, for watchers
//	ffmpegruns.go   the runs of ffmpeg, for the log of a job
//	usage.go        minutes, bytes and CPU time by key and day; old jobs
//	nodes.go        heartbeats of workers
//	reap.go         requeue what dead workers held
//	stranded.go     requeue jobs without a River job
//	finished.go     which jobs need their artifacts no more
//	stats.go        figures for /metrics
//
// Three rules hold throughout. A job changes only through record, which locks
// the job's row, so that state, events, deliveries and River jobs are written
// together or not at all. A worker can write only while its run is the latest
// run of the job. Requests are sealed before they are part of a statement.
package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/seal"
)

// Options of a Store.
type Options struct {
	// MaxConns is the maximum number of connections. Defaults to 20.
	MaxConns int32

	// Sealer encrypts the stored requests. Required.
	Sealer *seal.Sealer

	// Log is for errors that no caller gets. Defaults to none.
	Log *slog.Logger
}

// Store is the database. It is safe for concurrent use.
type Store struct {
	pool     *pgxpool.Pool
	pooler   Pooler
	river    *river.Client[pgx.Tx] // only inserts and cancels
	sealer   *seal.Sealer
	log      *slog.Logger
	listener *jobListener
	notifier *notifier
	now      func() time.Time
	quotas   quotas

	lastStrandedScan atomic.Int64 // Unix time in nanoseconds
}

// Open connects to the database at databaseURL. Its schema must be that of
// Migrate.
func Open(ctx context.Context, databaseURL string, o Options) (*Store, error) {
	if o.Sealer == nil {
		return nil, errors.New("open the database: no sealing key was given")
	}
	if o.MaxConns == 0 {
		o.MaxConns = 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	pool, pooler, err := connectPool(ctx, databaseURL, o.MaxConns, true)
	if err != nil {
		return nil, err
	}
	pooler.warn(ctx, o.Log)
	client, err := river.NewClient(riverpgxv5.New(pool), queue.InsertOnlyConfig(o.Log))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	s := &Store{pool: pool, pooler: pooler, river: client, sealer: o.Sealer, log: o.Log, now: time.Now}
	if err := s.check(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	s.notifier = newNotifier(pool, o.Log)
	s.listener = newJobListener(s.pool, pooler.Deaf, o.Log)
	return s, nil
}

// check reports whether the database has a schema.
func (s *Store) check(ctx context.Context) error {
	var ours, rivers bool
	err := s.pool.QueryRow(ctx, `SELECT to_regclass('jobs') IS NOT NULL, to_regclass($1) IS NOT NULL`, queue.Table).Scan(&ours, &rivers)
	if err != nil {
		return fmt.Errorf("look for the schema: %w", err)
	}
	if !ours || !rivers {
		return errors.New("open the database: it has no schema of copra's; make it with `copra migrate`")
	}
	return nil
}

// Close sends the pending notifications and closes all connections. It waits for
// those in use.
func (s *Store) Close() {
	s.listener.close()
	s.notifier.close()
	s.pool.Close()
}

// Pool returns the connections, which the River client of a worker shares.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Queue returns the client by which jobs are queued; it works none.
func (s *Store) Queue() *river.Client[pgx.Tx] { return s.river }

// Pooler returns what stands between this process and PostgreSQL.
func (s *Store) Pooler() Pooler { return s.pooler }

// OnInsert has f called with the queues of River jobs that this process has inserted,
// after their commit. f must not block.
func (s *Store) OnInsert(f func(queues []string)) { s.notifier.inserted.Store(&f) }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return wrapReach(s.pool.Ping(ctx))
}

func wrapReach(err error) error {
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	return nil
}

// readOnly is a transaction whose statements all see the same snapshot. Without
// it, a finished output could be read together with a job that is still waiting.
var readOnly = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// sanitizeText returns s as text that PostgreSQL can store: valid UTF-8 without
// NUL. Names and tags in media files may be neither.
func sanitizeText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// sanitizeJSON returns the value of a json column, nil for NULL.
func sanitizeJSON(raw json.RawMessage) *string {
	if raw == nil {
		return nil
	}
	text := string(bytes.ToValidUTF8(raw, []byte("\uFFFD")))
	return &text
}

// encodeJSON is json.Marshal without the escaping for HTML: file names and the
// customer's URLs must come back unchanged.
func encodeJSON(v any) (*string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return sanitizeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
