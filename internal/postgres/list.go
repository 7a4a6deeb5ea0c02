package postgres

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// ListJobs returns a page of a key's jobs, newest first, and the cursor of the next
// page, "" after the last one. The jobs have no metadata. New jobs do not shift
// the pages.
func (s *Store) ListJobs(ctx context.Context, keyID string, q job.ListQuery) (jobs []job.State, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	q.Limit = min(q.Limit, 100)
	at, id := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ""
	if q.Cursor != "" {
		if at, id, err = parseCursor(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		jobs, err = listPage(ctx, tx, keyID, q, at, id)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	if len(jobs) > q.Limit { // listPage asks for one more, to know whether there is a next page
		jobs = jobs[:q.Limit]
		last := jobs[q.Limit-1]
		next = cursor(last.CreatedAt, last.ID)
	}
	return jobs, next, nil
}

func listPage(ctx context.Context, tx pgx.Tx, keyID string, q job.ListQuery, at time.Time, id string) ([]job.State, error) {
	status := ""
	if q.Status != "" {
		status = "AND status = $5" // "$5 = '' OR status = $5" could not use the index by status
	}
	args := []any{keyID, at, id, q.Limit + 1}
	if status != "" {
		args = append(args, sanitizeText(string(q.Status)))
	}
	rows, err := tx.Query(ctx, `
		SELECT id, created_at, coalesce(completed_at, '0001-01-01 00:00:00+00'), status, error, input_status, input_error
		FROM jobs WHERE key_id = $1 AND (created_at, id) < ($2, $3) `+status+`
		ORDER BY created_at DESC, id DESC LIMIT $4`, args...)
	if err != nil {
		return nil, err
	}
	var ids []string
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.State, error) {
		var j job.State
		err := row.Scan(&j.ID, &j.CreatedAt, &j.CompletedAt, &j.Status, &j.Error, &j.Input.Status, &j.Input.Error)
		j.CreatedAt, j.CompletedAt = j.CreatedAt.UTC(), j.CompletedAt.UTC()
		ids = append(ids, j.ID)
		return j, err
	})
	if err != nil {
		return nil, err
	}
	outputs, err := readOutputs(ctx, tx, ids...)
	for i := range jobs {
		jobs[i].Outputs = outputs[jobs[i].ID]
	}
	return jobs, err
}

// cursor encodes a position in the list: that behind a job.
func cursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMicro(), 36) + "." + id))
}

func parseCursor(c string) (at time.Time, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(c)
	micros, id, ok := strings.Cut(string(b), ".")
	n, nerr := strconv.ParseInt(micros, 36, 64)
	// PostgreSQL cannot represent times outside of this range.
	if err != nil || nerr != nil || !ok || sanitizeText(id) != id || n < 0 || n > 1<<57 {
		return time.Time{}, "", job.Errorf(job.CursorNotValid, "The cursor %q is not valid; take it from the page before.", c)
	}
	return time.UnixMicro(n), id, nil
}
