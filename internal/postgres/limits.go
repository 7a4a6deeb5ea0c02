package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// Limits are how much a key may ask of the server. 0: no limit.
type Limits struct {
	Queued  int // jobs that have not ended, running ones among them
	Running int // jobs that are transcoded at once
}

// LimitKey gives the key in force with this id, or the one whose token begins
// so, other limits. Jobs that are there already stay.
func (s *Store) LimitKey(ctx context.Context, idOrPrefix string, l Limits) error {
	err := s.withTx(ctx, func(tx *txn) error {
		id, err := findKey(ctx, tx, idOrPrefix)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE api_keys SET max_queued = nullif($2, 0), max_running = nullif($3, 0) WHERE id = $1`, id, l.Queued, l.Running)
		return err
	})
	if err != nil {
		return fmt.Errorf("limit the API key %q: %w", idOrPrefix, err)
	}
	return nil
}

// checkQueued holds the jobs of a key, with those that tx has added, against the
// limit; 0: none. Whoever holds the lock on the key counts what all before it
// have added.
func checkQueued(ctx context.Context, tx *txn, keyID string, limit int) error {
	if limit == 0 {
		return nil
	}
	// Not FOR UPDATE, for which the foreign keys of concurrent inserts wait.
	if _, err := tx.Exec(ctx, `SELECT FROM api_keys WHERE id = $1 FOR NO KEY UPDATE`, keyID); err != nil {
		return fmt.Errorf("lock the key: %w", err)
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM jobs WHERE key_id = $1 AND completed_at IS NULL`, keyID).Scan(&n); err != nil {
		return fmt.Errorf("count the jobs of the key: %w", err)
	}
	if n > limit {
		return job.Errorf(job.TooManyJobs, "%d jobs of this API key have not ended, which is its limit; try again when one has.", limit)
	}
	return nil
}

// AcquireRunSlot asks whether the job may be transcoded now in the given River job,
// which has been fetched, under its key's limit on running jobs. When not, wait
// is how long to wait before the question is put again.
func (s *Store) AcquireRunSlot(ctx context.Context, id string, riverID int64) (wait time.Duration, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		var keyID string
		var limit int
		err := tx.QueryRow(ctx, `
			SELECT k.id, coalesce(k.max_running, 0) FROM jobs j JOIN api_keys k ON k.id = j.key_id WHERE j.id = $1`, id).Scan(&keyID, &limit)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && limit == 0 {
			return nil // Claim tells of a job that is not there
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT FROM api_keys WHERE id = $1 FOR NO KEY UPDATE`, keyID); err != nil {
			return fmt.Errorf("lock the key: %w", err)
		}
		var running, waiting int
		err = tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE r.state = 'running' AND r.attempted_at = j.admitted_for), count(*)
			FROM jobs j JOIN river_job r ON r.id = j.river_id
			WHERE j.key_id = $1 AND j.completed_at IS NULL AND j.id <> $2`, keyID, id).Scan(&running, &waiting)
		if err != nil {
			return fmt.Errorf("count the running jobs of the key: %w", err)
		}
		if running >= limit {
			// Many that wait are not all to ask every few seconds.
			wait = min(2*time.Second+time.Duration(waiting)*20*time.Millisecond, time.Minute)
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE jobs SET admitted_for = (SELECT attempted_at FROM river_job WHERE id = $2) WHERE id = $1`, id, riverID)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("admit job %q: %w", id, err)
	}
	return wait, nil
}
