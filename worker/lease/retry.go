package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
)

// dbRetryWaits are the pauses between the attempts of a statement. The last one
// is repeated.
var dbRetryWaits = []time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second,
}

const (
	// attemptTimeout bounds one attempt. A broken connection may give no sign.
	attemptTimeout = 15 * time.Second
	// dbOutageLimit is how long a run goes on without a database. A restart or a
	// failover must not cost hours of encoding. After this time other processes
	// have long taken the job over, and going on would only waste the machine.
	dbOutageLimit = 30 * time.Minute
	// dbErrorLimit is how long a statement is repeated that PostgreSQL answers with
	// an error. Such an error is most likely a fault of this program.
	dbErrorLimit = 10 * time.Second
)

// ErrDatabase marks an error of the database. It ends the run, which is tried
// again. It says nothing about an output.
var ErrDatabase = errors.New("the database did not accept the statement")

// retryDB repeats an idempotent statement until it succeeds, the lease is lost,
// or a limit has passed. After a limit the error wraps ErrDatabase and the last
// error. When ctx ends the error is its cause.
func retryDB(ctx context.Context, statement func(context.Context) error) error {
	begin := time.Now()
	policy := retry.Policy{Waits: dbRetryWaits, Limit: dbOutageLimit, Retryable: func(err error) bool {
		return !isFinal(err) && (!isServerReply(err) || time.Since(begin) <= dbErrorLimit)
	}}
	var last error
	err := policy.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		last = statement(ctx)
		return last
	})
	switch {
	case err == nil:
		return nil
	case isFinal(last):
		return last // even if ctx has ended too
	case ctx.Err() != nil:
		return err
	}
	return fmt.Errorf("%w: %w", ErrDatabase, err)
}

// isFinal reports whether err is an answer that another attempt cannot change.
func isFinal(err error) bool {
	return errors.Is(err, job.ErrLeaseLost) || errors.Is(err, job.ErrNotFound) || job.IsPermanent(err)
}

// isServerReply reports whether PostgreSQL rejected the statement itself. It
// returns false for the errors of a server that starts, stops, changes its role
// or lacks resources: classes 08, 53, 57 and 58, and 25006 (read-only
// transaction), see appendix A of the PostgreSQL manual.
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
