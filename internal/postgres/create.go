package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

// errIdempotentRepeat: a job with this idempotency key exists.
var errIdempotentRepeat = errors.New("the idempotency key is taken")

// CreateJob accepts a job: it inserts the job, its outputs and the River job that
// probes the input in one transaction. A repeat, by idempotency key, returns the
// current state of the first job. It fails with a *job.Error with job.TooManyJobs
// when the API key has reached its limit.
func (s *Store) CreateJob(ctx context.Context, n job.Submission) (job.State, error) {
	// PostgreSQL stores microseconds. This answer must equal later ones.
	st := job.NewState(randomID(), s.now().UTC().Truncate(time.Microsecond), n.Spec.Outputs)
	st.Metadata = n.Spec.Metadata
	hash := sha256.Sum256(n.Request)
	err := s.withTx(ctx, func(tx *txn) error { return s.insertJob(ctx, tx, st, n, hash[:]) })
	if errors.Is(err, errIdempotentRepeat) {
		return s.idempotentRepeat(ctx, n, hash[:])
	}
	if err != nil {
		return job.State{}, fmt.Errorf("create job: %w", err)
	}
	return st, nil
}

func (s *Store) insertJob(ctx context.Context, tx *txn, st job.State, n job.Submission, hash []byte) error {
	probe, err := s.insert(ctx, tx, queue.ProbeArgs{JobID: st.ID},
		&river.InsertOpts{Priority: queue.Priority(n.Spec.Settings.Priority)})
	if err != nil {
		return fmt.Errorf("queue the probe: %w", err)
	}
	keys, types, formats, stages := make([]string, 0, len(st.Outputs)), []string{}, []string{}, []string{}
	for _, o := range st.Outputs {
		keys, types = append(keys, sanitizeText(o.Key)), append(types, string(o.Type))
		formats, stages = append(formats, sanitizeText(o.Format)), append(stages, string(o.Stage))
	}
	var idempotency *string
	if n.IdempotencyKey != "" {
		idempotency = &n.IdempotencyKey
	}
	// If a concurrent transaction has inserted the same idempotency key, this
	// statement waits for its end, and then inserts nothing or goes on.
	var accepted, limited bool
	err = tx.QueryRow(ctx, `
		WITH accepted AS (
			INSERT INTO jobs (id, key_id, created_at, status, input_status, request_sealed, priority, river_id, idempotency_key, body_hash, metadata, traceparent, cards)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $15, $16, $17)
			ON CONFLICT (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
			RETURNING id
		), put AS (
			INSERT INTO outputs (job_id, idx, key, type, format, stage)
			SELECT accepted.id, o.place - 1, o.key, o.type, o.format, o.stage
			FROM accepted, unnest($11::text[], $12::text[], $13::text[], $14::text[]) WITH ORDINALITY o (key, type, format, stage, place)
		)
		SELECT EXISTS (SELECT FROM accepted), coalesce((SELECT max_queued IS NOT NULL OR max_minutes IS NOT NULL FROM api_keys WHERE id = $2), false)`,
		st.ID, n.KeyID, st.CreatedAt, st.Status, st.Input.Status, s.sealer.Seal(n.Request, sealContext(st.ID)),
		n.Spec.Settings.Priority, probe.ID, idempotency, hash,
		keys, types, formats, stages, st.Metadata, telemetry.Traceparent(ctx), n.Spec.Cards()).Scan(&accepted, &limited)
	if err != nil {
		return fmt.Errorf("insert the job: %w", err)
	}
	if !accepted {
		return errIdempotentRepeat // it adds no job, so no limit applies
	}
	tx.jobs = append(tx.jobs, st.ID) // for those who watch all jobs
	if !limited {
		return nil
	}
	return s.checkLimits(ctx, tx, n.KeyID)
}

// idempotentRepeat returns the job that was created with the idempotency key of n.
func (s *Store) idempotentRepeat(ctx context.Context, n job.Submission, hash []byte) (job.State, error) {
	var id string
	var first []byte
	err := s.pool.QueryRow(ctx, `SELECT id, body_hash FROM jobs WHERE key_id = $1 AND idempotency_key = $2`,
		n.KeyID, n.IdempotencyKey).Scan(&id, &first)
	if err != nil {
		return job.State{}, fmt.Errorf("create job: find the one with the same idempotency key: %w", err)
	}
	if !bytes.Equal(first, hash) {
		return job.State{}, job.NewError(job.IdempotencyKeyReused)
	}
	return s.GetJob(ctx, n.KeyID, id)
}
