package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// Limits bound the jobs of an API key.
type Limits = job.Limits

// LimitKey sets the limits of an API key, see findKey. Existing jobs stay.
func (s *Store) LimitKey(ctx context.Context, idOrPrefix string, l Limits) error {
	err := s.withTx(ctx, func(tx *txn) error {
		id, err := findKey(ctx, tx, idOrPrefix)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE api_keys SET max_queued = nullif($2, 0), max_running = nullif($3, 0), max_minutes = nullif($4, 0), keep_jobs = nullif($5, interval '0')
			WHERE id = $1`, id, l.Queued, l.Running, l.Minutes, l.Keep)
		return err
	})
	if err != nil {
		return fmt.Errorf("limit the API key %q: %w", idOrPrefix, err)
	}
	return nil
}

// checkLimits fails with a *job.Error when a key may have no further job, see
// checkQueued and quotas.check.
func (s *Store) checkLimits(ctx context.Context, tx *txn, keyID string) error {
	var queued, minutes int
	err := tx.QueryRow(ctx, `SELECT coalesce(max_queued, 0), coalesce(max_minutes, 0) FROM api_keys WHERE id = $1`, keyID).Scan(&queued, &minutes)
	if err != nil {
		return fmt.Errorf("read the limits of the key: %w", err)
	}
	if err := s.quotas.check(ctx, tx, keyID, minutes, s.now()); err != nil {
		return err
	}
	return checkQueued(ctx, tx, keyID, queued)
}

// checkQueued fails with job.TooManyJobs when a key has more jobs than the limit,
// including those that tx has added. 0 is no limit. The lock on the key makes
// concurrent transactions count each other's jobs.
func checkQueued(ctx context.Context, tx *txn, keyID string, limit int) error {
	if limit == 0 {
		return nil
	}
	if err := lockKey(ctx, tx, keyID); err != nil {
		return err
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

// lockKey locks an API key for the rest of the transaction. It does not use FOR
// UPDATE, which would also block concurrent inserts of jobs, by their foreign key.
func lockKey(ctx context.Context, tx *txn, keyID string) error {
	if _, err := tx.Exec(ctx, `SELECT FROM api_keys WHERE id = $1 FOR NO KEY UPDATE`, keyID); err != nil {
		return fmt.Errorf("lock the key: %w", err)
	}
	return nil
}

// AcquireRunSlot asks whether a job may be transcoded now, under the limit of its
// API key on running jobs. riverID is the job's River job, which the caller has
// fetched. If wait is not 0, the job must wait that long before it asks again. A
// slot is given to one attempt of the River job, identified by the time at which
// it was fetched, and is free when that attempt is no longer running.
func (s *Store) AcquireRunSlot(ctx context.Context, id string, riverID int64) (wait time.Duration, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		var keyID string
		var limit int
		err := tx.QueryRow(ctx, `
			SELECT k.id, coalesce(k.max_running, 0) FROM jobs j JOIN api_keys k ON k.id = j.key_id WHERE j.id = $1`, id).Scan(&keyID, &limit)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && limit == 0 {
			return nil // a missing job is the error of Claim
		}
		if err != nil {
			return err
		}
		// The job before the key, as in a retry, so that the two cannot deadlock.
		if _, err := tx.Exec(ctx, `SELECT FROM jobs WHERE id = $1 FOR UPDATE`, id); err != nil {
			return fmt.Errorf("lock the job: %w", err)
		}
		if err := lockKey(ctx, tx, keyID); err != nil {
			return err
		}
		var running, waiting int
		err = tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE `+queue.IsRunning+` AND r.attempted_at = j.run_slot_for), count(*)
			FROM jobs j JOIN river_job r ON r.id = j.river_id
			WHERE j.key_id = $1 AND j.completed_at IS NULL AND j.id <> $2`, keyID, id).Scan(&running, &waiting)
		if err != nil {
			return fmt.Errorf("count the running jobs of the key: %w", err)
		}
		if running >= limit {
			wait = slotWait(waiting)
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE jobs SET run_slot_for = `+queue.FetchedAtSQL("$2")+` WHERE id = $1`, id, riverID)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("acquire a run slot for job %q: %w", id, err)
	}
	return wait, nil
}

// slotWait is how long a job waits for a run slot before it asks again. The more
// jobs wait, the longer each does, to bound the load on the database.
func slotWait(waiting int) time.Duration {
	return min(2*time.Second+time.Duration(waiting)*20*time.Millisecond, time.Minute)
}
