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

// Deliveries returns the log of the webhooks of a job, in their order. It contains
// no addresses.
func (s *Store) Deliveries(ctx context.Context, keyID, id string) (all []job.DeliveryLog, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		if err := checkJobExists(ctx, tx, keyID, id); err != nil {
			return err
		}
		all, err = readDeliveries(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the deliveries of job %q: %w", id, err)
	}
	return all, nil
}

// Replay queues an additional attempt of delivery n of a job, outside of the retry
// schedule, and returns the log of the delivery so far.
func (s *Store) Replay(ctx context.Context, keyID, id string, n int) (d job.DeliveryLog, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		if err := checkJobExists(ctx, tx, keyID, id); err != nil {
			return err
		}
		var delivery int64
		err := tx.QueryRow(ctx, `SELECT id FROM deliveries WHERE job_id = $1 AND n = $2`, sanitizeText(id), n).Scan(&delivery)
		if errors.Is(err, pgx.ErrNoRows) {
			return job.ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := s.insert(ctx, tx, queue.NotifyArgs{DeliveryID: delivery, Replay: true}, nil); err != nil {
			return fmt.Errorf("queue the delivery: %w", err)
		}
		all, err := readDeliveries(ctx, tx, id)
		for _, l := range all {
			if l.N == n {
				d = l
			}
		}
		return err
	})
	if err != nil {
		return job.DeliveryLog{}, fmt.Errorf("replay delivery %d of job %q: %w", n, id, err)
	}
	return d, nil
}

// checkJobExists returns job.ErrNotFound when the key has no such job.
func checkJobExists(ctx context.Context, tx pgx.Tx, keyID, id string) error {
	var has bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM jobs WHERE id = $1 AND ($2 = '`+job.AnyKey+`' OR key_id = $2))`, sanitizeText(id), keyID).Scan(&has)
	if err == nil && !has {
		err = job.ErrNotFound
	}
	return err
}

func readDeliveries(ctx context.Context, tx pgx.Tx, id string) ([]job.DeliveryLog, error) {
	rows, err := tx.Query(ctx, `
		SELECT n, event, state, created_at, delivered_at, next_at FROM deliveries WHERE job_id = $1 ORDER BY n`, sanitizeText(id))
	if err != nil {
		return nil, err
	}
	place := map[int]int{} // index in all, by number
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.DeliveryLog, error) {
		var d job.DeliveryLog
		var delivered, next *time.Time
		err := row.Scan(&d.N, &d.Event, &d.State, &d.CreatedAt, &delivered, &next)
		d.CreatedAt, d.DeliveredAt, d.NextAt = d.CreatedAt.UTC(), utcOrZero(delivered), utcOrZero(next)
		place[d.N] = len(place)
		return d, err
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, `
		SELECT d.n, a.at, a.status, a.error, a.duration_ms
		FROM deliveries d JOIN delivery_attempts a ON a.delivery_id = d.id WHERE d.job_id = $1 ORDER BY d.n, a.n`, sanitizeText(id))
	if err != nil {
		return nil, err
	}
	var n int
	var ms int64
	var a job.DeliveryAttempt
	_, err = pgx.ForEachRow(rows, []any{&n, &a.At, &a.Status, &a.Error, &ms}, func() error {
		a.At, a.Duration = a.At.UTC(), time.Duration(ms)*time.Millisecond
		d := &all[place[n]]
		d.Attempts = append(d.Attempts, a)
		return nil
	})
	return all, err
}

func utcOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
