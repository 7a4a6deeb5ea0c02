package artifacts

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
)

const (
	// collectEvery is the mean interval at which a worker looks through the store.
	collectEvery = 10 * time.Minute
	// unknownFor is how long artifacts stay whose job the database does not know.
	// The job may belong to another deployment, or come back from a backup.
	unknownFor = 24 * time.Hour
)

// JobStore is what a Collector needs of the database.
type JobStore interface {
	// FinishedForGood says which jobs will not run again: completed ones, and ones
	// that failed or were cancelled longer than keep ago. Unknown jobs are not in the
	// answer.
	FinishedForGood(ctx context.Context, ids []string, keep time.Duration) (map[string]bool, error)
}

// Collector deletes artifacts that no run will use. All workers may do so at the
// same time.
type Collector struct {
	Artifacts *artifactstore.Store
	Jobs      JobStore
	// Retention is how long the artifacts of a job stay after it failed or was
	// cancelled.
	Retention time.Duration
	Log       *slog.Logger
}

// Run collects from time to time until ctx ends.
func (c Collector) Run(ctx context.Context) {
	for {
		if err := c.collect(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "artifact collection failed", "error", err)
		}
		wait := time.NewTimer(collectEvery/2 + rand.N(collectEvery))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// collect deletes the artifacts of jobs that are complete, that failed or were
// cancelled too long ago, or that the database has not known for too long. A
// completed job has artifacts when its worker died before it deleted them.
func (c Collector) collect(ctx context.Context, now time.Time) error {
	stored, err := c.Artifacts.Jobs(ctx)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(stored))
	if len(ids) > 0 {
		finished, err := c.Jobs.FinishedForGood(ctx, ids, c.Retention)
		if err != nil {
			return err
		}
		for _, id := range ids {
			done, known := finished[id]
			if known && !done || !known && now.Sub(stored[id]) < max(unknownFor, c.Retention) {
				continue
			}
			if err := c.Artifacts.Drop(ctx, id); err != nil {
				return err
			}
			c.Log.DebugContext(ctx, "artifacts deleted", "job", id, "known", known)
		}
	}
	return c.Artifacts.Tidy(ctx, now.Add(-unknownFor))
}
