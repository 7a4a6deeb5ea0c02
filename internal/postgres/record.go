package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// Record applies events to a job on behalf of a run and returns the new state of
// the job. The state, the events and the webhooks that follow from them are
// written together or not at all. Events that repeat earlier ones, or come after
// the end, change nothing. It fails with job.ErrLeaseLost when another run has begun.
func (s *Store) Record(ctx context.Context, id string, run int64, events ...job.Event) (job.State, error) {
	var st job.State
	err := s.withTx(ctx, func(tx *txn) error {
		r, err := lockRun(ctx, tx, id, run)
		if err != nil {
			return err
		}
		st, err = s.record(ctx, tx, r, events...)
		return err
	})
	if err != nil {
		return job.State{}, fmt.Errorf("record events of job %q: %w", id, err)
	}
	return st, nil
}

// record applies events to a job. It is the only way to change one. r is the
// job's row, which tx has locked.
func (s *Store) record(ctx context.Context, tx *txn, r jobRow, events ...job.Event) (job.State, error) {
	events, err := withoutKnownNotes(ctx, tx, r.state.ID, events)
	if err != nil {
		return job.State{}, err
	}
	st := r.state
	before := slices.Clone(st.Outputs)
	st.Outputs = slices.Clone(st.Outputs)
	var applied []appliedEvent
	for _, e := range events {
		a, err := applyEvent(&st, asStored(e))
		if err != nil {
			return job.State{}, err
		}
		applied = append(applied, a...)
	}
	if len(applied) == 0 {
		return st, nil
	}
	batch := &pgx.Batch{}
	if err := insertEvents(batch, r, applied); err != nil {
		return job.State{}, err
	}
	for i, o := range st.Outputs {
		// An event changes an output only together with its stage, or makes it playable.
		if o.Stage != before[i].Stage || o.Result.Early != before[i].Result.Early {
			if err := updateOutput(batch, st.ID, i, o); err != nil {
				return job.State{}, err
			}
		}
	}
	webhooks := s.webhooks(ctx, r, applied)
	updateState(batch, st, measured(applied), r.lastEvent+len(applied), r.lastDelivery+len(webhooks))
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return job.State{}, fmt.Errorf("write the changes: %w", err)
	}
	tx.jobs = append(tx.jobs, st.ID)
	return st, s.insertDeliveries(ctx, tx, r, webhooks)
}

// withoutKnownNotes leaves out the notes that the job already has: each attempt finds the
// same.
func withoutKnownNotes(ctx context.Context, tx *txn, id string, events []job.Event) ([]job.Event, error) {
	isNote := func(e job.Event) bool { return e.Kind == job.OutputNoteEvent }
	if !slices.ContainsFunc(events, isNote) {
		return events, nil
	}
	type note struct{ Output, Text string }
	rows, err := tx.Query(ctx, `SELECT output, coalesce(data->>'note', '') FROM events WHERE job_id = $1 AND kind = $2`, id, string(job.OutputNoteEvent))
	if err != nil {
		return nil, fmt.Errorf("read the notes: %w", err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowToStructByPos[note])
	if err != nil {
		return nil, fmt.Errorf("read the notes: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(events), func(e job.Event) bool {
		return isNote(e) && slices.Contains(known, note{e.Output, e.Note})
	}), nil
}

// appliedEvent is an event with the state of the job right after it.
type appliedEvent struct {
	event job.Event
	state job.State
}

// applyEvent calls State.Apply and returns the events that it made, each with a
// copy of the state. The last event of an output and the end of the job that
// follows from it share one state, in which the job has ended.
func applyEvent(st *job.State, e job.Event) ([]appliedEvent, error) {
	events, err := st.Apply(e)
	if err != nil {
		return nil, err
	}
	var applied []appliedEvent
	for _, e := range events {
		a := appliedEvent{event: e, state: *st}
		a.state.Outputs = slices.Clone(st.Outputs)
		applied = append(applied, a)
	}
	return applied, nil
}

// asStored returns e as it will be read back: PostgreSQL stores microseconds and
// valid text.
func asStored(e job.Event) job.Event {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Error = sanitizeText(e.Error)
	return e
}

// eventData is the data column of an event: all that has no column of its own,
// without the metadata of ffprobe, which are long and part of the state.
type eventData struct {
	Stage  job.Stage   `json:"stage,omitempty"`
	Error  string      `json:"error,omitempty"`
	Reason job.Reason  `json:"reason,omitzero"` // its code; older events have none
	Note   string      `json:"note,omitempty"`
	Result *job.Result `json:"result,omitempty"`
	Nodes  []string    `json:"nodes,omitempty"` // read by operators alone
}

func insertEvents(b *pgx.Batch, r jobRow, applied []appliedEvent) error {
	for i, a := range applied {
		e := a.event
		data := eventData{Stage: e.Stage, Error: e.Error, Reason: e.Reason, Note: e.Note, Nodes: e.Nodes}
		if e.Kind == job.OutputCompletedEvent || e.Kind == job.StreamPlayableEvent {
			result := e.Result
			result.Metadata = nil
			data.Result = &result
		}
		text, err := encodeJSON(data)
		if err != nil {
			return fmt.Errorf("encode event %q: %w", e.Kind, err)
		}
		b.Queue(`INSERT INTO events (job_id, seq, kind, at, output, data) VALUES ($1, $2, $3, $4, $5, $6)`,
			r.state.ID, r.lastEvent+1+i, string(e.Kind), e.At, e.Output, text)
	}
	return nil
}

func updateOutput(b *pgx.Batch, id string, i int, o job.OutputState) error {
	var result *string
	var seconds *float64
	if o.Stage == job.Done {
		if s := o.Seconds(); s > 0 {
			seconds = &s
		}
	}
	if o.Stage == job.Done || o.Result.Early != "" {
		var err error
		if result, err = encodeJSON(o.Result); err != nil {
			return fmt.Errorf("encode the result of output %q: %w", o.Key, err)
		}
	}
	played := o.Played()
	b.Queue(`UPDATE outputs SET stage = $3, progress = $4, result = $5, error = $6, seconds = $7,
			audio_seconds = $8, sd_seconds = $9, hd_seconds = $10, uhd_seconds = $11, bytes = coalesce(nullif($12, 0), bytes)
		WHERE job_id = $1 AND idx = $2`,
		id, i, string(o.Stage), o.Progress, result, o.Error, seconds, played.Audio, played.SD, played.HD, played.UHD, o.Result.Bytes)
	return nil
}

// measured reports whether the input's metadata was replaced by what a measurement
// of the whole input has shown.
func measured(happened []appliedEvent) bool {
	return slices.ContainsFunc(happened, func(m appliedEvent) bool {
		return m.event.Kind == job.InputTransferredEvent && m.event.Metadata != nil
	})
}

// updateState writes the state. The input's metadata is long and seldom changes:
// what is there stays, unless it was replaced or the job begins again.
func updateState(b *pgx.Batch, st job.State, replaced bool, lastEvent, lastDelivery int) {
	var completed *time.Time
	if !st.CompletedAt.IsZero() {
		completed = &st.CompletedAt
	}
	b.Queue(`UPDATE jobs SET status = $2, error = $3, completed_at = $4, input_status = $5, input_error = $6,
			input_metadata = CASE WHEN $7::json IS NULL OR $10 THEN $7::json ELSE coalesce(input_metadata, $7::json) END, last_event = $8, last_delivery = $9, touched_at = now()
		WHERE id = $1`,
		st.ID, string(st.Status), sanitizeText(st.Error), completed, string(st.Input.Status), sanitizeText(st.Input.Error),
		sanitizeJSON(st.Input.Metadata), lastEvent, lastDelivery, replaced)
}

// webhook is a notification to be sent.
type webhook struct {
	event job.EventKind
	body  []byte
}

// webhooks returns the webhooks that the customer asked for. It returns none when
// the stored request cannot be read, for example because its sealing key is
// lost: the job must be able to end nevertheless.
func (s *Store) webhooks(ctx context.Context, r jobRow, applied []appliedEvent) []webhook {
	if !slices.ContainsFunc(applied, func(a appliedEvent) bool { return coconut.Sent(a.event.Kind, allEvents) }) {
		return nil
	}
	n, err := s.notificationOf(r)
	if err != nil {
		s.log.ErrorContext(ctx, "webhook not sent: the stored request cannot be read", "job", r.state.ID, "key", r.keyName, "error", err)
		return nil
	}
	if n == nil {
		return nil
	}
	var list []webhook
	for _, a := range applied {
		if coconut.Sent(a.event.Kind, *n) {
			list = append(list, webhook{a.event.Kind, coconut.EncodeNotification(a.state, a.event, n.Metadata)})
		}
	}
	return list
}

// allEvents asks for every event that can be sent. With it, events that are never
// sent are found without opening the request.
var allEvents = job.Notification{Type: "http", Events: true}

// notificationOf returns the notification of the stored request, nil if it has none.
func (s *Store) notificationOf(r jobRow) (*job.Notification, error) {
	request, err := s.unseal(r.state.ID, r.sealed)
	if err != nil {
		return nil, err
	}
	spec, err := coconut.DecodeJob(request)
	if err != nil {
		return nil, fmt.Errorf("decode the stored request: %w", err)
	}
	return spec.Notification, nil
}

// insertDeliveries inserts webhooks and queues the first of them, if no earlier
// delivery blocks it (see order.go).
func (s *Store) insertDeliveries(ctx context.Context, tx *txn, r jobRow, webhooks []webhook) error {
	if len(webhooks) == 0 {
		return nil
	}
	blocked, err := hasPredecessor(ctx, tx, r.state.ID)
	if err != nil {
		return err
	}
	for i, h := range webhooks {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO deliveries (job_id, n, event, body, blocked, next_at)
			VALUES ($1, $2, $3, $4, $5, CASE WHEN NOT $5 THEN now() END) RETURNING id`,
			r.state.ID, r.lastDelivery+1+i, string(h.event), sanitizeJSON(h.body), blocked).Scan(&id)
		if err != nil {
			return fmt.Errorf("insert the delivery: %w", err)
		}
		if blocked {
			continue
		}
		if _, err := s.insert(ctx, tx, queue.NotifyArgs{DeliveryID: id}, nil); err != nil {
			return fmt.Errorf("queue the delivery: %w", err)
		}
		blocked = true // the next one waits for this one
	}
	return nil
}
