package postgres

import (
	"context"
	"fmt"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// RetryJob puts a finished job of the key back to its beginning and queues it,
// see job.State.Retry. Its events and webhooks go on counting.
func (s *Store) RetryJob(ctx context.Context, keyID, id string) (job.State, error) {
	var st job.State
	err := s.withTx(ctx, func(tx *txn) error {
		r, err := readRow(ctx, tx, id, keyID, "FOR UPDATE")
		if err != nil {
			return err
		}
		if !r.state.Finished() {
			return job.Errorf(job.JobNotFinished, "The job has not finished yet; only a finished job can be retried.")
		}
		if st, err = s.record(ctx, tx, r, job.Event{Kind: job.JobRetriedEvent, At: s.now()}); err != nil {
			return err
		}
		if st.Finished() {
			return job.Errorf(job.NothingToRetry, "There is nothing to retry: no output of the job failed or was aborted.")
		}
		// A run that was cut off a moment ago may still be winding down.
		if err := fence(ctx, tx, r.state.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE jobs SET retried_at = now(), revivals = 0, cancel_requested_at = NULL WHERE id = $1`, st.ID); err != nil {
			return fmt.Errorf("note the retry: %w", err)
		}
		var limit int
		if err := tx.QueryRow(ctx, `SELECT coalesce(max_queued, 0) FROM api_keys WHERE id = $1`, keyID).Scan(&limit); err != nil {
			return fmt.Errorf("read the limit of the key: %w", err)
		}
		if err := checkQueued(ctx, tx, keyID, limit); err != nil {
			return err
		}
		r.state = st
		if st.Input.Metadata == nil {
			return s.enqueue(ctx, tx, r, queue.ProbeArgs{JobID: st.ID})
		}
		return s.enqueue(ctx, tx, r, queue.TranscodeArgs{JobID: st.ID})
	})
	if err != nil {
		return job.State{}, fmt.Errorf("retry job %q: %w", id, err)
	}
	return st, nil
}
