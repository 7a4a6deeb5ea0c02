package worker

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// partsSweepEvery is how often a worker looks through the artifact store.
const partsSweepEvery = 10 * time.Minute

// unknownParts is for how long parts stay whose job the database does not know:
// it may be another deployment's, or one that was restored from a backup.
const unknownParts = 24 * time.Hour

// SweepParts removes from the artifact store now and then what is of no use any
// more, until ctx ends. All workers may do so: what one has removed, the others
// do not find.
func (w *Worker) SweepParts(ctx context.Context) {
	for {
		if err := w.sweepParts(ctx, time.Now()); err != nil && ctx.Err() == nil {
			w.Log.Warn("sweeping the artifact store", "error", err)
		}
		wait := time.NewTimer(partsSweepEvery/2 + rand.N(partsSweepEvery))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// sweepParts removes the parts of jobs that are complete, which are left when
// the process ended before it could, of those that failed or were cancelled too
// long ago to be retried, and of those that nobody knows.
func (w *Worker) sweepParts(ctx context.Context, now time.Time) error {
	stored, err := w.Artifacts.Jobs(ctx)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(stored))
	if len(ids) > 0 {
		over, err := w.Store.FinishedForGood(ctx, ids, w.ArtifactRetention)
		if err != nil {
			return err
		}
		for _, id := range ids {
			ended, known := over[id]
			if known && !ended || !known && now.Sub(stored[id]) < max(unknownParts, w.ArtifactRetention) {
				continue
			}
			if err := w.Artifacts.Drop(ctx, id); err != nil {
				return err
			}
			w.Log.Debug("parts removed", "job", id, "known", known)
		}
	}
	return w.Artifacts.Tidy(ctx, now.Add(-unknownParts))
}
