package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/copra-video/copra/migrations"
)

// migrationLock is the key of the advisory lock of the process that migrates. The
// number is arbitrary, and must be the same in all versions.
const migrationLock = 7_262_301_452_001

// Migrate brings Copra's and River's schema up to date with this program. When
// several processes start at once, one migrates and the others wait.
func Migrate(ctx context.Context, databaseURL string, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	pool, _, err := connectPool(ctx, databaseURL, 4, false)
	if err != nil {
		return err
	}
	defer pool.Close()
	// Most starts have nothing to do, which one connection finds out. When this
	// fails, what follows fails too, and says why.
	if done, err := upToDate(ctx, pool); err == nil && done {
		return nil
	}
	if err := checkEncoding(ctx, pool); err != nil {
		return err
	}
	unlock, err := lockMigrations(ctx, pool, log)
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	err = errors.Join(migrateOurs(ctx, db, log), db.Close())
	if err == nil {
		err = migrateRiver(ctx, pool, log)
	}
	unlock()
	return err
}

// checkEncoding fails where the database cannot store every text that a job may have.
// SQL_ASCII can: it stores bytes as they come.
func checkEncoding(ctx context.Context, pool *pgxpool.Pool) error {
	var name, encoding string
	err := pool.QueryRow(ctx, `SELECT current_database(), current_setting('server_encoding')`).Scan(&name, &encoding)
	switch {
	case err != nil:
		return fmt.Errorf("reach the database: %w", err)
	case encoding != "UTF8" && encoding != "SQL_ASCII":
		return fmt.Errorf("the database %q has the encoding %s, in which not every text of a job can be stored: "+
			"make one with CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", name, encoding, pgx.Identifier{name}.Sanitize())
	}
	return nil
}

// lockMigrations waits for the lock, which ends with its transaction: a lock of the
// session would stay with the server connection of a pooler such as PgBouncer, and
// the next process would wait for ever.
//
// It polls, because a statement that waits in PostgreSQL holds a snapshot, and CREATE
// INDEX CONCURRENTLY in the migration of another process would wait for the end of
// that snapshot: a deadlock. A transaction between its statements holds none.
func lockMigrations(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (unlock func(), err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	notice := time.After(lockNotice)
	for {
		unlock, err := tryLock(ctx, pool)
		if err != nil || unlock != nil {
			return unlock, err
		}
		select {
		case <-tick.C:
		case <-notice:
			log.WarnContext(ctx, "waiting for another process that migrates this database")
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another process that migrates: %w", context.Cause(ctx))
		}
	}
}

// lockNotice is how long a process waits for the lock before it says so.
const lockNotice = 2 * time.Second

// tryLock returns nil when another process has the lock.
func tryLock(ctx context.Context, pool *pgxpool.Pool) (unlock func(), err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	end := func() { _ = tx.Rollback(context.WithoutCancel(ctx)) } // it has written nothing
	var got bool
	err = tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(migrationLock)).Scan(&got)
	if err == nil && got {
		// Migrations may take longer than the server lets a transaction wait.
		_, err = tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`)
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("lock the migrations: %w", err)
	}
	if !got {
		end()
		return nil, nil //nolint:nilnil // the caller waits
	}
	return end, nil
}

func migrateOurs(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	current, latest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if current > latest {
		return fmt.Errorf("migrate the database: its schema has version %d and this program knows %d; "+
			"it was used by a newer copra. Run that one, or restore a backup", current, latest)
	}
	done, err := p.Up(ctx)
	for _, r := range done {
		log.InfoContext(ctx, "migrated the database", "file", r.Source.Path, "duration", r.Duration)
	}
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

func migrateRiver(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("read the queue's migrations: %w", err)
	}
	res, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	if len(res.Versions) > 0 {
		log.InfoContext(ctx, "migrated the queue", "versions", len(res.Versions))
	}
	return nil
}
