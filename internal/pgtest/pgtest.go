// Package pgtest gives tests a real PostgreSQL. Each test process has one
// server, which the first test that asks starts. Each test gets an empty or a
// migrated database in it, in some 30 ms.
//
// The server and its folder disappear when the test process ends, in any way,
// without a TestMain: the kernel ends the server (see pgserver), and a small
// shell that holds only a pipe to us then removes the folder.
//
// If COPRA_TEST_DATABASE_URL is set, that server is used instead. Its role must
// be allowed to create databases.
package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/migrations"
)

// Database is the database of one test. It is dropped when the test ends.
type Database struct {
	URL string
}

// New returns a migrated database.
func New(t testing.TB) *Database {
	t.Helper()
	admin := server(t)
	tmpl, err := template(t.Context(), admin)
	if err != nil {
		t.Fatalf("make the template database: %v", err)
	}
	return create(t, admin, tmpl)
}

// Empty returns a database without any schema.
func Empty(t testing.TB) *Database {
	t.Helper()
	return create(t, server(t), "template1")
}

// Exec runs statements in the database.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if err := exec1(t.Context(), d.URL, sql, args...); err != nil {
		t.Fatal(err)
	}
}

// shared is the server of this process.
var shared = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("COPRA_TEST_DATABASE_URL"); given != "" {
		return given, nil
	}
	dir, err := os.MkdirTemp("", "copra-pgtest-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as root, the server runs as another user
		return "", err
	}
	if err := removeAfterUs(dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := pgserver.Start(ctx, pgserver.Options{Dir: dir, Bin: os.Getenv("COPRA_PG_BIN"), MaxConnections: 300, Unsafe: true})
	if err != nil {
		return "", err
	}
	return s.URL(), nil
})

// removeAfterUs starts a shell that removes dir when this process has ended. The
// shell's standard input then ends, since only we hold the other end. The shell
// has its own session, so that Ctrl-C does not reach it, and none of our output
// files, since `go test` waits until all of them are closed. It removes twice
// because the server may still be writing when it ends.
func removeAfterUs(dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", `trap '' INT TERM HUP
		read x
		n=0
		while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
		rm -rf "$1" || { sleep 1; rm -rf "$1"; }`, "sh", dir)
	cmd.Dir = "/"
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the shell that cleans up: %w", err)
	}
	keepOpen = append(keepOpen, w)
	return cmd.Process.Release()
}

// keepOpen keeps the garbage collector from closing our end of the pipe.
var keepOpen []*os.File

func server(t testing.TB) string {
	t.Helper()
	testmedia.Long(t)
	admin, err := shared()
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	return admin
}

var templateOnce struct {
	sync.Mutex
	name string
}

// template returns the name of a migrated database to copy. The name contains a
// fingerprint of the migrations, so that on a server that stays each version
// creates it once.
func template(ctx context.Context, admin string) (string, error) {
	templateOnce.Lock()
	defer templateOnce.Unlock()
	if templateOnce.name != "" {
		return templateOnce.name, nil
	}
	sum, err := fingerprint()
	if err != nil {
		return "", err
	}
	name := "copra_template_" + sum
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Other test processes may create it on the same server.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtext($1))`, name); err != nil {
		return "", err
	}
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&exists); err != nil {
		return "", err
	}
	if !exists {
		half := name + "_half"
		for _, sql := range []string{`DROP DATABASE IF EXISTS ` + half, `CREATE DATABASE ` + half} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return "", err
			}
		}
		if err := postgres.Migrate(ctx, withDatabase(admin, half), nil); err != nil {
			return "", err
		}
		if _, err := conn.Exec(ctx, `ALTER DATABASE `+half+` RENAME TO `+name); err != nil {
			return "", err
		}
	}
	templateOnce.name = name
	return name, nil
}

// fingerprint covers our migrations, and River's by the version of its module.
func fingerprint() (string, error) {
	h := sha256.New()
	h.Write([]byte(riverVersion()))
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		b, err := fs.ReadFile(migrations.FS, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", f, len(b))
		h.Write(b)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6]), nil
}

func create(t testing.TB, admin, tmpl string) *Database {
	t.Helper()
	name := "copra_test_" + strings.ToLower(rand.Text()[:16])
	// A copy fails while a connection to the template is closing.
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := exec1(t.Context(), admin, `CREATE DATABASE `+name+` TEMPLATE `+tmpl)
		if err == nil {
			break
		}
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "55006" || time.Now().After(deadline) {
			t.Fatalf("create a test database: %v", err)
		}
	}
	t.Cleanup(func() {
		// The test's context has ended already.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := exec1(ctx, admin, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return &Database{URL: withDatabase(admin, name)}
}

func exec1(ctx context.Context, url, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql, args...)
	return err
}

func withDatabase(address, name string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // pgx then reports what is wrong with it
	}
	u.Path = "/" + name
	return u.String()
}
