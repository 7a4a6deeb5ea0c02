// Package pgtest gives tests a real PostgreSQL. Each test process has one
// server, which the first test that asks starts. Each test gets an empty or a
// migrated database in it, in some 30 ms.
//
// The server and its folder disappear when the test process ends, in any way,
// without a TestMain (pgserver.Temporary).
//
// If COPRA_TEST_DATABASE_URL is set, that server is used instead. Its role must
// be allowed to create databases. make test has one for all packages.
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
	"strings"
	"sync"
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

// Encoded returns a database without any schema whose text has an encoding of PostgreSQL,
// such as LATIN1.
func Encoded(t testing.TB, encoding string) *Database {
	t.Helper()
	return create(t, server(t), fmt.Sprintf("template0 ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C'", encoding))
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := pgserver.Temporary(ctx, pgserver.Options{Bin: os.Getenv("COPRA_PG_BIN"), MaxConnections: 300})
	if err != nil {
		return "", err
	}
	return s.URL(), nil
})

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
