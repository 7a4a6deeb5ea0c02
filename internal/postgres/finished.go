package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// FinishedForGood reports for each job whether its artifacts can be deleted: it is
// completed, or it failed or was cancelled at least keep ago, so that a retry is
// unlikely. Unknown ids are absent from the result.
func (s *Store) FinishedForGood(ctx context.Context, ids []string, keep time.Duration) (map[string]bool, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id, completed_at IS NOT NULL AND (status = $2 OR completed_at <= now() - $3::interval)
		FROM jobs WHERE id = ANY($1)`, ids, string(job.JobCompleted), keep)
	if err != nil {
		return nil, fmt.Errorf("find finished jobs: %w", err)
	}
	finished := map[string]bool{}
	var id string
	var ended bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &ended}, func() error { finished[id] = ended; return nil }); err != nil {
		return nil, fmt.Errorf("find finished jobs: %w", err)
	}
	return finished, nil
}
