package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pooler says what stands between this process and PostgreSQL, and what it takes
// away. The zero value is a connection of its own.
type Pooler struct {
	// Found: a pooler such as PgBouncer has answered in PostgreSQL's place.
	Found bool
	// Deaf: LISTEN is accepted and hears nothing, since each transaction gets another
	// of the pooler's connections.
	Deaf bool
	// Unprepared: a statement that was prepared on one of the pooler's connections is
	// not there on another.
	Unprepared bool
}

const deafness = "notifications do not arrive, so new jobs and events are looked for every second. " +
	"A direct address, or pool_mode = session, makes them arrive"

// String says what the pooler means for Copra, in one line for operators.
func (p Pooler) String() string {
	switch {
	case !p.Found:
		return "no pooler"
	case p.Deaf && p.Unprepared:
		return "through a pooler of transactions without prepared statements: " + deafness
	case p.Deaf:
		return "through a pooler of transactions: " + deafness
	default:
		return "through a pooler that keeps sessions"
	}
}

// connectPool opens the connections to a database, and settles how statements are
// sent. An error means that the database does not answer. Whether a pooler is deaf is
// found out if listens is true; it takes a second where it is.
func connectPool(ctx context.Context, databaseURL string, maxConns int32, listens bool) (*pgxpool.Pool, Pooler, error) {
	config, err := parseURL(databaseURL)
	if err != nil {
		return nil, Pooler{}, err
	}
	config.MaxConns = maxConns
	pool, err := openPool(ctx, config)
	if err != nil {
		return nil, Pooler{}, fmt.Errorf("open the database: %w", err)
	}
	p, err := findPooler(ctx, pool, listens)
	if err != nil {
		pool.Close()
		return nil, Pooler{}, wrapReach(err)
	}
	if !p.Deaf && !p.Unprepared {
		return pool, p, nil
	}
	pool.Close()
	// A connection of the pooler that anyone has said LISTEN on passes notifications to
	// whoever uses it. pgx would keep them until somebody asks for them.
	config.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	if p.Unprepared && !strings.Contains(databaseURL, "default_query_exec_mode") {
		// The types of parameters are asked for once; each statement is then sent whole.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool, err = openPool(ctx, config)
	if err != nil {
		return nil, Pooler{}, fmt.Errorf("open the database: %w", err)
	}
	return pool, p, nil
}

// findPooler looks for a pooler, and what it takes away. It is one statement where
// there is none: a pooler answers the start of a connection itself, with a key to
// cancel by that it has made up.
func findPooler(ctx context.Context, pool *pgxpool.Pool, listens bool) (Pooler, error) {
	c, err := pool.Acquire(ctx)
	if err != nil {
		return Pooler{}, err
	}
	defer c.Release()
	var pid uint32
	// Without the cache of prepared statements, which may not work here.
	if err := c.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return Pooler{}, err
	}
	if pid == c.Conn().PgConn().PID() {
		return Pooler{}, nil
	}
	if listens {
		hears, err := hears(ctx, pool)
		if err != nil || hears {
			return Pooler{Found: true}, err
		}
	}
	seen, err := seesPrepared(ctx, c.Conn())
	return Pooler{Found: true, Deaf: listens, Unprepared: seen}, err
}

// hearTimeout is how long the test of LISTEN waits for its own notification, and
// hearTries how often it sends it.
const (
	hearTimeout = 400 * time.Millisecond
	hearTries   = 2
)

// hears reports whether a connection that listens is told what another announces.
// The same connection would not do: PostgreSQL tells it before the answer, which
// every pooler passes on.
func hears(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	c, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return false, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	channel := "copra_" + strings.ToLower(rand.Text())
	if _, err := c.Exec(ctx, `LISTEN `+channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, err
	}
	for range hearTries {
		if _, err := pool.Exec(ctx, `SELECT pg_notify('`+channel+`', '')`, pgx.QueryExecModeSimpleProtocol); err != nil {
			return false, err
		}
		heard, err := hearsOn(ctx, c, channel)
		if heard || err != nil {
			return heard, err
		}
	}
	return false, nil
}

// hearsOn waits for a notification on the channel. One on another channel proves nothing: c
// may be using the pooler's connection that somebody else has said LISTEN on.
func hearsOn(ctx context.Context, c *pgx.Conn, channel string) (bool, error) {
	wctx, cancel := context.WithTimeout(ctx, hearTimeout)
	defer cancel()
	for {
		n, err := c.WaitForNotification(wctx)
		switch {
		case err == nil && n.Channel == channel:
			return true, nil
		case err == nil:
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return false, nil
		default:
			return false, err
		}
	}
}

// seesPrepared reports whether PostgreSQL has a prepared statement under the name
// that the client gave it. A pooler that carries prepared statements from one
// connection to another gives them names of its own.
func seesPrepared(ctx context.Context, c *pgx.Conn) (bool, error) {
	name, seen := "copra_"+strings.ToLower(rand.Text()), false
	err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Prepare(ctx, name, `SELECT 1`); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = '`+name+`')`, pgx.QueryExecModeSimpleProtocol).Scan(&seen)
		if err == nil && seen {
			err = tx.Conn().Deallocate(ctx, name)
		}
		return err
	})
	return seen, err
}

// warn logs what a pooler takes away.
func (p Pooler) warn(ctx context.Context, log *slog.Logger) {
	if p.Deaf {
		log.WarnContext(ctx, "database", "pooler", p.String())
	}
}
