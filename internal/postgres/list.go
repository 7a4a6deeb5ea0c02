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

// searchWindow is how many jobs a search for a text reads for one page. A page of a
// search may be short, or empty, and yet have a next one.
const searchWindow = 5000

// ListJobs is SearchJobs without what is not part of a job's state.
func (s *Store) ListJobs(ctx context.Context, keyID string, q job.ListQuery) (jobs []job.State, next string, err error) {
	listed, next, err := s.SearchJobs(ctx, keyID, q)
	for _, l := range listed {
		jobs = append(jobs, l.State)
	}
	return jobs, next, err
}

// SearchJobs returns a page of a key's jobs, or of all jobs for job.AnyKey, newest
// first, and the cursor of the next page, "" after the last one. The jobs have no
// metadata of their input and outputs. New jobs do not shift the pages.
func (s *Store) SearchJobs(ctx context.Context, keyID string, q job.ListQuery) (jobs []job.Listed, next string, err error) {
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
	where := jobConditions(keyID, q, at, id)
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		if jobs, err = listPage(ctx, tx, where, q); err != nil || len(jobs) > q.Limit || q.Text == "" {
			return err
		}
		next, err = endOfWindow(ctx, tx, where)
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

// conditions is a WHERE clause with its arguments.
type conditions struct {
	list []string
	args []any
}

// add adds a condition. Each %d in it is the number of the next argument.
func (c *conditions) add(condition string, args ...any) {
	numbers := make([]any, len(args))
	for i := range args {
		numbers[i] = len(c.args) + 1 + i
	}
	c.args = append(c.args, args...)
	c.list = append(c.list, fmt.Sprintf(condition, numbers...))
}

func (c *conditions) sql() string { return strings.Join(c.list, " AND ") }

// with returns the arguments with more behind them.
func (c *conditions) with(more ...any) []any {
	return append(c.args[:len(c.args):len(c.args)], more...)
}

// jobConditions are those of a page, without the text. Conditions that a query does
// not have are left out: with "$5 = ” OR status = $5" no index could be used.
func jobConditions(keyID string, q job.ListQuery, at time.Time, id string) *conditions {
	c := &conditions{}
	c.add("(j.created_at, j.id) < ($%d, $%d)", at, id)
	if keyID != job.AnyKey {
		c.add("j.key_id = $%d", keyID)
	}
	if q.Status != "" {
		c.add("j.status = $%d", sanitizeText(string(q.Status)))
	}
	if !q.Since.IsZero() {
		c.add("j.created_at >= $%d", q.Since)
	}
	if !q.Until.IsZero() {
		c.add("j.created_at < $%d", q.Until)
	}
	if q.MetadataName != "" {
		c.add("j.metadata @> $%d", map[string]string{sanitizeText(q.MetadataName): sanitizeText(q.MetadataValue)})
	}
	return c
}

const newestFirst = ` ORDER BY j.created_at DESC, j.id DESC`

func listPage(ctx context.Context, tx pgx.Tx, where *conditions, q job.ListQuery) ([]job.Listed, error) {
	from, args := "jobs j WHERE "+where.sql(), where.args
	if q.Text != "" {
		text := fmt.Sprintf("$%d", len(args)+1)
		args = where.with("%" + likeLiteral(sanitizeText(q.Text), len(q.Text)) + "%")
		from = `(SELECT * FROM ` + from + newestFirst + ` LIMIT ` + strconv.Itoa(searchWindow) + `) j
			WHERE (j.id ILIKE ` + text + ` OR j.error ILIKE ` + text + ` OR j.input_error ILIKE ` + text + ` OR j.metadata::text ILIKE ` + text + `
				OR EXISTS (SELECT FROM outputs o WHERE o.job_id = j.id AND (o.key ILIKE ` + text + ` OR o.format ILIKE ` + text + ` OR o.error ILIKE ` + text + `)))`
	}
	rows, err := tx.Query(ctx, `
		SELECT j.id, j.created_at, coalesce(j.completed_at, '0001-01-01 00:00:00+00'), j.status, j.error, j.input_status, j.input_error, j.metadata,
			j.key_id, (SELECT name FROM api_keys k WHERE k.id = j.key_id), j.node
		FROM `+from+newestFirst+` LIMIT `+strconv.Itoa(q.Limit+1), args...)
	if err != nil {
		return nil, err
	}
	var ids []string
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.Listed, error) {
		var j job.Listed
		err := row.Scan(&j.ID, &j.CreatedAt, &j.CompletedAt, &j.Status, &j.Error, &j.Input.Status, &j.Input.Error, &j.Metadata,
			&j.KeyID, &j.KeyName, &j.Node)
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

// endOfWindow returns the cursor of the last job that a search has read, "" when it
// has read all.
func endOfWindow(ctx context.Context, tx pgx.Tx, where *conditions) (string, error) {
	rows, err := tx.Query(ctx, `SELECT j.created_at, j.id FROM jobs j WHERE `+where.sql()+newestFirst+
		` OFFSET `+strconv.Itoa(searchWindow-1)+` LIMIT 1`, where.args...)
	if err != nil {
		return "", err
	}
	ends, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var at time.Time
		var id string
		err := row.Scan(&at, &id)
		return cursor(at, id), err
	})
	if err != nil || len(ends) == 0 {
		return "", err
	}
	return ends[0], nil
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
