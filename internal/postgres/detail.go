package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// JobDetail returns a job with its events, in one snapshot. keyID may be job.AnyKey.
func (s *Store) JobDetail(ctx context.Context, keyID, id string) (d job.Detail, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		r, err := readRow(ctx, tx, id, keyID, "")
		if err != nil {
			return err
		}
		d.State, d.KeyID, d.Priority, d.Runs = r.state, r.keyID, r.priority, r.run
		err = tx.QueryRow(ctx, `SELECT k.name, j.node FROM jobs j JOIN api_keys k ON k.id = j.key_id WHERE j.id = $1`, r.state.ID).Scan(&d.KeyName, &d.Node)
		if err != nil {
			return fmt.Errorf("read the name of the key: %w", err)
		}
		d.Events, err = readEvents(ctx, tx, r.state.ID, 0)
		return err
	})
	if err != nil {
		return job.Detail{}, fmt.Errorf("read the details of job %q: %w", id, err)
	}
	return d, nil
}

// Request returns the request of a job, unsealed, and the id of its API key. It
// holds credentials: who shows it calls coconut.RedactRequest.
func (s *Store) Request(ctx context.Context, keyID, id string) (request []byte, owner string, err error) {
	r, err := s.readJob(ctx, id, keyID)
	if err != nil {
		return nil, "", fmt.Errorf("read the request of job %q: %w", id, err)
	}
	if request, err = s.unseal(r.state.ID, r.sealed); err != nil {
		return nil, "", fmt.Errorf("read the request of job %q: %w", id, err)
	}
	return request, r.keyID, nil
}

// DeliveryBody returns the body of webhook n of a job.
func (s *Store) DeliveryBody(ctx context.Context, keyID, id string, n int) (body []byte, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT d.body FROM deliveries d JOIN jobs j ON j.id = d.job_id
		WHERE d.job_id = $1 AND d.n = $2 AND ($3 = '`+job.AnyKey+`' OR j.key_id = $3)`, sanitizeText(id), n, keyID).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read the body of delivery %d of job %q: %w", n, id, err)
	}
	return body, nil
}

// deliveryWindow is how many of the latest webhooks RecentDeliveries looks at.
const deliveryWindow = 2000

// RecentDeliveries returns the latest webhooks of a key, or of all keys for
// job.AnyKey, newest first, at most limit. state "" is any.
func (s *Store) RecentDeliveries(ctx context.Context, keyID string, state job.DeliveryState, limit int) ([]job.RecentDelivery, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT d.job_id, d.n, d.event, d.state, d.created_at, d.delivered_at, d.next_at, d.attempts,
			coalesce(a.status, 0), coalesce(a.error, ''), coalesce(a.duration_ms, 0)
		FROM (SELECT * FROM deliveries ORDER BY id DESC LIMIT `+fmt.Sprint(deliveryWindow)+`) d
		JOIN jobs j ON j.id = d.job_id
		LEFT JOIN LATERAL (SELECT * FROM delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.n DESC LIMIT 1) a ON true
		WHERE ($1 = '`+job.AnyKey+`' OR j.key_id = $1) AND ($2 = '' OR d.state = $2)
		ORDER BY d.id DESC LIMIT $3`, keyID, sanitizeText(string(state)), limit)
	if err != nil {
		return nil, fmt.Errorf("list the latest deliveries: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanRecentDelivery)
	if err != nil {
		return nil, fmt.Errorf("list the latest deliveries: %w", err)
	}
	return list, nil
}

func scanRecentDelivery(row pgx.CollectableRow) (job.RecentDelivery, error) {
	var d job.RecentDelivery
	var delivered, next *time.Time
	var ms int64
	err := row.Scan(&d.JobID, &d.N, &d.Event, &d.State, &d.CreatedAt, &delivered, &next, &d.Tries, &d.Last.Status, &d.Last.Error, &ms)
	d.CreatedAt, d.DeliveredAt, d.NextAt = d.CreatedAt.UTC(), utcOrZero(delivered), utcOrZero(next)
	d.Last.Duration = time.Duration(ms) * time.Millisecond
	return d, err
}
