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

// Claim begins a run of the job for the River job riverID in its given
// attempt, on node. The run's number is the fence: with it everything before
// has lost the job. It fails with job.ErrLeaseLost when River's row no longer
// says that this attempt is running, when another River job brings the job on
// by now (a probe that runs again after it has queued the transcode must not
// take the job from it), or when the job has ended.
func (s *Store) Claim(ctx context.Context, id string, riverID int64, attempt int, node string) (run int64, err error) {
	err = s.pool.QueryRow(ctx, `
		UPDATE jobs SET run = run + 1, node = $4, touched_at = now()
		WHERE id = $1 AND completed_at IS NULL AND river_id = $2
			AND EXISTS (SELECT FROM river_job WHERE id = $2 AND state = 'running' AND attempt = $3)
		RETURNING run`, id, riverID, attempt, node).Scan(&run)
	if errors.Is(err, pgx.ErrNoRows) {
		err = s.whyNoRow(ctx, id)
	}
	if err != nil {
		return 0, fmt.Errorf("claim job %q: %w", id, err)
	}
	return run, nil
}

// whyNoRow tells a job that is not there from one that is another's.
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

// SetProgress writes how far outputs are, 0 to 1, by key. It is a sign of life
// of the run too, for which progress may be empty: a run that is silent for
// long and whose River job has ended counts as abandoned. It fails with
// job.ErrLeaseLost when another run has begun or the job has ended.
func (s *Store) SetProgress(ctx context.Context, id string, run int64, progress map[string]float64) error {
	keys := slices.Sorted(maps.Keys(progress))
	values := make([]float64, 0, len(keys))
	for _, k := range keys {
		values = append(values, progress[k])
	}
	var held, put bool
	err := s.pool.QueryRow(ctx, `
		WITH held AS (
			UPDATE jobs SET touched_at = now() WHERE id = $1 AND run = $2 AND completed_at IS NULL RETURNING id
		), put AS (
			UPDATE outputs o SET progress = p.value
			FROM held, unnest($3::text[], $4::float8[]) p (key, value)
			WHERE o.job_id = held.id AND o.key = p.key AND o.progress <> p.value
				AND o.stage NOT IN ('done', 'failed', 'skipped', 'aborted')
			RETURNING o.job_id
		)
		SELECT EXISTS (SELECT FROM held), EXISTS (SELECT FROM put)`,
		id, run, keys, values).Scan(&held, &put)
	if err == nil && !held {
		err = s.whyNoRow(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("write the progress of job %q: %w", id, err)
	}
	if put {
		s.notifier.publish(nil, []string{id})
	}
	return nil
}

// RecordProbed records probed, an input.probed event, and queues the job's
// transcode in the same transaction. A repeat does neither.
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
		return s.enqueue(ctx, tx, r, queue.TranscodeArgs{JobID: id})
	})
	if err != nil {
		return fmt.Errorf("record the probe of job %q: %w", id, err)
	}
	return nil
}

// enqueue inserts the River job that is to bring a job on from here.
func (s *Store) enqueue(ctx context.Context, tx *txn, r jobRow, args river.JobArgs) error {
	inserted, err := s.insert(ctx, tx, args, &river.InsertOpts{Priority: queue.Priority(r.priority)})
	if err != nil {
		return fmt.Errorf("queue the %s: %w", args.Kind(), err)
	}
	if _, err := tx.Exec(ctx, `UPDATE jobs SET river_id = $2 WHERE id = $1`, r.state.ID, inserted.ID); err != nil {
		return fmt.Errorf("note the queued %s: %w", args.Kind(), err)
	}
	return nil
}

// lockRun locks the job's row for the rest of the transaction, if run is still
// its last.
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
