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

// The webhooks of a job are sent in the order of its events as far as that
// does not keep a later one back for long: each is queued when the one before
// it was delivered, was given up, or has failed unblockAfterFailures times. So the first
// retry, after some seconds, keeps the order, and a receiver that refuses one
// kind of event gets the others all the same. Whoever queues or holds a
// delivery has locked the job's row.

// unblockAfterFailures is after how many failures a delivery lets the next one pass.
const unblockAfterFailures = 2

// hasPredecessor reports whether a delivery of the job is there that the next one has
// to wait for.
func hasPredecessor(ctx context.Context, tx *txn, id string) (bool, error) {
	var held bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM deliveries WHERE job_id = $1 AND state = 'pending' AND attempts < $2)`,
		id, unblockAfterFailures).Scan(&held)
	if err != nil {
		return false, fmt.Errorf("look for earlier deliveries: %w", err)
	}
	return held, nil
}

// unblockNext queues the next delivery of the job if nothing holds it any more.
func (s *Store) unblockNext(ctx context.Context, tx *txn, jobID string) error {
	var id int64
	err := tx.QueryRow(ctx, `
		UPDATE deliveries SET held = false, next_at = now()
		WHERE id = (SELECT id FROM deliveries WHERE job_id = $1 AND held ORDER BY n LIMIT 1)
			AND NOT EXISTS (SELECT FROM deliveries WHERE job_id = $1 AND NOT held AND state = 'pending' AND attempts < $2)
		RETURNING id`, jobID, unblockAfterFailures).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("release the next delivery: %w", err)
	}
	if _, err := s.insert(ctx, tx, queue.NotifyArgs{DeliveryID: id}, nil); err != nil {
		return fmt.Errorf("queue the next delivery: %w", err)
	}
	return nil
}

// maxBlocked is for how long a delivery may be held in all. It bounds what a
// receiver that fails at every event can hold up, and is the net below the
// hand-over from one delivery to the next.
const maxBlocked = 10 * time.Minute

// unblockOverdue queues what has been held for longer than that, and returns
// how much it was.
func (s *Store) unblockOverdue(ctx context.Context) (n int, err error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT job_id FROM deliveries WHERE held AND created_at < now() - $1::interval LIMIT 200`, maxBlocked)
	if err != nil {
		return 0, fmt.Errorf("look for held deliveries: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fmt.Errorf("look for held deliveries: %w", err)
	}
	for _, id := range ids {
		err := s.withTx(ctx, func(tx *txn) error {
			if _, err := readRow(ctx, tx, id, "", "FOR UPDATE"); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, `
				UPDATE deliveries SET held = false, next_at = now()
				WHERE job_id = $1 AND held AND created_at < now() - $2::interval RETURNING id`, id, maxBlocked)
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
			n += len(overdue)
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("release the held deliveries of job %q: %w", id, err)
		}
	}
	return n, nil
}

// lockDelivery locks the row of the job that a delivery belongs to and returns
// its id.
func lockDelivery(ctx context.Context, tx *txn, id int64) (jobID string, err error) {
	err = tx.QueryRow(ctx, `SELECT j.id FROM jobs j JOIN deliveries d ON d.job_id = j.id WHERE d.id = $1 FOR UPDATE OF j`, id).Scan(&jobID)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrNotFound
	}
	return jobID, err
}
