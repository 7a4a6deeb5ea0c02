package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// The states of a delivery.
const (
	deliveryPending   = "pending"
	deliveryDelivered = "delivered"
	deliveryGivenUp   = "given_up"
)

// LoadDelivery returns a webhook to be sent. Where to is read from the sealed
// request each time, so that no table shows it.
func (s *Store) LoadDelivery(ctx context.Context, id int64) (job.Delivery, error) {
	d := job.Delivery{ID: id}
	var r row
	var body, state string
	err := s.pool.QueryRow(ctx, `
		SELECT d.job_id, d.n, d.event, d.body, d.state, j.request_sealed
		FROM deliveries d JOIN jobs j ON j.id = d.job_id WHERE d.id = $1`, id).
		Scan(&d.JobID, &d.N, &d.Event, &body, &state, &r.sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrNotFound
	}
	if err != nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: %w", id, err)
	}
	d.Body, d.Done = []byte(body), state != deliveryPending
	r.state.ID = d.JobID
	n, err := s.wanted(r)
	if err != nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: %w", id, err)
	}
	if n == nil {
		return job.Delivery{}, fmt.Errorf("load delivery %d: its request asks for no notification: %w", id, job.ErrNotFound)
	}
	d.Notification = *n
	return d, nil
}

// SaveAttempt adds a try to the log of a delivery.
func (s *Store) SaveAttempt(ctx context.Context, id int64, a job.DeliveryAttempt) error {
	tag, err := s.pool.Exec(ctx, `
		WITH counted AS (
			UPDATE deliveries SET attempts = attempts + 1 WHERE id = $1 RETURNING id, attempts
		)
		INSERT INTO delivery_attempts (delivery_id, n, at, status, error, duration_ms)
		SELECT id, attempts, $2, $3, $4, $5 FROM counted`,
		id, a.At, a.Status, clean(a.Error), a.Duration.Milliseconds())
	return s.oneDelivery("log an attempt of", id, tag.RowsAffected(), err)
}

// MarkDelivered ends a delivery that the receiver took.
func (s *Store) MarkDelivered(ctx context.Context, id int64) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE deliveries SET state = $2, next_at = NULL, delivered_at = coalesce(delivered_at, now()) WHERE id = $1`,
		id, deliveryDelivered)
	return s.oneDelivery("mark", id, tag.RowsAffected(), err)
}

// MarkGivenUp ends a delivery that no try brought through. One that was
// delivered meanwhile stays so.
func (s *Store) MarkGivenUp(ctx context.Context, id int64) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE deliveries SET state = CASE state WHEN $3 THEN $2 ELSE state END, next_at = NULL WHERE id = $1`,
		id, deliveryGivenUp, deliveryPending)
	return s.oneDelivery("give up", id, tag.RowsAffected(), err)
}

func (s *Store) oneDelivery(verb string, id, affected int64, err error) error {
	if err == nil && affected == 0 {
		err = job.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s delivery %d: %w", verb, id, err)
	}
	return nil
}
