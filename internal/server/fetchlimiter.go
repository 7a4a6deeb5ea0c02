package server

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"

	"github.com/copra-video/copra/internal/queue"
)

// maxYielded is how many jobs may wait at once for a storage that does not
// answer, besides those that use a slot.
const maxYielded = 100

const (
	// fetchPoll is how often River asks for transcodes: how soon a slot that a
	// job has left is used again.
	fetchPoll = 20 * time.Millisecond
	// emptyPoll is how often the database is asked while nothing was announced.
	emptyPoll = time.Second
)

// fetchLimiter is a River driver that fetches as many transcodes as slots are
// free. River counts jobs that only wait for a storage against MaxWorkers. So
// River gets maxYielded more workers than there are slots, and the driver
// leaves those alone that no job has yielded.
//
// River fetches again at once when a job ends while all workers are busy, which
// is never the case here. So it polls often. The driver answers most polls
// itself, and asks the database when something can have changed.
type fetchLimiter struct {
	riverdriver.Driver[pgx.Tx]
	yielded func() int   // slots that jobs have given up for now
	more    *atomic.Bool // the queue may hold more than was fetched
}

func newFetchLimiter(d riverdriver.Driver[pgx.Tx], yielded func() int) fetchLimiter {
	return fetchLimiter{d, yielded, new(atomic.Bool)}
}

// GetExecutor implements riverdriver.Driver.
func (l fetchLimiter) GetExecutor() riverdriver.Executor {
	return &limitedExecutor{Executor: l.Driver.GetExecutor(), fetchLimiter: l}
}

// GetListener implements riverdriver.Driver.
func (l fetchLimiter) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return insertListener{l.Driver.GetListener(p), l.more}
}

// insertListener notes that jobs were inserted.
type insertListener struct {
	riverdriver.Listener
	more *atomic.Bool
}

// WaitForNotification implements riverdriver.Listener.
func (l insertListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	n, err := l.Listener.WaitForNotification(ctx)
	if err == nil && strings.HasSuffix(n.Topic, "insert") {
		l.more.Store(true)
	}
	return n, err
}

type limitedExecutor struct {
	riverdriver.Executor
	fetchLimiter
	last atomic.Int64 // when the database was asked, in Unix nanoseconds
}

// JobGetAvailable implements riverdriver.Executor.
func (e *limitedExecutor) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	if p.Queue != queue.Transcode {
		return e.Executor.JobGetAvailable(ctx, p)
	}
	free := p.MaxToLock - max(maxYielded-e.yielded(), 0)
	if free <= 0 {
		e.more.Store(true)
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	now := time.Now().UnixNano()
	if !e.more.Swap(false) && now-e.last.Load() < int64(emptyPoll) {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	e.last.Store(now)
	fewer := *p
	fewer.MaxToLock = free
	got, err := e.Executor.JobGetAvailable(ctx, &fewer)
	if err != nil {
		return nil, err
	}
	if len(got.Jobs) == free {
		e.more.Store(true)
	}
	return got, nil
}
