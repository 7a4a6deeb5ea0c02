package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"
)

// How soon a connection whose packets are dropped is noticed. A node without power
// and a firewall that forgot the connection send no reset: without these a statement
// waits for the kernel, 15 minutes, although a new connection would work at once.
const (
	// dialTimeout bounds the start of a connection to one address.
	dialTimeout = 5 * time.Second
	// unacknowledged is how long the kernel waits for the other side to acknowledge
	// what was sent, probes of keepalive included (tcp(7), TCP_USER_TIMEOUT).
	unacknowledged = 5 * time.Second
	// pingTimeout bounds the ping of an idle connection before it is used again.
	pingTimeout = time.Second
	// pingIdle is since when a connection has been idle when it is pinged.
	pingIdle = time.Second
	// pingAlways is the same where the connection looks well: the kernel, which probes it, would
	// know within 11 s that the other side is gone. A ping is a transaction, and an idle process
	// would make as many of them as of its own.
	pingAlways = 5 * time.Minute
	// resetAtMost is how often broken connections have all others closed. Clients that go
	// away in the middle of a request break connections too.
	resetAtMost = time.Second
	// closeTimeout bounds the farewell of a connection. Until then it counts against
	// the most connections.
	closeTimeout = time.Second
)

// parseURL parses a database address, and has broken connections noticed soon. It
// drops pgx's error, which may quote the password.
func parseURL(databaseURL string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, errors.New("read the database address: it is not of the form postgres://user:password@host:port/database?sslmode=require")
	}
	c := config.ConnConfig
	if c.ConnectTimeout == 0 { // no connect_timeout in the address
		c.ConnectTimeout = dialTimeout
	}
	// Text is UTF-8 here, whatever the server takes for its own: that of a database without
	// an encoding (SQL_ASCII) is none, which pgx refuses in the simple protocol.
	c.RuntimeParams["client_encoding"] = "UTF8"
	c.DialFunc = dialer(c.ConnectTimeout).DialContext
	config.BeforeClose = func(conn *pgx.Conn) {
		_ = conn.PgConn().Conn().SetDeadline(time.Now().Add(closeTimeout)) // it is closed in any case
	}
	return config, nil
}

// dialer opens connections that end when the other side is gone.
func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control: func(network, _ string, raw syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			var failed error
			err := raw.Control(func(fd uintptr) {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
			})
			return errors.Join(err, failed)
		},
	}
}

// openPool opens the connections. Where one of them is found dead, all that are idle
// are closed: they broke with it, and each would cost a request its ping or its deadline.
func openPool(ctx context.Context, config *pgxpool.Config) (*pgxpool.Pool, error) {
	var pool *pgxpool.Pool
	config.ShouldPing = func(ctx context.Context, p pgxpool.ShouldPingParams) bool {
		if p.IdleDuration < pingIdle || p.IdleDuration < pingAlways && quiet(p.Conn.PgConn().Conn()) {
			return false
		}
		pctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		if err := p.Conn.Ping(pctx); err != nil && ctx.Err() == nil {
			pool.Reset()
			return true // pgx pings once more, finds it closed, and takes another
		}
		return false
	}
	// A statement that ran into its deadline leaves a closed connection. The others may
	// lead into the same hole, without a sign of it.
	var reset atomic.Int64 // when, in Unix nanoseconds
	finish := config.BeforeClose
	config.BeforeClose = func(conn *pgx.Conn) {
		if last, now := reset.Load(), time.Now().UnixNano(); conn.IsClosed() && time.Duration(now-last) > resetAtMost && reset.CompareAndSwap(last, now) {
			go pool.Reset() // not here, in a call of the pool's own
		}
		if finish != nil {
			finish(conn)
		}
	}
	var err error
	pool, err = pgxpool.NewWithConfig(ctx, config)
	return pool, err
}

// NotReadyError says why the database accepts no jobs, in words for everyone.
type NotReadyError string

func (e NotReadyError) Error() string { return string(e) }

// What a database can lack.
const (
	errReadOnly NotReadyError = "the database is read-only: a standby, or default_transaction_read_only is on"
	errRights   NotReadyError = "the database role lacks rights on the tables: it needs SELECT, INSERT and UPDATE"
)

// IsUnavailable reports whether err is a fault of the database or of the way to it
// that may pass, such as a failover: the same request can succeed later.
func IsUnavailable(err error) bool {
	if errors.Is(err, errReadOnly) || errors.Is(err, errRights) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return unavailableCode(e.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// unavailableCode reports whether a SQLSTATE is of a server that cannot do now what
// it usually does. https://www.postgresql.org/docs/current/errcodes-appendix.html
func unavailableCode(code string) bool {
	switch code {
	case "25006", // read_only_sql_transaction
		"42501", // insufficient_privilege
		"53300", // too_many_connections
		"53400": // configuration_limit_exceeded
		return true
	}
	// connection_exception, operator_intervention: shutdown, crash, starting up
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P")
}

// Ready reports whether jobs could be accepted now: the database answers, can be
// written to, and lets this role do so.
func (s *Store) Ready(ctx context.Context) error {
	var readOnly, rights bool
	err := s.pool.QueryRow(ctx, `
		SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
			(SELECT bool_and(has_table_privilege(t, p)) FROM unnest(ARRAY['jobs', 'outputs', 'river_job']) t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) p)`).
		Scan(&readOnly, &rights)
	switch {
	case err != nil:
		return wrapReach(err)
	case readOnly:
		return errReadOnly
	case !rights:
		return errRights
	}
	return nil
}
