package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// Claim starts a run of a job for an attempt of the River job riverID on node, and
// returns the number of the run, which is the fencing token: all earlier runs
// have lost the job. It fails with job.ErrLeaseLost in three cases: River no
// longer has this attempt as running; the job has moved to another River job (a
// probe that runs again after it has queued the transcode must not take the job
// from it); or the job has ended.
func (s *Store) Claim(ctx context.Context, id string, riverID int64, attempt int, node string) (run int64, err error) {
	err = s.pool.QueryRow(ctx, `
		WITH claimed AS (
			UPDATE jobs SET run = run + 1, node = $4, touched_at = now()
			WHERE id = $1 AND completed_at IS NULL AND river_id = $2
				AND `+queue.RunningSQL("$2", "$3")+`
			RETURNING id, run
		), void AS (DELETE FROM tasks t USING claimed c WHERE t.job_id = c.id)
		SELECT run FROM claimed`, id, riverID, attempt, node).Scan(&run)
	if errors.Is(err, pgx.ErrNoRows) {
		err = s.whyNoRow(ctx, id)
	}
	if err != nil {
		return 0, fmt.Errorf("claim job %q: %w", id, err)
	}
	return run, nil
}

// whyNoRow returns the error for a statement that changed no row: job.ErrNotFound
// when the job does not exist, else job.ErrLeaseLost.
func (s *Store) whyNoRow(ctx context.Context, id string) error {
	var exists bool
	if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM jobs WHERE id = $1)`, id).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		return job.ErrNotFound
	}
	return job.ErrLeaseLost
}

// SetProgress writes the progress of outputs, 0 to 1, by key. It also renews the
// lease of the run, for which progress may be empty: Reap takes a job from a
// run that has not renewed it for long. It fails with job.ErrLeaseLost when
// another run has begun or the job has ended.
func (s *Store) SetProgress(ctx context.Context, id string, run int64, progress map[string]float64) error {
	keys := slices.Sorted(maps.Keys(progress))
	values := make([]float64, 0, len(keys))
	for _, k := range keys {
		values = append(values, progress[k])
	}
	var leased, changed bool
	err := s.pool.QueryRow(ctx, `
		WITH lease AS (
			UPDATE jobs SET touched_at = now() WHERE id = $1 AND run = $2 AND completed_at IS NULL RETURNING id
		), changed AS (
			UPDATE outputs o SET progress = p.value
			FROM lease, unnest($3::text[], $4::float8[]) p (key, value)
			WHERE o.job_id = lease.id AND o.key = p.key AND o.progress <> p.value AND o.stage <> ALL ($5)
			RETURNING o.job_id
		)
		SELECT EXISTS (SELECT FROM lease), EXISTS (SELECT FROM changed)`,
		id, run, keys, values, job.FinalStages()).Scan(&leased, &changed)
	if err == nil && !leased {
		err = s.whyNoRow(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("write the progress of job %q: %w", id, err)
	}
	if changed {
		s.notifier.publish(nil, []string{id})
	}
	return nil
}

// RecordProbed records an input.probed event and queues the transcode of the job
// in one transaction. A repeat does nothing.
func (s *Store) RecordProbed(ctx context.Context, id string, run int64, probed job.Event) error {
	if probed.Kind != job.InputProbedEvent || probed.Metadata == nil {
		return fmt.Errorf("record the probe of job %q: the event is %q with %d bytes of metadata", id, probed.Kind, len(probed.Metadata))
	}
	err := s.withTx(ctx, func(tx *txn) error {
		r, err := lockRun(ctx, tx, id, run)
		if err != nil {
			return err
		}
		if r.state.Input.Metadata != nil || r.state.Finished() {
			return nil
		}
		if _, err := s.record(ctx, tx, r, probed); err != nil {
			return err
		}
		return s.enqueueTranscode(ctx, tx, r)
	})
	if err != nil {
		return fmt.Errorf("record the probe of job %q: %w", id, err)
	}
	return nil
}

// enqueueNext queues the next piece of work of a job: its probe as long as nothing
// is known about the input, then its transcode.
func (s *Store) enqueueNext(ctx context.Context, tx *txn, r jobRow) error {
	if r.state.Input.Metadata == nil {
		return s.enqueue(ctx, tx, r, queue.ProbeArgs{JobID: r.state.ID})
	}
	return s.enqueueTranscode(ctx, tx, r)
}

// enqueueTranscode queues the transcode of a job, with the workers that have the card that it
// wants, if such live (cards.go).
func (s *Store) enqueueTranscode(ctx context.Context, tx *txn, r jobRow) error {
	name, err := cardQueue(ctx, tx, r.state.ID)
	if err != nil {
		return err
	}
	return s.enqueueIn(ctx, tx, r, queue.TranscodeArgs{JobID: r.state.ID}, name)
}

// enqueue inserts a River job and makes it the current one of the job.
func (s *Store) enqueue(ctx context.Context, tx *txn, r jobRow, args river.JobArgs) error {
	return s.enqueueIn(ctx, tx, r, args, "")
}

// enqueueIn is enqueue with the name of a queue; "": that of the kind.
func (s *Store) enqueueIn(ctx context.Context, tx *txn, r jobRow, args river.JobArgs, name string) error {
	inserted, err := s.insert(ctx, tx, args, &river.InsertOpts{Queue: name, Priority: queue.Priority(r.priority)})
	if err != nil {
		return fmt.Errorf("queue the %s: %w", args.Kind(), err)
	}
	if _, err := tx.Exec(ctx, `UPDATE jobs SET river_id = $2 WHERE id = $1`, r.state.ID, inserted.ID); err != nil {
		return fmt.Errorf("save the River job of the %s: %w", args.Kind(), err)
	}
	return nil
}

// lockRun locks the row of a job for the rest of the transaction. It fails with
// job.ErrLeaseLost when run is not the latest run.
func lockRun(ctx context.Context, tx *txn, id string, run int64) (jobRow, error) {
	r, err := readRow(ctx, tx, id, "", "FOR UPDATE")
	if err != nil {
		return jobRow{}, err
	}
	if r.run != run {
		return jobRow{}, job.ErrLeaseLost
	}
	return r, nil
}

// fence takes a job from its run, and its tasks from their workers: the run number is
// used by no worker. It returns the River job for which the run was made.
func fence(ctx context.Context, tx *txn, id string) (riverJob int64, err error) {
	err = tx.QueryRow(ctx, `UPDATE jobs SET run = run + 1, node = '' WHERE id = $1 RETURNING river_id`, id).Scan(&riverJob)
	if err != nil {
		return 0, fmt.Errorf("take the job from its run: %w", err)
	}
	return riverJob, dropTasks(ctx, tx, id)
}
