package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river/rivertype"

	"github.com/copra-video/copra/job"
)

// CancelJob ends a job of the key at once. Its run has lost the job when this
// returns, and River cancels the context of the run's worker soon after.
func (s *Store) CancelJob(ctx context.Context, keyID, id string) (job.State, error) {
	var st job.State
	err := s.withTx(ctx, func(tx *txn) error {
		r, err := readRow(ctx, tx, id, keyID, "FOR UPDATE")
		if err != nil {
			return err
		}
		if r.state.Finished() {
			return job.NewError(job.JobFinished)
		}
		riverJob, err := fence(ctx, tx, r.state.ID)
		if err != nil {
			return err
		}
		if st, err = s.record(ctx, tx, r, job.Event{Kind: job.JobCancelledEvent, At: s.now()}); err != nil {
			return err
		}
		_, err = s.river.JobCancelTx(ctx, tx.Tx, riverJob)
		if errors.Is(err, rivertype.ErrNotFound) {
			return nil // River has deleted it, so nothing runs
		}
		return err
	})
	if err != nil {
		return job.State{}, fmt.Errorf("cancel job %q: %w", id, err)
	}
	return st, nil
}
