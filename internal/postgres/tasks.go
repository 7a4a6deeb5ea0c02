package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

// A task is a step that a run has offered to all workers. Its row belongs to that run. Every
// statement of its worker names the fencing token of the task, and changes nothing once
// jobs.run is another run than the one that offered it. A River job for each row brings the
// task to a worker (docs/decisions/0028-steps-as-tasks.md).

// othersFirst is for how long a worker that has failed a step leaves it to others.
const othersFirst = 5 * time.Second

// taskIsValid is the condition that task t belongs to the latest run of its job j.
const taskIsValid = `j.id = t.job_id AND j.run = t.run AND j.completed_at IS NULL`

// OfferTasks stores tasks of a run and queues a River job for each, in one transaction. River
// works them in the order of the list. The ids have the same order. It fails with
// job.ErrLeaseLost when another run has begun or the job has ended.
func (s *Store) OfferTasks(ctx context.Context, jobID string, run int64, tasks []job.NewTask) (ids []int64, err error) {
	err = s.withTx(ctx, func(tx *txn) error {
		r, err := lockRun(ctx, tx, jobID, run)
		if err != nil {
			return err
		}
		if r.state.Finished() {
			return job.ErrLeaseLost
		}
		if ids, err = s.insertTasks(ctx, tx, jobID, run, tasks); err != nil {
			return fmt.Errorf("insert the tasks: %w", err)
		}
		var params []river.InsertManyParams
		for _, id := range ids {
			params = append(params, river.InsertManyParams{
				Args: queue.TaskArgs{TaskID: id}, InsertOpts: &river.InsertOpts{Priority: queue.Priority(r.priority)},
			})
		}
		if _, err := s.river.InsertManyTx(ctx, tx.Tx, params); err != nil {
			return fmt.Errorf("queue the tasks: %w", err)
		}
		tx.queues = append(tx.queues, queue.Task)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("offer tasks of job %q: %w", jobID, err)
	}
	return ids, nil
}

func (s *Store) insertTasks(ctx context.Context, tx *txn, jobID string, run int64, tasks []job.NewTask) (ids []int64, err error) {
	batch := &pgx.Batch{}
	for _, t := range tasks {
		tried := t.Tried
		if tried == nil {
			tried = []string{}
		}
		batch.Queue(`
			INSERT INTO tasks (job_id, run, step, kind, attempt, tried, cost, window_start, window_length, spec_sealed, traceparent)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
			jobID, run, t.Step, t.Kind, t.Attempt, tried, t.Cost, t.Start.Seconds(), t.Length.Seconds(), s.sealer.Seal(t.Spec, taskContext(jobID)), telemetry.Traceparent(ctx),
		).QueryRow(func(row pgx.Row) error {
			var id int64
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		})
	}
	return ids, tx.SendBatch(ctx, batch).Close()
}

// taskContext is the associated data of sealed specs: that of one job cannot be opened as
// that of another.
func taskContext(jobID string) string { return "tasks/" + jobID }

// ClaimTask gives an offered task to a node. It fails with job.ErrLeaseLost when another
// worker has the task or its run has ended. If wait is not 0, the task was not claimed: the
// node has failed this step before, and may try again after that time.
func (s *Store) ClaimTask(ctx context.Context, id int64, node string) (t job.ClaimedTask, wait time.Duration, err error) {
	var spec, request []byte
	err = s.pool.QueryRow(ctx, `
		UPDATE tasks t SET state = 'running', fence = t.fence + 1, node = $2, started_at = now(), touched_at = now(), progress = 0
		FROM jobs j
		WHERE t.id = $1 AND `+taskIsValid+` AND t.state = 'offered' AND ($2 <> ALL (t.tried) OR t.offered_at < now() - $3::interval)
		RETURNING t.id, t.job_id, t.fence, t.step, t.kind, t.attempt, t.traceparent, t.spec_sealed, j.request_sealed,
			(SELECT name FROM api_keys k WHERE k.id = j.key_id)`, id, node, othersFirst).
		Scan(&t.ID, &t.JobID, &t.Fence, &t.Step, &t.Kind, &t.Attempt, &t.Traceparent, &spec, &request, &t.KeyName)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		wait, err = s.whyNotClaimed(ctx, id, node)
	case err == nil:
		if t.Spec, err = s.sealer.Open(spec, taskContext(t.JobID)); err != nil {
			err = fmt.Errorf("open the spec: %w", err)
			break
		}
		t.Request, err = s.unseal(t.JobID, request)
	}
	if err != nil {
		return t, 0, fmt.Errorf("claim task %d: %w", id, err)
	}
	return t, wait, nil
}

// whyNotClaimed returns how long a node that has failed a step must wait for a task that is
// still offered. It fails with job.ErrLeaseLost if the task cannot be claimed at all.
func (s *Store) whyNotClaimed(ctx context.Context, id int64, node string) (wait time.Duration, err error) {
	var waits bool
	err = s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM tasks t JOIN jobs j ON `+taskIsValid+` WHERE t.id = $1 AND t.state = 'offered' AND $2 = ANY (t.tried))`,
		id, node).Scan(&waits)
	if err == nil && !waits {
		err = job.ErrLeaseLost
	}
	return othersFirst, err
}

// RenewTask renews the lease of a task and stores its progress, 0 to 1. It fails with
// job.ErrLeaseLost when another worker has the task, or its run has ended.
func (s *Store) RenewTask(ctx context.Context, id, fence int64, progress float64) error {
	return s.changeTask(ctx, "renew", `
		UPDATE tasks t SET touched_at = now(), progress = $3 FROM jobs j
		WHERE t.id = $1 AND t.fence = $2 AND t.state = 'running' AND `+taskIsValid+` RETURNING ''`, id, fence, progress)
}

// CompleteTask records the keys of the artifacts that a task has stored, and wakes the run
// that has offered it. A repeat changes nothing.
func (s *Store) CompleteTask(ctx context.Context, id, fence int64, artifacts []string) error {
	return s.changeTask(ctx, "complete", `
		UPDATE tasks t SET state = 'done', ended_at = coalesce(t.ended_at, now()), touched_at = now(), progress = 1, artifacts = $3 FROM jobs j
		WHERE t.id = $1 AND t.fence = $2 AND t.state IN ('running', 'done') AND `+taskIsValid+` RETURNING t.job_id`, id, fence, artifacts)
}

// FailTask records why a task could not be run, and wakes the run that has offered it.
func (s *Store) FailTask(ctx context.Context, id, fence int64, reason string) error {
	return s.changeTask(ctx, "fail", `
		UPDATE tasks t SET state = 'failed', ended_at = now(), touched_at = now(), error = $3 FROM jobs j
		WHERE t.id = $1 AND t.fence = $2 AND t.state IN ('running', 'failed') AND `+taskIsValid+` RETURNING t.job_id`, id, fence, sanitizeText(reason))
}

// changeTask executes a statement of a task's worker. It returns the job whose run is to be
// woken, or "". It fails with job.ErrLeaseLost if the statement has changed nothing.
func (s *Store) changeTask(ctx context.Context, verb, sql string, id, fence int64, arg any) error {
	var jobID string
	err := s.pool.QueryRow(ctx, sql, id, fence, arg).Scan(&jobID)
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("%s task %d: %w", verb, id, err)
	}
	if jobID != "" {
		s.notifier.publish(nil, []string{jobID})
	}
	return nil
}

// TakeTask claims an offered task for the run that has offered it, which needs no lease but
// its own. It reports false if another worker has the task.
func (s *Store) TakeTask(ctx context.Context, id int64, node string) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE tasks SET state = 'running', fence = fence + 1, node = $2, started_at = now(), touched_at = now()
		WHERE id = $1 AND state = 'offered'`, id, node)
	if err != nil {
		return false, fmt.Errorf("take task %d: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}

// LoseTask takes a running task from a worker that has not renewed its lease for silent. The
// task counts as failed, and the run that has offered it decides what follows.
func (s *Store) LoseTask(ctx context.Context, id int64, silent time.Duration) error {
	_, err := s.pool.Exec(ctx, `
		UPDATE tasks SET state = 'failed', fence = fence + 1, ended_at = now(), error = 'the worker ' || node || ' stopped responding'
		WHERE id = $1 AND state = 'running' AND touched_at < now() - $2::interval`, id, silent)
	if err != nil {
		return fmt.Errorf("take task %d from its worker: %w", id, err)
	}
	return nil
}

// TaskStates returns the tasks of a run in the order in which they were offered.
func (s *Store) TaskStates(ctx context.Context, jobID string, run int64) ([]job.TaskState, error) {
	states, err := readTasks(ctx, s.pool, jobID, run)
	if err != nil {
		return nil, fmt.Errorf("read the tasks of job %q: %w", jobID, err)
	}
	return states, nil
}

func readTasks(ctx context.Context, q querier, jobID string, run int64) ([]job.TaskState, error) {
	rows, err := q.Query(ctx, `
		SELECT id, step, kind, window_start, window_length, state, node, progress, error,
			coalesce(coalesce(ended_at, now()) - started_at, '0'::interval), greatest(now() - touched_at, '0'::interval)
		FROM tasks WHERE job_id = $1 AND run = $2 ORDER BY id`, jobID, run)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.TaskState, error) {
		var t job.TaskState
		var start, length float64
		err := row.Scan(&t.ID, &t.Step, &t.Kind, &start, &length, &t.Status, &t.Node, &t.Progress, &t.Error, &t.Running, &t.Silent)
		t.Start, t.Length = duration(start), duration(length)
		return t, err
	})
}

// DropTasks deletes tasks of a run, without ids all of them. Their workers lose them.
func (s *Store) DropTasks(ctx context.Context, jobID string, run int64, ids ...int64) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM tasks WHERE job_id = $1 AND run = $2 AND ($3::bigint[] IS NULL OR id = ANY ($3))`, jobID, run, ids)
	if err != nil {
		return fmt.Errorf("end tasks of job %q: %w", jobID, err)
	}
	return nil
}

// dropTasks deletes all tasks of a job, in a transaction that takes the job from its run.
func dropTasks(ctx context.Context, tx *txn, jobID string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM tasks WHERE job_id = $1`, jobID); err != nil {
		return fmt.Errorf("end the tasks: %w", err)
	}
	return nil
}

// dropVoidTasks deletes tasks whose run has ended or was replaced. They are left when the
// process of the run was killed before it deleted them.
func (s *Store) dropVoidTasks(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM tasks t USING jobs j WHERE j.id = t.job_id AND (j.completed_at IS NOT NULL OR j.run <> t.run)`)
	if err != nil {
		return fmt.Errorf("delete tasks of runs that have ended: %w", err)
	}
	return nil
}

// JobsWithTasks returns which of the jobs have tasks.
func (s *Store) JobsWithTasks(ctx context.Context, ids []string) (map[string]bool, error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT job_id FROM tasks WHERE job_id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("find jobs with tasks: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("find jobs with tasks: %w", err)
	}
	have := map[string]bool{}
	for _, id := range list {
		have[id] = true
	}
	return have, nil
}

// TaskCounts counts the tasks by kind and state, for /metrics.
func (s *Store) TaskCounts(ctx context.Context) ([]job.TaskCount, error) {
	rows, err := s.pool.Query(ctx, `SELECT kind, state, count(*) FROM tasks GROUP BY kind, state ORDER BY kind, state`)
	if err != nil {
		return nil, fmt.Errorf("count the tasks: %w", err)
	}
	counts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.TaskCount, error) {
		var c job.TaskCount
		err := row.Scan(&c.Kind, &c.Status, &c.Count)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("count the tasks: %w", err)
	}
	return counts, nil
}
