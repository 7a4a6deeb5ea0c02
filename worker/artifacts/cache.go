// Package artifacts is a run's view of the artifact store. It restores what an
// earlier run of the job has made, so that steps of the plan need not run again,
// and stores what this run makes. No error of the store fails a run: the step
// runs, or its artifact is not kept.
//
// The package also deletes artifacts of jobs that cannot use them any more
// (Collector).
package artifacts

import (
	"context"
	"log/slog"
	"os"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
)

// Cache is the artifact store as the runs of this process use it.
type Cache struct {
	store   *artifactstore.Store // nil: there is none
	program string               // the version of ffmpeg
	log     *slog.Logger
	metrics *Metrics
}

// NewCache returns the cache in store. With a nil store it keeps nothing. program
// is the version of ffmpeg, which is part of every key.
func NewCache(store *artifactstore.Store, program string, log *slog.Logger, metrics *Metrics) *Cache {
	return &Cache{store: store, program: program, log: log, metrics: metrics}
}

// Enabled reports whether there is a store.
func (c *Cache) Enabled() bool { return c.store != nil }

// Open opens the session of a run whose work files are in dir. Reading the store
// ends with ctx. Close must be called.
func (c *Cache) Open(ctx context.Context, jobID, dir string) *Session {
	if c.store == nil {
		return &Session{}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		c.log.WarnContext(ctx, "artifact cache disabled", "error", err)
		return &Session{}
	}
	return newSession(ctx, c, jobID, root)
}
