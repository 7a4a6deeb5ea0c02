package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// JobDetail returns a job with its events, tasks and log, in one snapshot. keyID may be job.AnyKey.
func (s *Store) JobDetail(ctx context.Context, keyID, id string) (d job.Detail, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		r, err := readRow(ctx, tx, id, keyID, "")
		if err != nil {
			return err
		}
		d.State, d.KeyID, d.Priority, d.Runs = r.state, r.keyID, r.priority, r.run
		err = tx.QueryRow(ctx, `SELECT k.name, j.node FROM jobs j JOIN api_keys k ON k.id = j.key_id WHERE j.id = $1`, r.state.ID).Scan(&d.KeyName, &d.Node)
		if err != nil {
			return fmt.Errorf("read the name of the key: %w", err)
		}
		if d.Events, err = readEvents(ctx, tx, r.state.ID, 0); err != nil {
			return err
		}
		if d.Log, err = readLog(ctx, tx, r.state.ID); err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if d.Tasks, err = readTasks(ctx, tx, r.state.ID, r.run); err != nil {
			return fmt.Errorf("read the tasks: %w", err)
		}
		return nil
	})
	if err != nil {
		return job.Detail{}, fmt.Errorf("read the details of job %q: %w", id, err)
	}
	return d, nil
}

// readLog reads the log of a job without what is long in it.
func readLog(ctx context.Context, tx pgx.Tx, id string) ([]job.FFmpegRun, error) {
	rows, err := tx.Query(ctx, `
		SELECT run, task, node, step, kind, started_at, seconds, cpu_seconds, media_seconds, NULL::text[], '', error
		FROM ffmpeg_runs WHERE job_id = $1 ORDER BY id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanFFmpegRun)
}

// Request returns the request of a job, unsealed, and the id of its API key. It
// holds credentials: who shows it calls coconut.RedactRequest.
func (s *Store) Request(ctx context.Context, keyID, id string) (request []byte, owner string, err error) {
	r, err := s.readJob(ctx, id, keyID)
	if err != nil {
		return nil, "", fmt.Errorf("read the request of job %q: %w", id, err)
	}
	if request, err = s.unseal(r.state.ID, r.sealed); err != nil {
		return nil, "", fmt.Errorf("read the request of job %q: %w", id, err)
	}
	return request, r.keyID, nil
}

// DeliveryBody returns the body of webhook n of a job.
func (s *Store) DeliveryBody(ctx context.Context, keyID, id string, n int) (body []byte, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT d.body FROM deliveries d JOIN jobs j ON j.id = d.job_id
		WHERE d.job_id = $1 AND d.n = $2 AND ($3 = '`+job.AnyKey+`' OR j.key_id = $3)`, sanitizeText(id), n, keyID).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read the body of delivery %d of job %q: %w", n, id, err)
	}
	return body, nil
}
