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

// deadJob is a River job that a silent node holds.
type deadJob struct {
	id       int64
	kind     string
	attempt  int
	node     string
	last     bool // no attempt is left
	jobID    string
	delivery int64
}

// silent is the condition that River job r is held by a node that has not been
// heard of for $1. A node that never was heard of gets as long from the start
// of its attempt. A node that lives may have nobody left who works on r, as when
// its run ended while the database was away for longer than River goes on
// telling it so: a run that works asks for its job every second (SetProgress).
const silent = `r.state = 'running'
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
// looks for abandoned jobs, see ReapAbandoned, and webhooks held for too long. Any process may call it at any
// time; calls that meet do the work once.
func (s *Store) Reap(ctx context.Context, stale time.Duration) (int, error) {
	dead, err := s.findDead(ctx, stale)
	if err != nil {
		return 0, fmt.Errorf("look for jobs of silent nodes: %w", err)
	}
	n := 0
	for _, d := range dead {
		took, err := s.reapOne(ctx, d, stale)
		if err != nil {
			return n, fmt.Errorf("take River job %d back from node %s: %w", d.id, d.node, err)
		}
		if took {
			n++
		}
	}
	if !s.abandonedDue(ctx) {
		return n, nil
	}
	more, err := s.ReapAbandoned(ctx, stale)
	if err != nil {
		return n + more, err
	}
	overdue, err := s.releaseOverdue(ctx)
	return n + more + overdue, err
}

// findDead lists candidates; reapOne decides. Right after the database's own
// start nobody can have been heard of, and that is not the nodes' fault.
func (s *Store) findDead(ctx context.Context, stale time.Duration) ([]deadJob, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT r.id, r.kind, r.attempt, coalesce(r.attempted_by[cardinality(r.attempted_by)], ''), r.attempt >= r.max_attempts,
			coalesce(r.args->>'job_id', ''), coalesce((r.args->>'delivery_id')::bigint, 0)
		FROM river_job r
		WHERE `+silent+` AND pg_postmaster_start_time() < now() - $1::interval
		ORDER BY r.id LIMIT 200`, stale)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (deadJob, error) {
		var d deadJob
		err := row.Scan(&d.id, &d.kind, &d.attempt, &d.node, &d.last, &d.jobID, &d.delivery)
		return d, err
	})
}

// reapOne takes one River job back, unless it has moved on. The job's row is
// locked first, as everywhere, so that transactions cannot wait in a circle.
func (s *Store) reapOne(ctx context.Context, d deadJob, stale time.Duration) (took bool, err error) {
	err = s.inTx(ctx, func(tx *change) error {
		var r row
		var err error
		carrier, deliveryOf := int64(0), ""
		switch {
		case d.jobID != "":
			r, carrier, err = lockCarried(ctx, tx, d.jobID)
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
			WHERE r.id = $2 AND r.attempt = $3 AND `+silent, stale, d.id, d.attempt, d.last, d.node)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		took = true
		if d.last && deliveryOf != "" {
			if err := giveUpDelivery(ctx, tx, d.delivery); err != nil {
				return err
			}
			return s.release(ctx, tx, deliveryOf)
		}
		// A River job that has already handed the job on to its successor, but
		// could not say so to River any more, has no claim on it.
		if carrier != d.id || r.state.Finished() {
			return nil
		}
		if err := fence(ctx, tx, d.jobID); err != nil {
			return err
		}
		if !d.last {
			return nil
		}
		return s.giveUp(ctx, tx, r, fmt.Sprintf("The job could not be finished: it was tried %d times, and each time the server that worked on it stopped.", d.attempt))
	})
	return took && err == nil, err
}

// abandonedEvery is how often a process looks for abandoned jobs. It is the
// net below the net, and reads all jobs that have not ended.
const abandonedEvery = 30 * time.Second

// maxRevivals bounds how often an abandoned job is queued anew.
const maxRevivals = 3

func (s *Store) abandonedDue(ctx context.Context) bool {
	now := s.now().UnixNano()
	last := s.lookedForAbandoned.Load()
	return now-last >= int64(abandonedEvery) && ctx.Err() == nil && s.lookedForAbandoned.CompareAndSwap(last, now)
}

// ReapAbandoned finds jobs that have not ended although the River job that was
// to bring them on has, and which no run has touched for quiet. When River gave
// up, or the worker said that no retry can help, so do we: the job fails with a
// sentence. Otherwise, as when a run that
// was thought dead marked the River job of its successor completed, it is
// queued again, a few times at most. It returns how many it moved.
func (s *Store) ReapAbandoned(ctx context.Context, quiet time.Duration) (int, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id
		WHERE j.completed_at IS NULL AND `+abandoned+` ORDER BY j.created_at LIMIT 200`, quiet)
	if err != nil {
		return 0, fmt.Errorf("look for abandoned jobs: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fmt.Errorf("look for abandoned jobs: %w", err)
	}
	n := 0
	for _, id := range ids {
		took, err := s.reviveOne(ctx, id, quiet)
		if err != nil {
			return n, fmt.Errorf("bring on the abandoned job %q: %w", id, err)
		}
		if took {
			n++
		}
	}
	return n, nil
}

// abandoned is the condition on job j and its River job r, of a left join.
const abandoned = `(r.id IS NULL OR r.state IN ('completed', 'cancelled', 'discarded'))
	AND greatest(j.touched_at, r.finalized_at) < now() - $1::interval`

func (s *Store) reviveOne(ctx context.Context, id string, quiet time.Duration) (took bool, err error) {
	err = s.inTx(ctx, func(tx *change) error {
		r, _, err := lockCarried(ctx, tx, id)
		if err != nil || r.state.Finished() {
			return err
		}
		var hopeless bool
		var revivals int
		err = tx.QueryRow(ctx, `
			SELECT coalesce(r.state IN ('discarded', 'cancelled'), false), j.revivals
			FROM jobs j LEFT JOIN river_job r ON r.id = j.river_id
			WHERE j.id = $2 AND `+abandoned, quiet, id).Scan(&hopeless, &revivals)
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
		if hopeless || revivals >= maxRevivals {
			return s.giveUp(ctx, tx, r, "The job could not be finished: it was tried several times, and each time the server had a fault.")
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

// lockCarried locks the job's row and returns it with the id of the River job
// that is to bring it on.
func lockCarried(ctx context.Context, tx *change, id string) (r row, carrier int64, err error) {
	if r, err = readRow(ctx, tx, id, "", "FOR UPDATE"); err != nil {
		return row{}, 0, err
	}
	err = tx.QueryRow(ctx, `SELECT river_id FROM jobs WHERE id = $1`, id).Scan(&carrier)
	return r, carrier, err
}

// fence takes the job from the run that holds it, which may be dead or may
// only have been thought so.
func fence(ctx context.Context, tx *change, id string) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET run = run + 1, node = '' WHERE id = $1`, id)
	return err
}

// giveUp ends a job with a sentence. Outputs that are done stay done.
func (s *Store) giveUp(ctx context.Context, tx *change, r row, sentence string) error {
	at := s.now()
	if r.state.Input.Metadata == nil {
		_, err := s.record(ctx, tx, r, job.Event{Kind: job.InputFailedEvent, At: at, Error: sentence})
		return err
	}
	var events []job.Event
	for _, o := range r.state.Outputs {
		if !o.Stage.Final() {
			events = append(events, job.Event{Kind: job.OutputFailedEvent, At: at, Output: o.Key, Error: sentence})
		}
	}
	_, err := s.record(ctx, tx, r, events...)
	return err
}
