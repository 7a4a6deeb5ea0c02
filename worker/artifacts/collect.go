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

// collectEvery is how often a worker looks through the artifact store, on
// average.
const collectEvery = 10 * time.Minute

// unknownFor is for how long parts stay whose job the database does not know:
// it may be another deployment's, or one that was restored from a backup.
const unknownFor = 24 * time.Hour

// JobStore is what a Collector needs of the database.
type JobStore interface {
	// FinishedForGood says of jobs whether they have ended for good, keep ago where a retry
	// could bring them back; those that are not known are not in it.
	FinishedForGood(ctx context.Context, ids []string, keep time.Duration) (map[string]bool, error)
}

// Collector removes from the artifact store what is of no use any more. All
// workers may do so: what one has removed, the others do not find.
type Collector struct {
	Artifacts *artifactstore.Store
	Jobs      JobStore
	// Retention is for how long the parts of a job stay after it failed or was
	// cancelled.
	Retention time.Duration
	Log       *slog.Logger
}

// Run removes now and then, until ctx ends.
func (c Collector) Run(ctx context.Context) {
	for {
		if err := c.collect(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Log.Warn("sweeping the artifact store", "error", err)
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

// collect removes the parts of jobs that are complete, which are left when
// the process ended before it could, of those that failed or were cancelled too
// long ago to be retried, and of those that nobody knows.
func (c Collector) collect(ctx context.Context, now time.Time) error {
	stored, err := c.Artifacts.Jobs(ctx)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(stored))
	if len(ids) > 0 {
		over, err := c.Jobs.FinishedForGood(ctx, ids, c.Retention)
		if err != nil {
			return err
		}
		for _, id := range ids {
			ended, known := over[id]
			if known && !ended || !known && now.Sub(stored[id]) < max(unknownFor, c.Retention) {
				continue
			}
			if err := c.Artifacts.Drop(ctx, id); err != nil {
				return err
			}
			c.Log.Debug("parts removed", "job", id, "known", known)
		}
	}
	return c.Artifacts.Tidy(ctx, now.Add(-unknownFor))
}
