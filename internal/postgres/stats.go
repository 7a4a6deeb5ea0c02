package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// QueueStats says how much of a queue is in one state of River's that has not
// ended: available, running, retryable, scheduled, pending.
type QueueStats struct {
	Queue  string
	State  string
	Count  int64
	Oldest time.Duration // age of the oldest: since it began when running, else since it was due; never negative
}

// QueueDepth counts what is in the queues, for /metrics and for scaling.
func (s *Store) QueueDepth(ctx context.Context) ([]QueueStats, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT queue, state::text, count(*),
			greatest(extract(epoch FROM now() - min(CASE state WHEN 'running' THEN attempted_at ELSE scheduled_at END)), 0)::float8
		FROM river_job WHERE state IN ('available', 'running', 'retryable', 'scheduled', 'pending')
		GROUP BY queue, state ORDER BY queue, state`)
	if err != nil {
		return nil, fmt.Errorf("count the queues: %w", err)
	}
	depths, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (QueueStats, error) {
		var d QueueStats
		var seconds float64
		err := row.Scan(&d.Queue, &d.State, &d.Count, &seconds)
		d.Oldest = time.Duration(seconds * float64(time.Second))
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("count the queues: %w", err)
	}
	return depths, nil
}

// LiveNodes counts the worker processes heard of within stale.
func (s *Store) LiveNodes(ctx context.Context, stale time.Duration) (int, error) {
	var n int
	err := s.pool.QueryRow(ctx, `SELECT count(*) FROM worker_node WHERE seen > now() - $1::interval`, stale).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the workers: %w", err)
	}
	return n, nil
}
