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

// A job is stranded when it has not ended, but its River job has, or is gone, so
// that nothing will continue it. This follows from faults that no other rule
// covers. For example, River saves the result of an attempt by id and state
// only, so a worker that was thought dead can mark the attempt of its successor
// as completed.

// strandedScanInterval is how often a process looks for stranded jobs. The scan
// reads all jobs that have not ended.
const strandedScanInterval = 30 * time.Second

// maxRequeues is how often a stranded job is queued again before it fails.
const maxRequeues = 3

// strandedSQL is the condition that job j, with its River job r by a left join, has
// been stranded for $1. r is NULL when River has deleted it.
var strandedSQL = `(r.id IS NULL OR ` + queue.HasEnded + `) AND greatest(j.touched_at, r.finalized_at) < now() - $1::interval`

// strandedScanDue reports whether it is time for a scan of this process, and if
// so counts it as made.
func (s *Store) strandedScanDue(ctx context.Context) bool {
	now := s.now().UnixNano()
	last := s.lastStrandedScan.Load()
	return now-last >= int64(strandedScanInterval) && ctx.Err() == nil && s.lastStrandedScan.CompareAndSwap(last, now)
}

// ReapStranded queues jobs again that have been stranded for quiet. It fails a job instead when its River job has failed, or
// when the job has been queued again maxRequeues times.
func (s *Store) ReapStranded(ctx context.Context, quiet time.Duration) (job.Reaped, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id
		WHERE j.completed_at IS NULL AND `+strandedSQL+` ORDER BY j.created_at LIMIT 200`, quiet)
	if err != nil {
		return job.Reaped{}, fmt.Errorf("find stranded jobs: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return job.Reaped{}, fmt.Errorf("find stranded jobs: %w", err)
	}
	var all job.Reaped
	for _, id := range ids {
		one, err := s.requeueStranded(ctx, id, quiet)
		if err != nil {
			return all, fmt.Errorf("requeue the stranded job %q: %w", id, err)
		}
		all.Add(one)
	}
	return all, nil
}

// requeueStranded queues one job again, or fails it, unless it has changed in the
// meantime.
func (s *Store) requeueStranded(ctx context.Context, id string, quiet time.Duration) (reaped job.Reaped, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		r, _, err := lockWithRiverJob(ctx, tx, id)
		if err != nil || r.state.Finished() {
			return err
		}
		var failed bool
		var requeues int
		err = tx.QueryRow(ctx, `
			SELECT coalesce(`+queue.HasFailed+`, false), j.requeues
			FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id
			WHERE j.id = $2 AND `+strandedSQL, quiet, id).Scan(&failed, &requeues)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		reaped.Requeued = 1
		if _, err := fence(ctx, tx, id); err != nil {
			return err
		}
		if failed || requeues >= maxRequeues {
			reaped.Failed, err = s.failJob(ctx, tx, r, job.Errorf(job.InternalError, "The job could not be finished: it was tried several times, and each time the server had a fault."))
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE jobs SET requeues = requeues + 1, touched_at = now() WHERE id = $1`, id); err != nil {
			return err
		}
		return s.enqueueNext(ctx, tx, r)
	})
	if err != nil {
		return job.Reaped{}, err
	}
	return reaped, nil
}
