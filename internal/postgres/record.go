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

// Record applies events to the job for a run and returns its new state. What
// changed, the events, and the webhooks that follow from them are written
// together or not at all. Events that repeat, or come too late, change nothing
// and notify nobody. It fails with job.ErrLeaseLost when another run has begun.
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

// record is the one way by which a job changes. r is its row, locked by tx.
func (s *Store) record(ctx context.Context, tx *txn, r jobRow, events ...job.Event) (job.State, error) {
	st := r.state
	before := slices.Clone(st.Outputs)
	st.Outputs = slices.Clone(st.Outputs)
	var happened []appliedEvent
	for _, e := range events {
		m, err := applyEvent(&st, asStored(e))
		if err != nil {
			return job.State{}, err
		}
		happened = append(happened, m...)
	}
	if len(happened) == 0 {
		return st, nil
	}
	batch := &pgx.Batch{}
	if err := insertEvents(batch, r, happened); err != nil {
		return job.State{}, err
	}
	for i, o := range st.Outputs {
		if o.Stage != before[i].Stage { // nothing else of an output changes without it
			if err := updateOutput(batch, st.ID, i, o); err != nil {
				return job.State{}, err
			}
		}
	}
	sent := s.notifications(r, happened)
	updateState(batch, st, r.lastEvent+len(happened), r.lastDelivery+len(sent))
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return job.State{}, fmt.Errorf("write the changes: %w", err)
	}
	tx.jobs = append(tx.jobs, st.ID)
	return st, s.insertDeliveries(ctx, tx, r, sent)
}

// appliedEvent is an event with the state right after it.
type appliedEvent struct {
	event job.Event
	state job.State
}

// applyEvent is State.Apply, keeping what each event left. An event and the end of
// the job that follows from it share one state; the encoder knows that.
func applyEvent(st *job.State, e job.Event) ([]appliedEvent, error) {
	events, err := st.Apply(e)
	if err != nil {
		return nil, err
	}
	var out []appliedEvent
	for _, h := range events {
		m := appliedEvent{event: h, state: *st}
		m.state.Outputs = slices.Clone(st.Outputs)
		out = append(out, m)
	}
	return out, nil
}

// asStored is e as PostgreSQL will give it back.
func asStored(e job.Event) job.Event {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Error = sanitizeText(e.Error)
	return e
}

// eventData is what an event's row keeps beside kind, time and output. What
// ffprobe found stays out: it is in the state, and is long.
type eventData struct {
	Stage  job.Stage   `json:"stage,omitempty"`
	Error  string      `json:"error,omitempty"`
	Reason job.Reason  `json:"reason,omitzero"` // its code; older events have none
	Result *job.Result `json:"result,omitempty"`
}

func insertEvents(b *pgx.Batch, r jobRow, happened []appliedEvent) error {
	for i, m := range happened {
		e := m.event
		data := eventData{Stage: e.Stage, Error: e.Error, Reason: e.Reason}
		if e.Kind == job.OutputCompletedEvent {
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
	if o.Stage == job.Done {
		var err error
		if result, err = encodeJSON(o.Result); err != nil {
			return fmt.Errorf("encode the result of output %q: %w", o.Key, err)
		}
	}
	b.Queue(`UPDATE outputs SET stage = $3, progress = $4, result = $5, error = $6 WHERE job_id = $1 AND idx = $2`,
		id, i, string(o.Stage), o.Progress, result, o.Error)
	return nil
}

func updateState(b *pgx.Batch, st job.State, lastEvent, lastDelivery int) {
	var completed *time.Time
	if !st.CompletedAt.IsZero() {
		completed = &st.CompletedAt
	}
	b.Queue(`UPDATE jobs SET status = $2, error = $3, completed_at = $4, input_status = $5, input_error = $6,
			input_metadata = CASE WHEN $7::json IS NULL THEN NULL ELSE coalesce(input_metadata, $7::json) END, last_event = $8, last_delivery = $9, touched_at = now()
		WHERE id = $1`,
		st.ID, string(st.Status), sanitizeText(st.Error), completed, string(st.Input.Status), sanitizeText(st.Input.Error),
		sanitizeJSON(st.Input.Metadata), lastEvent, lastDelivery)
}

// notification is a webhook to be sent.
type notification struct {
	event job.EventKind
	body  []byte
}

// notifications are the webhooks that the customer wants of what happened. A
// request that cannot be read any more, as when its sealing key was lost, gets
// none: the job must still be able to end.
func (s *Store) notifications(r jobRow, happened []appliedEvent) []notification {
	if !slices.ContainsFunc(happened, func(m appliedEvent) bool { return coconut.Sent(m.event.Kind, allEvents) }) {
		return nil
	}
	n, err := s.notificationOf(r)
	if err != nil {
		s.log.Error("no webhook is sent, since the stored request cannot be read", "job", r.state.ID, "error", err)
		return nil
	}
	if n == nil {
		return nil
	}
	var out []notification
	for _, m := range happened {
		if coconut.Sent(m.event.Kind, *n) {
			out = append(out, notification{m.event.Kind, coconut.EncodeNotification(m.state, m.event, n.Metadata)})
		}
	}
	return out
}

// allEvents asks for all events there are, to see whether any could be sent
// before the request is opened.
var allEvents = job.Notification{Type: "http", Events: true}

// notificationOf is the notification that the stored request asks for; nil: none.
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

func (s *Store) insertDeliveries(ctx context.Context, tx *txn, r jobRow, sent []notification) error {
	if len(sent) == 0 {
		return nil
	}
	held, err := hasPredecessor(ctx, tx, r.state.ID)
	if err != nil {
		return err
	}
	for i, n := range sent {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO deliveries (job_id, n, event, body, held, next_at)
			VALUES ($1, $2, $3, $4, $5, CASE WHEN NOT $5 THEN now() END) RETURNING id`,
			r.state.ID, r.lastDelivery+1+i, string(n.event), sanitizeJSON(n.body), held).Scan(&id)
		if err != nil {
			return fmt.Errorf("insert the delivery: %w", err)
		}
		if held {
			continue
		}
		if _, err := s.insert(ctx, tx, queue.NotifyArgs{DeliveryID: id}, nil); err != nil {
			return fmt.Errorf("queue the delivery: %w", err)
		}
		held = true // what follows waits for it
	}
	return nil
}
