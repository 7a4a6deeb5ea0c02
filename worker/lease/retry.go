package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
)

// dbRetryWaits are the waits between the first tries of a statement; the last is
// repeated. attemptTimeout bounds a try, since a connection may have died without a
// word.
var dbRetryWaits = [...]time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second,
}

const attemptTimeout = 15 * time.Second

const (
	// dbOutageLimit is how long work goes on without a database: hours of
	// encoding are not to be thrown away because it restarts or moves to another
	// machine; nor is a machine to be kept busy for ever by work that others have
	// taken over long ago.
	dbOutageLimit = 30 * time.Minute
	// dbErrorLimit is how long a statement is repeated that the database
	// answers with an error of its own, which may be a fault of ours.
	dbErrorLimit = 10 * time.Second
)

// ErrDatabase marks trouble that is the database's: it ends a run, to be tried
// again, and is no verdict on an output.
var ErrDatabase = errors.New("the database did not take it")

// retryDB repeats a statement that may be repeated until the database has
// taken it or has said that the job is not ours. The error is the last one.
func retryDB(ctx context.Context, statement func(context.Context) error) error {
	begin := time.Now()
	for i := 0; ; i++ {
		tctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := statement(tctx)
		cancel()
		limit := dbOutageLimit
		if isServerReply(err) {
			limit = dbErrorLimit
		}
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, job.ErrLeaseLost), errors.Is(err, job.ErrNotFound), job.IsPermanent(err):
			return err
		case time.Since(begin) > limit:
			return fmt.Errorf("%w: %w", ErrDatabase, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(dbRetryWaits[min(i, len(dbRetryWaits)-1)]):
		}
	}
}

// isServerReply reports whether err is PostgreSQL's answer to a statement, and not
// one of those that it gives while it stops, starts, changes its roles or has no
// room: classes 08, 53, 57 and 58, and what is only to be read.
func isServerReply(err error) bool {
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
