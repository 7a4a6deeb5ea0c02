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

// LoadDelivery returns a webhook to be sent. Its address is read from the sealed
// request each time, so that no table contains it. It fails with job.ErrNotFound
// when the delivery does not exist or its job wants no notification.
func (s *Store) LoadDelivery(ctx context.Context, id int64) (job.Delivery, error) {
	d := job.Delivery{ID: id}
	var r jobRow
	var body string
	var state job.DeliveryState
	var signing []byte
	err := s.pool.QueryRow(ctx, `
		SELECT d.job_id, d.n, d.event, d.body, d.state, j.request_sealed, j.key_id, k.signing_sealed, k.name, j.traceparent
		FROM deliveries d JOIN jobs j ON j.id = d.job_id JOIN api_keys k ON k.id = j.key_id WHERE d.id = $1`, id).
		Scan(&d.JobID, &d.N, &d.Event, &body, &state, &r.sealed, &r.keyID, &signing, &d.KeyName, &d.Traceparent)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrNotFound
	}
	if err != nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: %w", id, err)
	}
	d.Body, d.Done = []byte(body), state != job.DeliveryPending
	r.state.ID = d.JobID
	n, err := s.notificationOf(r)
	if err != nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: %w", id, err)
	}
	if n == nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: its request asks for no notification: %w", id, job.ErrNotFound)
	}
	d.Notification = *n
	if d.Signing, err = s.openSigning(r.keyID, signing); err != nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: %w", id, err)
	}
	return d, nil
}

// SaveAttempt logs an attempt to send a delivery. An attempt without an error marks
// it as delivered. a.Next is the time of the next attempt, or zero.
func (s *Store) SaveAttempt(ctx context.Context, id int64, a job.DeliveryAttempt) error {
	return s.changeDelivery(ctx, "log an attempt of", id, func(tx *txn) error {
		var next *time.Time
		if !a.Next.IsZero() {
			next = &a.Next
		}
		_, err := tx.Exec(ctx, `
			WITH counted AS (
				UPDATE deliveries SET attempts = attempts + 1, blocked = false,
					state = CASE WHEN $4 = '' THEN 'delivered' ELSE state END,
					delivered_at = CASE WHEN $4 = '' THEN coalesce(delivered_at, now()) ELSE delivered_at END,
					next_at = CASE WHEN $4 = '' OR state <> 'pending' THEN NULL ELSE coalesce($6, next_at) END
				WHERE id = $1 RETURNING id, attempts
			)
			INSERT INTO delivery_attempts (delivery_id, n, at, status, error, duration_ms)
			SELECT id, attempts, $2, $3, $4, $5 FROM counted`,
			id, a.At, a.Status, sanitizeText(a.Error), a.Duration.Milliseconds(), next)
		return err
	})
}

// Deprioritize gives the River job of a delivery the lowest priority, because its
// receiver does not answer.
func (s *Store) Deprioritize(ctx context.Context, riverID int64) error {
	if _, err := s.pool.Exec(ctx, queue.DeprioritizeSQL, riverID, queue.LowestPriority); err != nil {
		return fmt.Errorf("deprioritize River job %d: %w", riverID, err)
	}
	return nil
}

// MarkGivenUp ends a delivery after its last attempt. If it has been delivered in
// the meantime, by a replay, it stays delivered.
func (s *Store) MarkGivenUp(ctx context.Context, id int64) error {
	return s.changeDelivery(ctx, "give up", id, func(tx *txn) error { return giveUpDelivery(ctx, tx, id) })
}

func giveUpDelivery(ctx context.Context, tx *txn, id int64) error {
	_, err := tx.Exec(ctx, `UPDATE deliveries SET state = $2, next_at = NULL, blocked = false WHERE id = $1 AND state = $3`,
		id, job.DeliveryGivenUp, job.DeliveryPending)
	return err
}

// changeDelivery runs f with the row of the delivery's job locked, and then
// unblocks the next delivery if f has made that possible.
func (s *Store) changeDelivery(ctx context.Context, verb string, id int64, f func(*txn) error) error {
	err := s.withTx(ctx, func(tx *txn) error {
		jobID, err := lockDelivery(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		return s.unblockNext(ctx, tx, jobID)
	})
	if err != nil {
		return fmt.Errorf("%s delivery %d: %w", verb, id, err)
	}
	return nil
}
