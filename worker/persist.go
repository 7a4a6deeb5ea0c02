package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
)

// persistWaits are the waits between the tries of a statement, some 12 s in
// all: a database that restarts is back by then, and hours of encoding are not
// to be thrown away for it. That a heart which stands still ends the work comes
// first.
var persistWaits = [...]time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
	2 * time.Second, 3 * time.Second, 3 * time.Second,
}

// errDatabase marks trouble that is the database's: it ends a run, to be tried
// again, and is no verdict on an output.
var errDatabase = errors.New("the database did not take it")

// persist repeats a statement that may be repeated until the database has
// taken it or has said that the job is not ours. The error is the last one.
func persist(ctx context.Context, statement func() error) error {
	for i := 0; ; i++ {
		err := statement()
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, job.ErrLostRun), errors.Is(err, job.ErrNotFound), job.IsPermanent(err):
			return err
		case i == len(persistWaits):
			return fmt.Errorf("%w: %w", errDatabase, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(persistWaits[i]):
		}
	}
}
