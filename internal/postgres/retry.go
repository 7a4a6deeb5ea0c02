package postgres

import (
	"context"
	"fmt"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

// RetryJob starts a finished job of the key again, see job.State.Retry. The
// numbers of its events and webhooks continue.
func (s *Store) RetryJob(ctx context.Context, keyID, id string) (job.State, error) {
	var st job.State
	err := s.withTx(ctx, func(tx *txn) error {
		r, err := readRow(ctx, tx, id, keyID, "FOR UPDATE")
		if err != nil {
			return err
		}
		if !r.state.Finished() {
			return job.NewError(job.JobNotFinished)
		}
		if st, err = s.record(ctx, tx, r, job.Event{Kind: job.JobRetriedEvent, At: s.now()}); err != nil {
			return err
		}
		if st.Finished() {
			return job.NewError(job.NothingToRetry)
		}
		// The run of a job that was just cancelled may still be stopping.
		if _, err := fence(ctx, tx, r.state.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE jobs SET retried_at = now(), requeues = 0, traceparent = coalesce(nullif($2, ''), traceparent) WHERE id = $1`,
			st.ID, telemetry.Traceparent(ctx)); err != nil {
			return fmt.Errorf("save the time of the retry: %w", err)
		}
		if err := s.checkLimits(ctx, tx, r.keyID); err != nil {
			return err
		}
		r.state = st
		return s.enqueueNext(ctx, tx, r)
	})
	if err != nil {
		return job.State{}, fmt.Errorf("retry job %q: %w", id, err)
	}
	return st, nil
}
