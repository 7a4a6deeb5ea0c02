package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

// usageOfJobs sums up the jobs j that a condition selects, by key and day. Jobs that
// failed cost CPU time and no minutes.
const usageOfJobs = `
	SELECT j.key_id, (j.completed_at AT TIME ZONE 'UTC')::date AS day, count(*) AS jobs, count(*) FILTER (WHERE j.status <> 'job.completed') AS failed,
		coalesce(sum(o.audio) FILTER (WHERE j.status = 'job.completed'), 0) AS audio, coalesce(sum(o.sd) FILTER (WHERE j.status = 'job.completed'), 0) AS sd,
		coalesce(sum(o.hd) FILTER (WHERE j.status = 'job.completed'), 0) AS hd, coalesce(sum(o.uhd) FILTER (WHERE j.status = 'job.completed'), 0) AS uhd,
		coalesce(sum(o.bytes), 0)::bigint AS bytes, sum(j.cpu_seconds) AS cpu
	FROM jobs j LEFT JOIN LATERAL (
		SELECT sum(audio_seconds) AS audio, sum(sd_seconds) AS sd, sum(hd_seconds) AS hd, sum(uhd_seconds) AS uhd, sum(bytes) AS bytes
		FROM outputs WHERE job_id = j.id) o ON true
	WHERE %s GROUP BY 1, 2`

// Usage returns what the jobs of a key that ended in the days from the one of from to
// the one before that of to took and made, by day and key. keyID may be job.AnyKey.
func (s *Store) Usage(ctx context.Context, keyID string, from, to time.Time) ([]job.Usage, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT u.day, u.key_id, k.name, sum(u.jobs)::bigint, sum(u.failed)::bigint, sum(u.audio), sum(u.sd), sum(u.hd), sum(u.uhd), sum(u.bytes)::bigint, sum(u.cpu)
		FROM (`+fmt.Sprintf(usageOfJobs, `j.completed_at >= $1 AND j.completed_at < $2 AND ($3 = '`+job.AnyKey+`' OR j.key_id = $3)`)+`
			UNION ALL
			SELECT key_id, day, jobs, failed, audio_seconds, sd_seconds, hd_seconds, uhd_seconds, bytes, cpu_seconds FROM usage_of_deleted
			WHERE day >= ($1::timestamptz AT TIME ZONE 'UTC')::date AND day < ($2::timestamptz AT TIME ZONE 'UTC')::date AND ($3 = '`+job.AnyKey+`' OR key_id = $3)
		) u JOIN api_keys k ON k.id = u.key_id GROUP BY 1, 2, 3 ORDER BY 1, 3, 2`,
		dayOf(from), dayOf(to), keyID)
	if err != nil {
		return nil, fmt.Errorf("sum up the usage: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.Usage, error) {
		var u job.Usage
		p := &u.Played
		err := row.Scan(&u.Day, &u.KeyID, &u.Key, &u.Jobs, &u.Failed, &p.Audio, &p.SD, &p.HD, &p.UHD, &u.UploadedBytes, &u.CPUSeconds)
		return u, err
	})
	if err != nil {
		return nil, fmt.Errorf("sum up the usage: %w", err)
	}
	return list, nil
}

// dayOf is the begin of a day, UTC.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// SweepJobs deletes jobs that ended longer ago than their key says, or than retention
// where it says nothing, with all that belongs to them but their usage, and returns how
// many. retention 0 is for ever. One whose webhooks are not all delivered or given up
// stays.
func (s *Store) SweepJobs(ctx context.Context, retention time.Duration) (int64, error) {
	const batch = 200
	for swept := int64(0); ; {
		var n int64
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
			n, err = sweepJobs(ctx, tx, retention, batch)
			return err
		})
		if err != nil {
			return swept, fmt.Errorf("sweep the jobs: %w", err)
		}
		if swept += n; n < batch {
			return swept, nil
		}
	}
}

func sweepJobs(ctx context.Context, tx pgx.Tx, retention time.Duration, most int) (int64, error) {
	var ids []string
	err := tx.QueryRow(ctx, `
		SELECT coalesce(array_agg(id), '{}') FROM (
			SELECT j.id FROM jobs j JOIN api_keys k ON k.id = j.key_id
			WHERE j.completed_at < now() - coalesce(k.keep_jobs, nullif($1::interval, interval '0'))
				AND j.completed_at < now() - least((SELECT min(keep_jobs) FROM api_keys), nullif($1::interval, interval '0')) -- for the index
				AND NOT EXISTS (SELECT FROM deliveries d WHERE d.job_id = j.id AND d.state = 'pending')
			ORDER BY j.completed_at LIMIT $2 FOR UPDATE OF j SKIP LOCKED) old`, retention, most).Scan(&ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO usage_of_deleted (key_id, day, jobs, failed, audio_seconds, sd_seconds, hd_seconds, uhd_seconds, bytes, cpu_seconds)
		`+fmt.Sprintf(usageOfJobs, `j.id = ANY($1)`)+` ORDER BY 1, 2
		ON CONFLICT (key_id, day) DO UPDATE SET jobs = usage_of_deleted.jobs + EXCLUDED.jobs, failed = usage_of_deleted.failed + EXCLUDED.failed,
			audio_seconds = usage_of_deleted.audio_seconds + EXCLUDED.audio_seconds, sd_seconds = usage_of_deleted.sd_seconds + EXCLUDED.sd_seconds,
			hd_seconds = usage_of_deleted.hd_seconds + EXCLUDED.hd_seconds, uhd_seconds = usage_of_deleted.uhd_seconds + EXCLUDED.uhd_seconds,
			bytes = usage_of_deleted.bytes + EXCLUDED.bytes, cpu_seconds = usage_of_deleted.cpu_seconds + EXCLUDED.cpu_seconds`, ids)
	if err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `DELETE FROM jobs WHERE id = ANY($1)`, ids)
	return tag.RowsAffected(), err
}
