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

// orphan is a River job that a silent node holds.
type orphan struct {
	id       int64
	kind     string
	attempt  int
	node     string
	last     bool // no attempt is left
	jobID    string
	delivery int64
}

// orphanedSQL is the condition that River job r is held by a node that has not been
// heard of for $1. A node that never was heard of gets as long from the start
// of its attempt. A node that lives may have nobody left who works on r, as when
// its run ended while the database was away for longer than River goes on
// telling it so: a run that works asks for its job every second (SetProgress).
const orphanedSQL = `r.state = 'running'
	AND r.attempted_at < now() - $1::interval
	AND (NOT EXISTS (
		SELECT FROM worker_node n
		WHERE n.id = r.attempted_by[cardinality(r.attempted_by)] AND n.seen >= now() - $1::interval
	) OR r.attempted_at < now() - 6 * $1::interval AND EXISTS (
		SELECT FROM jobs j
		WHERE j.id = r.args->>'job_id' AND j.river_id = r.id AND j.completed_at IS NULL AND j.touched_at < now() - 6 * $1::interval
	))`

// Reap takes River jobs back from nodes that have been silent for stale, so
// that others work them, and returns how many. One that has used up its
// attempts so ends, and with it, in the same transaction, what it was for: the
// job fails with a sentence, the delivery is given up. stale 0 takes everything
// that runs, for a process that starts and has the database for itself. Now and then it also
// looks for abandoned jobs, see ReapStranded, and webhooks held for too long. Any process may call it at any
// time; calls that meet do the work once.
func (s *Store) Reap(ctx context.Context, stale time.Duration) (int, error) {
	dead, err := s.findOrphans(ctx, stale)
	if err != nil {
		return 0, fmt.Errorf("look for jobs of silent nodes: %w", err)
	}
	n := 0
	for _, d := range dead {
		took, err := s.requeueOrphan(ctx, d, stale)
		if err != nil {
			return n, fmt.Errorf("take River job %d back from node %s: %w", d.id, d.node, err)
		}
		if took {
			n++
		}
	}
	if !s.strandedScanDue(ctx) {
		return n, nil
	}
	more, err := s.ReapStranded(ctx, stale)
	if err != nil {
		return n + more, err
	}
	overdue, err := s.unblockOverdue(ctx)
	return n + more + overdue, err
}

// findOrphans lists candidates; requeueOrphan decides. Right after the database's own
// start nobody can have been heard of, and that is not the nodes' fault.
func (s *Store) findOrphans(ctx context.Context, stale time.Duration) ([]orphan, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT r.id, r.kind, r.attempt, coalesce(r.attempted_by[cardinality(r.attempted_by)], ''), r.attempt >= r.max_attempts,
			coalesce(r.args->>'job_id', ''), coalesce((r.args->>'delivery_id')::bigint, 0)
		FROM river_job r
		WHERE `+orphanedSQL+` AND pg_postmaster_start_time() < now() - $1::interval
		ORDER BY r.id LIMIT 200`, stale)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (orphan, error) {
		var d orphan
		err := row.Scan(&d.id, &d.kind, &d.attempt, &d.node, &d.last, &d.jobID, &d.delivery)
		return d, err
	})
}

// requeueOrphan takes one River job back, unless it has moved on. The job's row is
// locked first, as everywhere, so that transactions cannot wait in a circle.
func (s *Store) requeueOrphan(ctx context.Context, d orphan, stale time.Duration) (took bool, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		var r jobRow
		var err error
		riverJob, deliveryOf := int64(0), ""
		switch {
		case d.jobID != "":
			r, riverJob, err = lockWithRiverJob(ctx, tx, d.jobID)
		case d.delivery != 0:
			deliveryOf, err = lockDelivery(ctx, tx, d.delivery)
		}
		if err != nil && !errors.Is(err, job.ErrNotFound) {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE river_job r SET
				state = (CASE WHEN $4 THEN 'discarded' ELSE 'available' END)::river_job_state,
				finalized_at = CASE WHEN $4 THEN now() END,
				scheduled_at = now(),
				errors = array_append(r.errors, jsonb_build_object('at', now(), 'attempt', r.attempt, 'trace', '', 'error',
					'the worker ' || $5::text || ' fell silent while it worked on this'))
			WHERE r.id = $2 AND r.attempt = $3 AND `+orphanedSQL, stale, d.id, d.attempt, d.last, d.node)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		took = true
		if d.last && deliveryOf != "" {
			if err := giveUpDelivery(ctx, tx, d.delivery); err != nil {
				return err
			}
			return s.unblockNext(ctx, tx, deliveryOf)
		}
		// A River job that has already handed the job on to its successor, but
		// could not say so to River any more, has no claim on it.
		if riverJob != d.id || r.state.Finished() {
			return nil
		}
		if err := fence(ctx, tx, d.jobID); err != nil {
			return err
		}
		if !d.last {
			return nil
		}
		return s.failJob(ctx, tx, r, job.Errorf(job.WorkerLost, "The job could not be finished: it was tried %d times, and each time the server that worked on it stopped.", d.attempt))
	})
	return took && err == nil, err
}

// strandedScanInterval is how often a process looks for abandoned jobs. It is the
// net below the net, and reads all jobs that have not ended.
const strandedScanInterval = 30 * time.Second

// maxRequeues bounds how often an abandoned job is queued anew.
const maxRequeues = 3

func (s *Store) strandedScanDue(ctx context.Context) bool {
	now := s.now().UnixNano()
	last := s.lastStrandedScan.Load()
	return now-last >= int64(strandedScanInterval) && ctx.Err() == nil && s.lastStrandedScan.CompareAndSwap(last, now)
}

// ReapStranded finds jobs that have not ended although the River job that was
// to bring them on has, and which no run has touched for quiet. When River gave
// up, or the worker said that no retry can help, so do we: the job fails with a
// sentence. Otherwise, as when a run that
// was thought dead marked the River job of its successor completed, it is
// queued again, a few times at most. It returns how many it moved.
func (s *Store) ReapStranded(ctx context.Context, quiet time.Duration) (int, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id
		WHERE j.completed_at IS NULL AND `+strandedSQL+` ORDER BY j.created_at LIMIT 200`, quiet)
	if err != nil {
		return 0, fmt.Errorf("look for abandoned jobs: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fmt.Errorf("look for abandoned jobs: %w", err)
	}
	n := 0
	for _, id := range ids {
		took, err := s.requeueStranded(ctx, id, quiet)
		if err != nil {
			return n, fmt.Errorf("bring on the abandoned job %q: %w", id, err)
		}
		if took {
			n++
		}
	}
	return n, nil
}

// strandedSQL is the condition on job j and its River job r, of a left join.
const strandedSQL = `(r.id IS NULL OR r.state IN ('completed', 'cancelled', 'discarded'))
	AND greatest(j.touched_at, r.finalized_at) < now() - $1::interval`

func (s *Store) requeueStranded(ctx context.Context, id string, quiet time.Duration) (took bool, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		r, _, err := lockWithRiverJob(ctx, tx, id)
		if err != nil || r.state.Finished() {
			return err
		}
		var hopeless bool
		var revivals int
		err = tx.QueryRow(ctx, `
			SELECT coalesce(r.state IN ('discarded', 'cancelled'), false), j.revivals
			FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id
			WHERE j.id = $2 AND `+strandedSQL, quiet, id).Scan(&hopeless, &revivals)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		took = true
		if err := fence(ctx, tx, id); err != nil {
			return err
		}
		if hopeless || revivals >= maxRequeues {
			return s.failJob(ctx, tx, r, job.Errorf(job.InternalError, "The job could not be finished: it was tried several times, and each time the server had a fault."))
		}
		if _, err := tx.Exec(ctx, `UPDATE jobs SET revivals = revivals + 1, touched_at = now() WHERE id = $1`, id); err != nil {
			return err
		}
		if r.state.Input.Metadata == nil {
			return s.enqueue(ctx, tx, r, queue.ProbeArgs{JobID: id})
		}
		return s.enqueue(ctx, tx, r, queue.TranscodeArgs{JobID: id})
	})
	return took && err == nil, err
}

// lockWithRiverJob locks the job's row and returns it with the id of the River job
// that is to bring it on.
func lockWithRiverJob(ctx context.Context, tx *txn, id string) (r jobRow, riverJob int64, err error) {
	if r, err = readRow(ctx, tx, id, "", "FOR UPDATE"); err != nil {
		return jobRow{}, 0, err
	}
	err = tx.QueryRow(ctx, `SELECT river_id FROM jobs WHERE id = $1`, id).Scan(&riverJob)
	return r, riverJob, err
}

// fence takes the job from the run that holds it, which may be dead or may
// only have been thought so.
func fence(ctx context.Context, tx *txn, id string) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET run = run + 1, node = '' WHERE id = $1`, id)
	return err
}

// failJob ends a job because of e. Outputs that are done stay done.
func (s *Store) failJob(ctx context.Context, tx *txn, r jobRow, e *job.Error) error {
	at := s.now()
	if r.state.Input.Metadata == nil {
		_, err := s.record(ctx, tx, r, job.Event{Kind: job.InputFailedEvent, At: at, Error: e.Message, Reason: e.Reason})
		return err
	}
	var events []job.Event
	for _, o := range r.state.Outputs {
		if !o.Stage.Final() {
			events = append(events, job.Event{Kind: job.OutputFailedEvent, At: at, Output: o.Key, Error: e.Message, Reason: e.Reason})
		}
	}
	_, err := s.record(ctx, tx, r, events...)
	return err
}
