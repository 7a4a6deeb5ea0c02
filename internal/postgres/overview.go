package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// Overview counts the jobs of a key, or of all keys for job.AnyKey: those that have
// not ended, and what ended in each of the last 24 hours.
func (s *Store) Overview(ctx context.Context, keyID string) (o job.Overview, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		own, args := "", []any{}
		if keyID != job.AnyKey {
			own, args = " AND j.key_id = $1", []any{keyID}
		}
		err := tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE j.status = 'job.starting'), count(*) FILTER (WHERE j.status <> 'job.starting')
			FROM jobs j WHERE j.completed_at IS NULL`+own, args...).Scan(&o.Starting, &o.Processing)
		if err != nil {
			return fmt.Errorf("count the unfinished jobs: %w", err)
		}
		if o.Hours, err = lastDay(ctx, tx, own, args); err != nil {
			return err
		}
		o.Failures, err = lastFailures(ctx, tx, own, args)
		return err
	})
	if err != nil {
		return job.Overview{}, fmt.Errorf("read the overview: %w", err)
	}
	return o, nil
}

// lastDay returns 24 hours, the oldest first. The last one has just begun.
func lastDay(ctx context.Context, tx pgx.Tx, own string, args []any) ([]job.Hour, error) {
	rows, err := tx.Query(ctx, `
		SELECT h.at, coalesce(e.completed, 0), coalesce(e.failed, 0), coalesce(e.seconds, 0)
		FROM generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), '1 hour') h (at)
		LEFT JOIN (
			SELECT date_trunc('hour', j.completed_at) AS at, count(*) FILTER (WHERE j.status = 'job.completed') AS completed,
				count(*) FILTER (WHERE j.status = 'job.failed') AS failed,
				sum((SELECT sum(o.seconds) FROM outputs o WHERE o.job_id = j.id)) AS seconds
			FROM jobs j WHERE j.completed_at >= date_trunc('hour', now()) - interval '23 hours'`+own+` GROUP BY 1
		) e ON e.at = h.at ORDER BY h.at`, args...)
	if err != nil {
		return nil, fmt.Errorf("count what ended: %w", err)
	}
	hours, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.Hour, error) {
		var h job.Hour
		err := row.Scan(&h.At, &h.Completed, &h.Failed, &h.Seconds)
		h.At = h.At.UTC()
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("count what ended: %w", err)
	}
	return hours, nil
}

// lastFailures counts why inputs and outputs failed, of jobs that ended in the last
// 24 hours. The data of these events holds no NUL, which json could not be read with.
func lastFailures(ctx context.Context, tx pgx.Tx, own string, args []any) ([]job.FailureCount, error) {
	rows, err := tx.Query(ctx, `
		SELECT coalesce(e.data->>'reason', ''), count(*), (array_agg(j.id ORDER BY j.completed_at DESC))[1]
		FROM jobs j JOIN events e ON e.job_id = j.id
		WHERE j.completed_at >= now() - interval '24 hours' AND j.status = 'job.failed' AND e.kind IN ('input.failed', 'output.failed')`+own+`
		GROUP BY 1 ORDER BY 2 DESC, 1`, args...)
	if err != nil {
		return nil, fmt.Errorf("count the failures: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.FailureCount, error) {
		var f job.FailureCount
		var code string
		err := row.Scan(&code, &f.Count, &f.JobID)
		_ = f.Reason.UnmarshalText([]byte(code)) // never fails
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("count the failures: %w", err)
	}
	return list, nil
}

// Nodes returns the worker processes whose heartbeat is younger than a day, those
// that live first. A heartbeat older than stale is that of a dead process.
func (s *Store) Nodes(ctx context.Context, stale time.Duration) ([]job.Node, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT n.id, n.version, n.slots, n.encoders, n.started_at, n.seen, n.seen > now() - $1::interval AS alive,
			(SELECT count(*) FROM jobs j WHERE j.completed_at IS NULL AND j.node = n.id AND j.status <> 'job.starting')
		FROM worker_node n WHERE n.seen > now() - interval '1 day' ORDER BY alive DESC, n.id`, stale)
	if err != nil {
		return nil, fmt.Errorf("list the workers: %w", err)
	}
	nodes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.Node, error) {
		var n job.Node
		err := row.Scan(&n.ID, &n.Version, &n.Slots, &n.Encoders, &n.StartedAt, &n.SeenAt, &n.Alive, &n.Running)
		n.StartedAt, n.SeenAt = n.StartedAt.UTC(), n.SeenAt.UTC()
		return n, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the workers: %w", err)
	}
	return nodes, nil
}

// DescribeNode stores what a worker process is: its ID, version, slots, encoders and queues.
// It must have sent a heartbeat.
func (s *Store) DescribeNode(ctx context.Context, n job.Node) error {
	if n.Encoders == nil {
		n.Encoders = []string{}
	}
	if n.Queues == nil {
		n.Queues = []string{}
	}
	if _, err := s.pool.Exec(ctx, `UPDATE worker_node SET version = $2, slots = $3, encoders = $4, queues = $5 WHERE id = $1`, n.ID, n.Version, n.Slots, n.Encoders, n.Queues); err != nil {
		return fmt.Errorf("describe the node %s: %w", n.ID, err)
	}
	return nil
}
