package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/copra-video/copra/migrations"
)

// Info describes a database, for `copra doctor`.
type Info struct {
	Version string // of PostgreSQL, for example "15.18"
	Pending int    // missing migrations, Copra's and River's
	Pooler  Pooler // between this process and PostgreSQL
}

// Inspect describes a database and changes nothing in it.
func Inspect(ctx context.Context, databaseURL string) (Info, error) {
	pool, pooler, err := connectPool(ctx, databaseURL, 3, true)
	if err != nil {
		return Info{}, err
	}
	defer pool.Close()
	info := Info{Pooler: pooler}
	// "15.18 (Debian 15.18-0+deb12u1)" without the part of the packager
	if err := pool.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1)`).Scan(&info.Version); err != nil {
		return Info{}, fmt.Errorf("reach the database: %w", err)
	}
	ours, _, err := pendingOurs(ctx, pool)
	if err != nil {
		return Info{}, fmt.Errorf("read the version of the schema: %w", err)
	}
	rivers, err := pendingRivers(ctx, pool)
	if err != nil {
		return Info{}, fmt.Errorf("read the version of the queue's schema: %w", err)
	}
	info.Pending = ours + rivers
	return info, nil
}

// pendingOurs counts Copra's migrations that the schema lacks, and those that it
// has of a newer program. It reads the table of goose by SQL, because goose's own
// functions create the table when it is missing.
func pendingOurs(ctx context.Context, pool *pgxpool.Pool) (pending, newer int, err error) {
	var exists bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&exists); err != nil {
		return 0, 0, err
	}
	var applied []int64
	if exists {
		if err := pool.QueryRow(ctx, `SELECT coalesce(array_agg(version_id), '{}') FROM goose_db_version WHERE is_applied AND version_id > 0`).Scan(&applied); err != nil {
			return 0, 0, err
		}
	}
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return 0, 0, err
	}
	known := 0
	for _, f := range files {
		v, err := goose.NumericComponent(f)
		if err != nil {
			return 0, 0, err
		}
		if slices.Contains(applied, v) {
			known++
		} else {
			pending++
		}
	}
	return pending, len(applied) - known, nil
}

// upToDate reports whether the schema is exactly that of this program.
func upToDate(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	pending, newer, err := pendingOurs(ctx, pool)
	if err != nil || pending != 0 || newer != 0 {
		return false, err
	}
	rivers, err := pendingRivers(ctx, pool)
	return rivers == 0, err
}

func pendingRivers(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	existing, err := m.ExistingVersions(ctx)
	if err != nil {
		return 0, err
	}
	return len(m.AllVersions()) - len(existing), nil
}
