package server

import (
	"context"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/backends"
)

const (
	// maxStorageChecks is how many storages one process tries out at once. Each may wait
	// for a storage that does not answer.
	maxStorageChecks = 8
	// storageCheckWait is how long one more waits for its turn.
	storageCheckWait = 10 * time.Second
)

// storageChecker tries out storages for the API and the console, with the guard and the
// settings of a worker.
type storageChecker struct {
	opener *backends.Opener
	turns  chan struct{}
	wait   time.Duration
}

func (s *Server) newStorageChecker() *storageChecker {
	st := &s.settings
	opener := backends.New(backends.Options{
		Guard: s.guard, S3Endpoint: st.S3Endpoint, S3PublicURL: st.S3PublicURL, Local: s.local, Log: s.log,
		// Somebody waits for the answer.
		Retry:       retry.Policy{Tries: 2},
		UploadRetry: retry.Policy{Tries: 3, Waits: retry.Doubling(500*time.Millisecond, 2*time.Second)},
	})
	s.onStop(func() error { opener.Close(); return nil })
	return &storageChecker{opener: opener, turns: make(chan struct{}, maxStorageChecks), wait: storageCheckWait}
}

func (c *storageChecker) check(ctx context.Context, st *job.Storage) (job.StorageCheck, error) {
	turn := time.NewTimer(c.wait)
	defer turn.Stop()
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-turn.C:
		return job.StorageCheck{}, job.Errorf(job.TooManyRequests, "This server tries out %d other storages at the moment. Try again in a minute.", cap(c.turns))
	case <-ctx.Done():
		return job.StorageCheck{}, context.Cause(ctx)
	}
	return c.opener.Check(ctx, st)
}
