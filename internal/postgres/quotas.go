package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
)

// quotas knows what keys with a limit on minutes have made in a month. It reads the sum,
// whose cost grows with the jobs of the month, at most once in quotaAge for a key, so
// that a key may make a little more than its limit.
type quotas struct {
	mu   sync.Mutex
	keys map[string]quotaUse
}

// quotaAge is how old a sum may be.
const quotaAge = 10 * time.Second

type quotaUse struct {
	month, read time.Time
	minutes     float64
}

// check fails with job.QuotaUsedUp when a key has made limit minutes or more in the
// calendar month of now, UTC. What runs does not count until it has ended. 0 is no limit.
func (q *quotas) check(ctx context.Context, tx *txn, keyID string, limit int, now time.Time) error {
	if limit == 0 {
		return nil
	}
	now = now.UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	q.mu.Lock()
	use := q.keys[keyID]
	q.mu.Unlock()
	if use.month != month || now.Sub(use.read) > quotaAge {
		use = quotaUse{month: month, read: now}
		err := tx.QueryRow(ctx, `SELECT coalesce(sum(audio + sd + hd + uhd), 0) / 60 FROM (`+fmt.Sprintf(usageOfJobs, `j.key_id = $1 AND j.completed_at >= $2`)+`
			UNION ALL
			SELECT key_id, day, jobs, failed, audio_seconds, sd_seconds, hd_seconds, uhd_seconds, bytes, cpu_seconds FROM usage_of_deleted
			WHERE key_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date) u`, keyID, month).Scan(&use.minutes)
		if err != nil {
			return fmt.Errorf("sum up the minutes of the key: %w", err)
		}
		q.mu.Lock()
		if q.keys == nil {
			q.keys = map[string]quotaUse{}
		}
		q.keys[keyID] = use
		q.mu.Unlock()
	}
	if use.minutes < float64(limit) {
		return nil
	}
	return job.Errorf(job.QuotaUsedUp, "The outputs that this API key made in %s play %.0f minutes; its limit is %d in a month. The next month begins on %s, UTC.",
		month.Format("January 2006"), use.minutes, limit, month.AddDate(0, 1, 0).Format(time.DateOnly))
}
