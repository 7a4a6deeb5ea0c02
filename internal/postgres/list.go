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

// ListJobs returns a page of a key's jobs, newest first, without what ffprobe
// found of the inputs, and the cursor of the next page, "" after the last. Jobs
// that come meanwhile do not shift the pages.
func (s *Store) ListJobs(ctx context.Context, keyID string, l job.ListQuery) (jobs []job.State, next string, err error) {
	if l.Limit <= 0 {
		l.Limit = 20
	}
	l.Limit = min(l.Limit, 100)
	at, id := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ""
	if l.Cursor != "" {
		if at, id, err = parseCursor(l.Cursor); err != nil {
			return nil, "", err
		}
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		jobs, err = listPage(ctx, tx, keyID, l, at, id)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	if len(jobs) > l.Limit { // one more than asked for tells that there is a next page
		jobs = jobs[:l.Limit]
		last := jobs[l.Limit-1]
		next = cursor(last.CreatedAt, last.ID)
	}
	return jobs, next, nil
}

func listPage(ctx context.Context, tx pgx.Tx, keyID string, l job.ListQuery, at time.Time, id string) ([]job.State, error) {
	status := ""
	if l.Status != "" {
		status = "AND status = $5" // as a condition of its own, the index by status serves it
	}
	args := []any{keyID, at, id, l.Limit + 1}
	if status != "" {
		args = append(args, sanitizeText(string(l.Status)))
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

// cursor names a place in the list by the job before it.
func cursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMicro(), 36) + "." + id))
}

func parseCursor(c string) (at time.Time, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(c)
	micros, id, ok := strings.Cut(string(b), ".")
	n, nerr := strconv.ParseInt(micros, 36, 64)
	// PostgreSQL knows no time outside these.
	if err != nil || nerr != nil || !ok || sanitizeText(id) != id || n < 0 || n > 1<<57 {
		return time.Time{}, "", job.Errorf(job.CursorNotValid, "The cursor %q is not valid; take it from the page before.", c)
	}
	return time.UnixMicro(n), id, nil
}
