// Package pgserver starts and stops a PostgreSQL server that belongs to this
// process: the database of `copra standalone`, and of tests. It uses the installed
// PostgreSQL programs (find.go), as a user other than root (identity.go), on a unix
// socket only.
//
// The server lives as long as its owner: Stop stops it, and the kernel interrupts
// it when the owner is killed. Nothing here removes data. Data that cannot be used
// are reported, with what to do.
//
// Options.Dir holds
//
//	data/      the data of PostgreSQL
//	run/       the socket, unless its path is too long for one
//	password   of the one role, copra; mode 0600
//	lock       held while a process owns the server
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	role     = "copra"
	database = "copra"
	// port is part of the name of the socket, .s.PGSQL.5432. No TCP port is opened.
	port = "5432"
)

// Options of a managed server.
type Options struct {
	// Dir is the folder for everything. It is created when it does not exist.
	Dir string

	// Bin is the folder of the programs postgres and initdb. Defaults to a
	// search: /usr/lib/postgresql/*/bin (the version that made the data, else
	// the newest), pg_config --bindir, PATH, postgres/bin beside the executable.
	Bin string

	// Log gets the log of PostgreSQL at debug level. Defaults to none.
	Log *slog.Logger

	// MaxConnections that the server accepts. Defaults to 100.
	MaxConnections int

	// Unsafe turns off what makes data survive a crash of the machine, for tests.
	// Defaults to false.
	Unsafe bool
}

// Server is a running PostgreSQL.
type Server struct {
	url        string
	socket     socketDir
	lock       *os.File
	postmaster *process
	log        *slog.Logger
	created    bool
}

// Start creates the database in o.Dir, unless there is one, starts its server and
// returns when it answers. A second process that starts the same one gets an error.
// ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 100
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the database folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the database folder: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, log: o.Log}
	if err := s.start(ctx, dir, o); err != nil {
		// ctx may have ended, so cleaning up has a context of its own.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stop))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, dir string, o Options) error {
	data := filepath.Join(dir, "data")
	programs, err := findPrograms(ctx, o.Bin, data)
	if err != nil {
		return err
	}
	id, err := chooseIdentity(dir, data)
	if err != nil {
		return err
	}
	password, err := password(dir, data)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		if err := initCluster(ctx, programs, id, dir, password, o.Unsafe); err != nil {
			return err
		}
		s.created = true
	}
	if err := awaitOrphan(ctx, data); err != nil {
		return err
	}
	if s.socket, err = createSocketDir(dir, id); err != nil {
		return err
	}
	s.postmaster, err = startProcess(id.command(programs.postgres, s.arguments(data, o)...), o.Log)
	if err != nil {
		return fmt.Errorf("start %s: %w", programs.postgres, err)
	}
	address := func(db string) string {
		q := url.Values{"host": {s.socket.path}, "port": {port}, "sslmode": {"disable"}}
		u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/" + db, RawQuery: q.Encode()}
		return u.String()
	}
	s.url = address(database)
	return s.waitReady(ctx, address("postgres"))
}

func (s *Server) arguments(data string, o Options) []string {
	settings := []string{
		"listen_addresses=", // the unix socket only
		"unix_socket_permissions=0700",
		fmt.Sprintf("max_connections=%d", o.MaxConnections),
		"logging_collector=off", // the log goes to stderr, which process reads
		"log_destination=stderr",
		"log_line_prefix=",
		"timezone=UTC",
	}
	if o.Unsafe {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB")
	}
	args := []string{"-D", data, "-k", s.socket.path, "-p", port}
	for _, v := range settings {
		args = append(args, "-c", v)
	}
	return args
}

// connectInterval is how often a starting server is tried. It needs some 50 ms,
// and a try without a socket costs next to nothing.
const connectInterval = 5 * time.Millisecond

// waitReady waits until the server answers, and creates our database in it.
func (s *Server) waitReady(ctx context.Context, admin string) error {
	tick := time.NewTicker(connectInterval)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, admin)
		if err == nil {
			defer conn.Close(context.WithoutCancel(ctx))
			return createDatabase(ctx, conn)
		}
		select {
		case <-s.postmaster.done:
			return fmt.Errorf("start PostgreSQL: it ended at once: %w\n%s", s.postmaster.err, s.postmaster.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL to answer: %w (last: %w)\n%s", context.Cause(ctx), err, s.postmaster.lastOutput())
		case <-tick.C:
		}
	}
}

func createDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look for the database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

// URL is the address of the database. It contains the password, so it is a secret.
func (s *Server) URL() string { return s.url }

// Created reports whether this start has made the database.
func (s *Server) Created() bool { return s.created }

// Done is closed when the server has ended for any reason.
func (s *Server) Done() <-chan struct{} { return s.postmaster.done }

// PID is the process id of the server.
func (s *Server) PID() int { return s.postmaster.cmd.Process.Pid }

// Stop ends the server: it rolls back open transactions and writes the data. When
// ctx ends first, the server is killed, and recovers from its log at the next
// start. Stop may be called again.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	if s.postmaster != nil {
		err = s.postmaster.stop(ctx)
	}
	return errors.Join(err, s.socket.remove(), unlock(s.lock))
}
