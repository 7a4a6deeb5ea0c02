package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// blackhole passes connections on to a database. What goes over those that are open
// when drop is called is lost without a word, as behind a node without power.
type blackhole struct {
	net.Listener
	target string

	mu      sync.Mutex
	dropped chan struct{} // of the connections that are opened now
	clients []net.Conn
}

func newBlackhole(t *testing.T, target string) *blackhole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &blackhole{Listener: l, target: target, dropped: make(chan struct{})}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.pass(c) })
		}
	})
	return b
}

func (b *blackhole) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.dropped)
	b.dropped = make(chan struct{})
}

// hangUp closes all connections. Without it a store that is closed says good-bye to each
// dead one, and waits 15 s for the answer.
func (b *blackhole) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.clients {
		c.Close()
	}
}

func (b *blackhole) pass(c net.Conn) {
	b.mu.Lock()
	dropped := b.dropped
	b.clients = append(b.clients, c)
	b.mu.Unlock()
	defer c.Close()
	network := "tcp"
	if strings.HasPrefix(b.target, "/") {
		network = "unix"
	}
	server, err := net.Dial(network, b.target)
	if err != nil {
		return
	}
	defer server.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		copyUntil(c, server, dropped)
	}()
	copyUntil(server, c, dropped)
	server.Close()
	<-answered
}

// copyUntil copies, and from dropped on reads and throws away.
func copyUntil(to io.Writer, from io.Reader, dropped <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-dropped:
		default:
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// through is the address of the database by way of a blackhole.
func through(t *testing.T, address string) (string, *blackhole) {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(int(config.Port))
	target := net.JoinHostPort(config.Host, port)
	if strings.HasPrefix(config.Host, "/") {
		target = config.Host + "/.s.PGSQL." + port
	}
	hole := newBlackhole(t, target)
	u := url.URL{Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Host: hole.Addr().String(), Path: "/" + config.Database, RawQuery: "sslmode=disable"}
	return u.String(), hole
}

// TestDroppedPackets: connections that are dead without a word cost one request its
// deadline and another a ping, not each of them.
func TestDroppedPackets(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	address, hole := through(t, db.URL)
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), address, postgres.Options{Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	t.Cleanup(hole.hangUp)
	var open []func()
	for range 8 {
		c, err := s.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c.Release)
	}
	for _, release := range open {
		release()
	}
	hole.drop()
	for failed := 0; ; failed++ {
		// The deadline of a request; long enough for a connection to count as idle.
		rctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		err := s.Ready(rctx)
		cancel()
		if err == nil {
			if failed == 0 {
				t.Error("nothing was dropped")
			}
			break
		}
		if failed == 3 {
			t.Fatalf("8 dead connections fail more than 3 requests: %v", err)
		}
		if !postgres.IsUnavailable(err) {
			t.Errorf("not taken for a fault that passes: %v", err)
		}
	}
}

// TestNotReady: a database that answers and accepts no jobs says why.
func TestNotReady(t *testing.T) {
	t.Parallel()
	f := open(t)
	if err := f.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(f.url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["default_transaction_read_only"], config.RuntimeParams["role"] = "off", "none"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close(context.WithoutCancel(t.Context())) })
	exec := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Error(err)
		}
		f.Pool().Reset() // the settings of a database are those of new connections
	}
	want := func(says string) {
		t.Helper()
		err := f.Ready(t.Context())
		if e, ok := errors.AsType[postgres.NotReadyError](err); !ok || !strings.Contains(e.Error(), says) || !postgres.IsUnavailable(err) {
			t.Errorf("ready: %v, want %q", err, says)
		}
	}
	name := pgx.Identifier{config.Database}.Sanitize()
	role := pgx.Identifier{"none_" + config.Database}.Sanitize()
	exec("ALTER DATABASE " + name + " SET default_transaction_read_only = on")
	want("read-only")
	if _, _, err := f.CreateKey(t.Context(), "another", job.Secret{}); err == nil || !postgres.IsUnavailable(err) {
		t.Errorf("a write to a read-only database: %v", err)
	}
	exec("ALTER DATABASE " + name + " RESET default_transaction_read_only")
	exec("CREATE ROLE " + role)
	t.Cleanup(func() { exec("ALTER DATABASE " + name + " RESET role"); exec("DROP ROLE " + role) })
	exec("ALTER DATABASE " + name + " SET role = " + role)
	want("rights")
}

// TestUnavailable: mistakes are no faults that pass.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	f := open(t)
	for sql, want := range map[string]bool{"SELECT 1/0": false, "SELEC": false, "DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$": true, "DO $$ BEGIN RAISE SQLSTATE '08006'; END $$": true} {
		_, err := f.Pool().Exec(t.Context(), sql)
		if got := postgres.IsUnavailable(err); got != want || err == nil {
			t.Errorf("%s: %v may pass: %t", sql, err, got)
		}
	}
	if postgres.IsUnavailable(errors.New("anything")) || postgres.IsUnavailable(context.Canceled) {
		t.Error("any error may pass")
	}
}
