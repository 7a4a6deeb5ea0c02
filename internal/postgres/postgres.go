// Package postgres keeps everything that lasts, and holds every SQL statement
// of the program. Store implements the small interfaces that api and worker
// declare.
//
//	migrate.go     the schema, ours and River's
//	inspect.go     what a database is, for copra doctor
//	keys.go        API keys
//	limits.go      how much a key may ask for
//	create.go      a job accepted, with idempotency
//	jobs.go        a job read
//	list.go        a key's jobs, newest first
//	run.go         a worker takes a job: claim, fence, progress
//	record.go      a job changed: the one way
//	cancel.go      a job ended by its customer
//	retry.go       a finished job begun again by its customer
//	history.go     a job's events
//	listener.go    word of changes, as they happen
//	notifier.go    that word sent, and that of new work
//	deliveries.go  webhooks to be sent
//	order.go       in which order
//	deliverylog.go   what became of them, and replay
//	nodes.go       workers' heartbeats
//	reap.go        what dead workers held, and what was abandoned
//	stats.go       figures for /metrics
//
// Three rules hold throughout. A job changes only through record, which locks
// its row, so that state, events, deliveries and River jobs are written
// together or not at all. A worker writes only as long as its run is the job's
// last. Requests are sealed before they come near a statement.
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

	"github.com/copra-video/copra/internal/seal"
)

// Options of a Store.
type Options struct {
	// MaxConns is the most connections that the store opens. Defaults to 20.
	MaxConns int32

	// Sealer encrypts the stored requests. Required.
	Sealer *seal.Sealer

	// Log is for what goes on behind the store's back. Defaults to none.
	Log *slog.Logger
}

// Store is the database. It is safe for concurrent use.
type Store struct {
	pool     *pgxpool.Pool
	river    *river.Client[pgx.Tx]
	sealer   *seal.Sealer
	log      *slog.Logger
	listener *jobListener
	notifier *notifier
	now      func() time.Time

	lastStrandedScan atomic.Int64 // when, in nanoseconds since 1970
}

// Open connects to the database at databaseURL, whose schema Migrate has made.
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
	config, err := parseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = o.MaxConns
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	// Without queues and workers the client only inserts.
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: o.Log, FetchCooldown: riverSilence, FetchPollInterval: riverSilence})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	s := &Store{pool: pool, river: client, sealer: o.Sealer, log: o.Log, now: time.Now,
		listener: newJobListener(config.ConnConfig, o.Log)}
	if err := s.check(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	s.notifier = newNotifier(pool, o.Log)
	return s, nil
}

// check reports whether the database answers and has a schema.
func (s *Store) check(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	var ours, rivers bool
	err := s.pool.QueryRow(ctx, `SELECT to_regclass('jobs') IS NOT NULL, to_regclass('river_job') IS NOT NULL`).Scan(&ours, &rivers)
	if err != nil {
		return fmt.Errorf("look for the schema: %w", err)
	}
	if !ours || !rivers {
		return errors.New("open the database: it has no schema of copra's; make it with `copra migrate`")
	}
	return nil
}

// parseURL drops what pgx says of an address that it cannot read, since it may
// quote the password.
func parseURL(databaseURL string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, errors.New("read the database address: it is not of the form postgres://user:password@host:port/database?sslmode=require")
	}
	return config, nil
}

// Close ends all connections, after waiting for those in use.
func (s *Store) Close() {
	s.listener.close()
	s.notifier.close()
	s.pool.Close()
}

// Pool is for River, which shares the connections.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	return nil
}

// withTx runs f in a transaction and commits when it returns nil; then it tells
// whom that concerns.
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

// sanitizeText makes text that PostgreSQL stores: valid UTF-8 without NUL. Names and
// tags in media files are neither by nature.
func sanitizeText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// sanitizeJSON is a json column's value: nil for NULL.
func sanitizeJSON(raw json.RawMessage) *string {
	if raw == nil {
		return nil
	}
	text := string(bytes.ToValidUTF8(raw, []byte("\uFFFD")))
	return &text
}

// encodeJSON is json.Marshal without its escaping for HTML, since what ffprobe
// found and the customer's addresses are to come back as they were.
func encodeJSON(v any) (*string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return sanitizeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
