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

// History returns the current state of a job and its events with numbers above
// after. It is read at every change that is watched, so it leaves out all that is
// long: the metadata of the input and the results of outputs.
func (s *Store) History(ctx context.Context, keyID, id string, after int) (h job.History, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		h, err = readHistory(ctx, tx, keyID, id, after)
		return err
	})
	if err != nil {
		return job.History{}, fmt.Errorf("read the history of job %q: %w", id, err)
	}
	return h, nil
}

func readHistory(ctx context.Context, tx pgx.Tx, keyID, id string, after int) (job.History, error) {
	var h job.History
	var completed *time.Time
	j := &h.State
	err := tx.QueryRow(ctx, `
		SELECT id, created_at, completed_at, status, error, input_status, input_error
		FROM jobs WHERE id = $1 AND ($2 = '`+job.AnyKey+`' OR key_id = $2)`, sanitizeText(id), keyID).
		Scan(&j.ID, &j.CreatedAt, &completed, &j.Status, &j.Error, &j.Input.Status, &j.Input.Error)
	if errors.Is(err, pgx.ErrNoRows) {
		return job.History{}, job.ErrNotFound
	}
	if err != nil {
		return job.History{}, fmt.Errorf("read the job: %w", err)
	}
	j.CreatedAt = j.CreatedAt.UTC()
	if completed != nil {
		j.CompletedAt = completed.UTC()
	}
	rows, err := tx.Query(ctx, `SELECT key, type, format, stage, progress, error FROM outputs WHERE job_id = $1 ORDER BY idx`, j.ID)
	if err != nil {
		return job.History{}, fmt.Errorf("read the outputs: %w", err)
	}
	j.Outputs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.OutputState, error) {
		var o job.OutputState
		err := row.Scan(&o.Key, &o.Type, &o.Format, &o.Stage, &o.Progress, &o.Error)
		return o, err
	})
	if err != nil {
		return job.History{}, fmt.Errorf("read the outputs: %w", err)
	}
	h.Events, err = readEvents(ctx, tx, j.ID, after)
	return h, err
}

func readEvents(ctx context.Context, tx pgx.Tx, id string, after int) ([]job.RecordedEvent, error) {
	rows, err := tx.Query(ctx, `SELECT seq, kind, at, output, data::text FROM events WHERE job_id = $1 AND seq > $2 ORDER BY seq`, id, after)
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.RecordedEvent, error) {
		var e job.RecordedEvent
		var text []byte
		if err := row.Scan(&e.N, &e.Kind, &e.At, &e.Output, &text); err != nil {
			return e, err
		}
		var data eventData
		if err := json.Unmarshal(text, &data); err != nil {
			return e, fmt.Errorf("event %d: %w", e.N, err)
		}
		e.At, e.Stage, e.Error, e.Reason, e.Note = e.At.UTC(), data.Stage, data.Error, data.Reason, data.Note
		if data.Result != nil {
			e.Result = *data.Result
		}
		return e, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	return events, nil
}
