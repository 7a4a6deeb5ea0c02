package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
)

// persistWaits are the waits between the first tries of a statement; the last is
// repeated. tryTime bounds a try, since a connection may have died without a
// word.
var persistWaits = [...]time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second,
}

const tryTime = 15 * time.Second

const (
	// databasePatience is how long work goes on without a database: hours of
	// encoding are not to be thrown away because it restarts or moves to another
	// machine; nor is a machine to be kept busy for ever by work that others have
	// taken over long ago.
	databasePatience = 30 * time.Minute
	// refusalPatience is how long a statement is repeated that the database
	// answers with an error of its own, which may be a fault of ours.
	refusalPatience = 10 * time.Second
)

// errDatabase marks trouble that is the database's: it ends a run, to be tried
// again, and is no verdict on an output.
var errDatabase = errors.New("the database did not take it")

// persist repeats a statement that may be repeated until the database has
// taken it or has said that the job is not ours. The error is the last one.
func persist(ctx context.Context, statement func(context.Context) error) error {
	begin := time.Now()
	for i := 0; ; i++ {
		tctx, cancel := context.WithTimeout(ctx, tryTime)
		err := statement(tctx)
		cancel()
		limit := databasePatience
		if refused(err) {
			limit = refusalPatience
		}
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, job.ErrLeaseLost), errors.Is(err, job.ErrNotFound), job.IsPermanent(err):
			return err
		case time.Since(begin) > limit:
			return fmt.Errorf("%w: %w", errDatabase, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(persistWaits[min(i, len(persistWaits)-1)]):
		}
	}
}

// refused reports whether err is PostgreSQL's answer to a statement, and not
// one of those that it gives while it stops, starts, changes its roles or has no
// room: classes 08, 53, 57 and 58, and what is only to be read.
func refused(err error) bool {
	e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	if !ok {
		return false
	}
	switch state := e.SQLState() + "  "; state[:2] {
	case "08", "53", "57", "58":
		return false
	default:
		return e.SQLState() != "25006"
	}
}
