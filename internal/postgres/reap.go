package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// orphan is a running River job whose worker is dead, or has lost track of it.
type orphan struct {
	id       int64
	kind     string
	attempt  int
	node     string
	last     bool   // no attempt is left
	jobID    string // of a probe or transcode
	delivery int64  // of a notify
}

// orphanedSQL is the condition that River job r is an orphan: it runs for longer
// than $1, and one of two things holds.
//
// The node that works it has sent no heartbeat for $1, or none at all.
//
// Or the node lives, but the job's run has not renewed its lease for six times
// $1; a working run does so every second (SetProgress). This happens when a run
// ends while the database is down for longer than River retries to save its result.
var orphanedSQL = queue.IsRunning + `
	AND r.attempted_at < now() - $1::interval
	AND (NOT EXISTS (
		SELECT FROM worker_node n WHERE n.id = ` + queue.Node + ` AND n.seen >= now() - $1::interval
	) OR r.attempted_at < now() - 6 * $1::interval AND EXISTS (
		SELECT FROM jobs j
		WHERE j.id = ` + queue.ArgsJobID + ` AND j.river_id = r.id AND j.completed_at IS NULL AND j.touched_at < now() - 6 * $1::interval
	))`

// Reap requeues the River jobs of nodes without a heartbeat for stale. If an orphan has no attempt left, Reap ends it together with
// its purpose: the job fails, or the delivery is given up. A stale of 0 takes
// everything that runs, for a process that starts and has the database for itself.
//
// From time to time Reap also requeues stranded jobs (ReapStranded), unblocks
// deliveries (order.go), and releases what waits for cards that are gone (cards.go).
// Any process may call it at any time; concurrent calls requeue each orphan once.
func (s *Store) Reap(ctx context.Context, stale time.Duration) (job.Reaped, error) {
	orphans, err := s.findOrphans(ctx, stale)
	if err != nil {
		return job.Reaped{}, fmt.Errorf("find orphaned River jobs: %w", err)
	}
	var all job.Reaped
	for _, o := range orphans {
		one, err := s.requeueOrphan(ctx, o, stale)
		if err != nil {
			return all, fmt.Errorf("requeue River job %d of node %s: %w", o.id, o.node, err)
		}
		all.Add(one)
	}
	if !s.strandedScanDue(ctx) {
		return all, nil
	}
	stranded, err := s.ReapStranded(ctx, stale)
	all.Add(stranded)
	if err != nil {
		return all, err
	}
	if err := s.dropVoidTasks(ctx); err != nil {
		return all, err
	}
	if err := s.releaseCards(ctx, stale, false); err != nil {
		return all, err
	}
	overdue, err := s.unblockOverdue(ctx)
	all.Requeued += overdue
	return all, err
}

// findOrphans lists candidates; requeueOrphan checks each of them again. It lists
// none until the database has been up for stale, since no node can have sent a
// heartbeat while it was down.
func (s *Store) findOrphans(ctx context.Context, stale time.Duration) ([]orphan, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT r.id, r.kind, r.attempt, `+queue.Node+`, `+queue.IsLastAttempt+`, coalesce(`+queue.ArgsJobID+`, ''), coalesce(`+queue.ArgsDeliveryID+`, 0)
		FROM river_job r
		WHERE `+orphanedSQL+` AND pg_postmaster_start_time() < now() - $1::interval
		ORDER BY r.id LIMIT 200`, stale)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (orphan, error) {
		var o orphan
		err := row.Scan(&o.id, &o.kind, &o.attempt, &o.node, &o.last, &o.jobID, &o.delivery)
		return o, err
	})
}

// requeueOrphan ends the attempt of one River job, unless it has changed in the
// meantime. As everywhere, the row of the job is locked before that of the River
// job, so that transactions cannot deadlock.
func (s *Store) requeueOrphan(ctx context.Context, o orphan, stale time.Duration) (reaped job.Reaped, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		var r jobRow
		var err error
		riverJob, deliveryOf := int64(0), ""
		switch {
		case o.jobID != "":
			r, riverJob, err = lockWithRiverJob(ctx, tx, o.jobID)
		case o.delivery != 0:
			deliveryOf, err = lockDelivery(ctx, tx, o.delivery)
		}
		if err != nil && !errors.Is(err, job.ErrNotFound) {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE river_job r SET `+queue.EndAttemptSQL("$4", "$5::text")+`
			WHERE r.id = $2 AND r.attempt = $3 AND `+orphanedSQL,
			stale, o.id, o.attempt, o.last, fmt.Sprintf("the worker %s stopped responding while it worked on this", o.node))
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		reaped.Requeued = 1
		tx.queues = append(tx.queues, o.kind) // a queue has the name of its kind
		if deliveryOf != "" && o.last {
			if err := giveUpDelivery(ctx, tx, o.delivery); err != nil {
				return err
			}
			return s.unblockNext(ctx, tx, deliveryOf)
		}
		// If the job has moved to another River job, this one was only not
		// marked as completed, and the job's run is not its own.
		if riverJob != o.id || r.state.Finished() {
			return nil
		}
		if _, err := fence(ctx, tx, o.jobID); err != nil {
			return err
		}
		if !o.last {
			return nil
		}
		reaped.Failed, err = s.failJob(ctx, tx, r, job.Errorf(job.WorkerLost, "The job could not be finished: it was tried %d times, and each time the server that worked on it stopped.", o.attempt))
		return err
	})
	if err != nil {
		return job.Reaped{}, err
	}
	return reaped, nil
}

// lockWithRiverJob locks the row of a job and returns it with its current River job.
func lockWithRiverJob(ctx context.Context, tx *txn, id string) (r jobRow, riverJob int64, err error) {
	if r, err = readRow(ctx, tx, id, "", "FOR UPDATE"); err != nil {
		return jobRow{}, 0, err
	}
	err = tx.QueryRow(ctx, `SELECT river_id FROM jobs WHERE id = $1`, id).Scan(&riverJob)
	return r, riverJob, err
}

// failJob fails a job for a reason that the customer sees. Outputs that are done
// stay done. It returns what failed.
func (s *Store) failJob(ctx context.Context, tx *txn, r jobRow, e *job.Error) ([]job.Event, error) {
	s.log.WarnContext(ctx, "failing a job that no worker brought to its end", "job", r.state.ID, "key", r.keyName, "reason", e.Reason, "error", e)
	at := s.now()
	var events []job.Event
	if r.state.Input.Metadata == nil {
		events = []job.Event{{Kind: job.InputFailedEvent, At: at, Error: e.Message, Reason: e.Reason}}
		_, err := s.record(ctx, tx, r, events...)
		return events, err
	}
	for _, o := range r.state.Outputs {
		if !o.Stage.Final() {
			events = append(events, job.Event{Kind: job.OutputFailedEvent, At: at, Output: o.Key, Error: e.Message, Reason: e.Reason})
		}
	}
	_, err := s.record(ctx, tx, r, events...)
	return events, err
}
