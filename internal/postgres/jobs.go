package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// querier is a connection pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// jobRow is the row of a job, with its outputs.
type jobRow struct {
	state        job.State
	keyID        string
	sealed       []byte
	run          int64
	acceptedAt   time.Time
	priority     int
	lastEvent    int
	lastDelivery int
	keyName      string
	traceparent  string
}

// GetJob returns the state of a job. It fails with job.ErrNotFound when the job
// does not exist or belongs to another key.
func (s *Store) GetJob(ctx context.Context, keyID, id string) (job.State, error) {
	r, err := s.readJob(ctx, id, keyID)
	if err != nil {
		return job.State{}, fmt.Errorf("get job %q: %w", id, err)
	}
	return r.state, nil
}

// Load returns a job with its unsealed request, for a worker.
func (s *Store) Load(ctx context.Context, id string) (job.LoadedJob, error) {
	r, err := s.readJob(ctx, id, "")
	if err != nil {
		return job.LoadedJob{}, fmt.Errorf("load job %q: %w", id, err)
	}
	request, err := s.unseal(id, r.sealed)
	if err != nil {
		return job.LoadedJob{}, fmt.Errorf("load job %q: %w", id, err)
	}
	return job.LoadedJob{State: r.state, Request: request, AcceptedAt: r.acceptedAt, KeyName: r.keyName, Traceparent: r.traceparent}, nil
}

// readJob reads a job and its outputs in one snapshot. keyID "" is any key.
func (s *Store) readJob(ctx context.Context, id, keyID string) (r jobRow, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		r, err = readRow(ctx, tx, id, keyID, "")
		return err
	})
	return r, err
}

// readRow reads a job. keyID "" is any key, and so is job.AnyKey. lock is "" or "FOR UPDATE".
func readRow(ctx context.Context, q querier, id, keyID, lock string) (jobRow, error) {
	var r jobRow
	var completed *time.Time
	var metadata []byte
	j := &r.state
	err := q.QueryRow(ctx, `
		SELECT id, key_id, created_at, completed_at, status, error, input_status, input_error, input_metadata::text, metadata,
			request_sealed, run, coalesce(retried_at, created_at), priority, last_event, last_delivery,
			traceparent, (SELECT name FROM api_keys WHERE api_keys.id = jobs.key_id)
		FROM jobs WHERE id = $1 AND ($2 IN ('', '`+job.AnyKey+`') OR key_id = $2) `+lock, sanitizeText(id), keyID).
		Scan(&j.ID, &r.keyID, &j.CreatedAt, &completed, &j.Status, &j.Error, &j.Input.Status, &j.Input.Error, &metadata, &j.Metadata,
			&r.sealed, &r.run, &r.acceptedAt, &r.priority, &r.lastEvent, &r.lastDelivery, &r.traceparent, &r.keyName)
	if errors.Is(err, pgx.ErrNoRows) {
		return jobRow{}, job.ErrNotFound
	}
	if err != nil {
		return jobRow{}, fmt.Errorf("read the job: %w", err)
	}
	j.CreatedAt, r.acceptedAt = j.CreatedAt.UTC(), r.acceptedAt.UTC()
	if completed != nil {
		j.CompletedAt = completed.UTC()
	}
	j.Input.Metadata = metadata
	outputs, err := readOutputs(ctx, q, j.ID)
	j.Outputs = outputs[j.ID]
	return r, err
}

// readOutputs reads the outputs of jobs, by job id, in the order of the request.
func readOutputs(ctx context.Context, q querier, ids ...string) (map[string][]job.OutputState, error) {
	rows, err := q.Query(ctx, `
		SELECT job_id, key, type, format, stage, progress, result::text, error
		FROM outputs WHERE job_id = ANY ($1) ORDER BY job_id, idx`, ids)
	if err != nil {
		return nil, fmt.Errorf("read the outputs: %w", err)
	}
	outputs := map[string][]job.OutputState{}
	var id string
	var o job.OutputState
	var result []byte
	into := []any{&id, &o.Key, &o.Type, &o.Format, &o.Stage, &o.Progress, &result, &o.Error}
	_, err = pgx.ForEachRow(rows, into, func() error {
		o.Result = job.Result{}
		if result != nil {
			if err := json.Unmarshal(result, &o.Result); err != nil {
				return fmt.Errorf("result of output %q: %w", o.Key, err)
			}
		}
		outputs[id] = append(outputs[id], o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the outputs: %w", err)
	}
	return outputs, nil
}

// sealContext is the associated data that binds a sealed request to its row.
func sealContext(id string) string { return "jobs/" + id }

func (s *Store) unseal(id string, sealed []byte) ([]byte, error) {
	request, err := s.sealer.Open(sealed, sealContext(id))
	if err != nil {
		return nil, fmt.Errorf("open the request: %w", err)
	}
	return request, nil
}
