package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// maxRuns is how many runs of ffmpeg the log of a job keeps. The first ones stay: what
// went wrong first is the cause of the rest.
const maxRuns = 500

// LogRun adds a run of ffmpeg to the log of a job, to its run now if none is given, unless the job is gone or its log
// is full.
func (s *Store) LogRun(ctx context.Context, jobID string, r job.FFmpegRun) error {
	_, err := s.pool.Exec(ctx, `
		WITH j AS (UPDATE jobs SET cpu_seconds = cpu_seconds + $9 WHERE id = $1 RETURNING id, run)
		INSERT INTO ffmpeg_runs (job_id, run, task, node, step, kind, started_at, seconds, cpu_seconds, media_seconds, command, said, error)
		SELECT j.id, coalesce(nullif($2, 0), j.run), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM j
		WHERE (SELECT count(*) FROM ffmpeg_runs r WHERE r.job_id = $1) < $14`,
		jobID, r.Run, r.Task, r.Node, r.Step, r.Kind, r.At, r.Took.Seconds(), r.CPU.Seconds(), r.Media.Seconds(),
		sanitizeTexts(r.Command), sanitizeText(r.Said), sanitizeText(r.Error), maxRuns)
	if err != nil {
		return fmt.Errorf("log a run of ffmpeg for job %q: %w", jobID, err)
	}
	return nil
}

func sanitizeTexts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = sanitizeText(s)
	}
	return out
}

// FFmpegRuns returns the log of a job in the order in which the runs ended.
func (s *Store) FFmpegRuns(ctx context.Context, keyID, id string) (all []job.FFmpegRun, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) error {
		if err := checkJobExists(ctx, tx, keyID, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			SELECT run, task, node, step, kind, started_at, seconds, cpu_seconds, media_seconds, command, said, error
			FROM ffmpeg_runs WHERE job_id = $1 ORDER BY id`, sanitizeText(id))
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanFFmpegRun)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of job %q: %w", id, err)
	}
	return all, nil
}

func scanFFmpegRun(row pgx.CollectableRow) (job.FFmpegRun, error) {
	var r job.FFmpegRun
	var took, cpu, media float64
	err := row.Scan(&r.Run, &r.Task, &r.Node, &r.Step, &r.Kind, &r.At, &took, &cpu, &media, &r.Command, &r.Said, &r.Error)
	r.At, r.Took, r.CPU, r.Media = r.At.UTC(), duration(took), duration(cpu), duration(media)
	return r, err
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// sweepBatch is how many rows a statement of the sweep deletes, so that it locks and
// writes little at once.
const sweepBatch = 1000

// SweepLogs deletes what the logs of jobs have kept for longer than retention, and
// returns how many runs that were.
func (s *Store) SweepLogs(ctx context.Context, retention time.Duration) (int64, error) {
	var swept int64
	for {
		tag, err := s.pool.Exec(ctx, strings.ReplaceAll(`
			DELETE FROM ffmpeg_runs WHERE id IN (SELECT id FROM ffmpeg_runs WHERE started_at < now() - $1::interval LIMIT BATCH FOR UPDATE SKIP LOCKED)`,
			"BATCH", fmt.Sprint(sweepBatch)), retention)
		if err != nil {
			return swept, fmt.Errorf("sweep the logs of jobs: %w", err)
		}
		swept += tag.RowsAffected()
		if tag.RowsAffected() < sweepBatch {
			return swept, nil
		}
	}
}
