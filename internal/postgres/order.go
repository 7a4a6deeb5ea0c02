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

// The webhooks of a job are sent in the order of its events, unless that would
// delay a later one for long. A delivery is blocked, and has no River job, until
// the one before it has been delivered, has been given up, or has failed
// unblockAfterFailures times. So the first retry, after some seconds, keeps the
// order, and a receiver that refuses one kind of event still gets the others.
//
// Whoever blocks or queues a delivery has locked the row of its job.

const (
	// unblockAfterFailures is the number of failed attempts after which a delivery
	// no longer blocks the next one.
	unblockAfterFailures = 2
	// maxBlocked bounds how long a delivery is blocked in all, for receivers that
	// fail at every event, and for a hand-over that was lost.
	maxBlocked = 10 * time.Minute
)

// hasPredecessor reports whether a job has a delivery that blocks a new one.
func hasPredecessor(ctx context.Context, tx *txn, id string) (bool, error) {
	var has bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM deliveries WHERE job_id = $1 AND state = 'pending' AND attempts < $2)`,
		id, unblockAfterFailures).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("look for earlier deliveries: %w", err)
	}
	return has, nil
}

// unblockNext queues the first blocked delivery of a job, if nothing blocks it
// any more.
func (s *Store) unblockNext(ctx context.Context, tx *txn, jobID string) error {
	var id int64
	err := tx.QueryRow(ctx, `
		UPDATE deliveries SET blocked = false, next_at = now()
		WHERE id = (SELECT id FROM deliveries WHERE job_id = $1 AND blocked ORDER BY n LIMIT 1)
			AND NOT EXISTS (SELECT FROM deliveries WHERE job_id = $1 AND NOT blocked AND state = 'pending' AND attempts < $2)
		RETURNING id`, jobID, unblockAfterFailures).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unblock the next delivery: %w", err)
	}
	if _, err := s.insert(ctx, tx, queue.NotifyArgs{DeliveryID: id}, nil); err != nil {
		return fmt.Errorf("queue the next delivery: %w", err)
	}
	return nil
}

// unblockOverdue queues the deliveries that have been blocked for maxBlocked and
// returns how many.
func (s *Store) unblockOverdue(ctx context.Context) (n int, err error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT job_id FROM deliveries WHERE blocked AND created_at < now() - $1::interval LIMIT 200`, maxBlocked)
	if err != nil {
		return 0, fmt.Errorf("find blocked deliveries: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fmt.Errorf("find blocked deliveries: %w", err)
	}
	for _, id := range ids {
		unblocked, err := s.unblockOverdueOf(ctx, id)
		if err != nil {
			return n, fmt.Errorf("unblock the deliveries of job %q: %w", id, err)
		}
		n += unblocked
	}
	return n, nil
}

// unblockOverdueOf is unblockOverdue for one job.
func (s *Store) unblockOverdueOf(ctx context.Context, jobID string) (n int, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		if _, err := readRow(ctx, tx, jobID, "", "FOR UPDATE"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			UPDATE deliveries SET blocked = false, next_at = now()
			WHERE job_id = $1 AND blocked AND created_at < now() - $2::interval RETURNING id`, jobID, maxBlocked)
		if err != nil {
			return err
		}
		overdue, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		for _, d := range overdue {
			if _, err := s.insert(ctx, tx, queue.NotifyArgs{DeliveryID: d}, nil); err != nil {
				return err
			}
		}
		n = len(overdue)
		return nil
	})
	return n, err
}

// lockDelivery locks the row of the job of a delivery and returns the job's id.
func lockDelivery(ctx context.Context, tx *txn, id int64) (jobID string, err error) {
	err = tx.QueryRow(ctx, `SELECT j.id FROM jobs j JOIN deliveries d ON d.job_id = j.id WHERE d.id = $1 FOR UPDATE OF j`, id).Scan(&jobID)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrNotFound
	}
	return jobID, err
}
