package queue

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// MaxYielded is how many transcodes of a process may wait at once for a storage
// that does not answer, besides those that use a slot.
const MaxYielded = 100

const (
	// FetchPoll is the FetchPollInterval of a queue whose fetches are limited: how
	// soon a slot that a job has left is used again.
	FetchPoll = 20 * time.Millisecond
	// emptyPoll is how often the database is asked while nothing was announced.
	emptyPoll = time.Second
)

// fetchLimiter is a River driver that fetches as many transcodes as slots are
// free. River counts jobs that only wait for a storage against MaxWorkers. So
// River gets MaxYielded more workers than there are slots, and the driver
// leaves those alone that no job has yielded.
//
// River fetches again at once when a job ends while all workers are busy, which
// is never the case here. So it polls often. The driver answers most polls
// itself, and asks the database when something can have changed.
type fetchLimiter[TTx any] struct {
	riverdriver.Driver[TTx]
	yielded func() int   // slots that jobs have given up for now
	more    *atomic.Bool // the queue may hold more than was fetched
}

// LimitFetches returns a driver that limits the fetches of the Transcode queue,
// whose MaxWorkers must be the slots of the process and MaxYielded. yielded
// returns how many jobs have given up their slot for now.
func LimitFetches[TTx any](d riverdriver.Driver[TTx], yielded func() int) riverdriver.Driver[TTx] {
	return newFetchLimiter(d, yielded)
}

func newFetchLimiter[TTx any](d riverdriver.Driver[TTx], yielded func() int) fetchLimiter[TTx] {
	return fetchLimiter[TTx]{d, yielded, new(atomic.Bool)}
}

// GetExecutor implements riverdriver.Driver.
func (l fetchLimiter[TTx]) GetExecutor() riverdriver.Executor {
	return &limitedExecutor[TTx]{Executor: l.Driver.GetExecutor(), fetchLimiter: l}
}

// GetListener implements riverdriver.Driver.
func (l fetchLimiter[TTx]) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
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
	if err == nil && n.Topic == InsertTopic {
		l.more.Store(true)
	}
	return n, err
}

type limitedExecutor[TTx any] struct {
	riverdriver.Executor
	fetchLimiter[TTx]
	last atomic.Int64 // when the database was asked, in Unix nanoseconds
}

// JobGetAvailable implements riverdriver.Executor.
func (e *limitedExecutor[TTx]) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	if p.Queue != Transcode {
		return e.Executor.JobGetAvailable(ctx, p)
	}
	free := p.MaxToLock - max(MaxYielded-e.yielded(), 0)
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
