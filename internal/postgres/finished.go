package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// FinishedForGood says of each of these jobs that there is whether it has ended for good:
// it is complete, or it failed or was cancelled, which a retry can undo, keep
// ago at least.
func (s *Store) FinishedForGood(ctx context.Context, ids []string, keep time.Duration) (map[string]bool, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id, completed_at IS NOT NULL AND (status = $2 OR completed_at <= now() - $3::interval)
		FROM jobs WHERE id = ANY($1)`, ids, string(job.JobCompleted), keep)
	if err != nil {
		return nil, fmt.Errorf("ask which jobs are over: %w", err)
	}
	over := map[string]bool{}
	var id string
	var ended bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &ended}, func() error { over[id] = ended; return nil }); err != nil {
		return nil, fmt.Errorf("ask which jobs are over: %w", err)
	}
	return over, nil
}
