package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// QueueStats counts the River jobs of one queue in one state: available, running,
// retryable, scheduled or pending.
// Its Oldest is the age of the oldest: since it was fetched if running, else since it was due; never negative.
type QueueStats = job.QueueCount

// QueueDepth counts the River jobs that have not ended, for /metrics and for autoscaling.
func (s *Store) QueueDepth(ctx context.Context) ([]QueueStats, error) {
	rows, err := s.pool.Query(ctx, queue.StatsSQL)
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

// LiveNodes counts the worker processes with a heartbeat within stale.
func (s *Store) LiveNodes(ctx context.Context, stale time.Duration) (int, error) {
	var n int
	err := s.pool.QueryRow(ctx, `SELECT count(*) FROM worker_node WHERE seen > now() - $1::interval`, stale).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the workers: %w", err)
	}
	return n, nil
}
