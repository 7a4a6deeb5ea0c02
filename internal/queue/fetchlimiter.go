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
	// FetchPoll is the FetchPollInterval of the queues that use slots: how soon a slot
	// that a job has left is used again. What is inserted is fetched at once.
	FetchPoll = 100 * time.Millisecond
	// emptyPoll is how often the database is asked while nothing was announced. River
	// announces neither what is retried or snoozed for less than 5 s nor what a
	// stopping client gives back.
	emptyPoll = time.Second
	// idlePoll is the same when nothing was announced or fetched for idleAfter. By then
	// every job is one that is announced. It counts only where this process has heard an
	// announcement: a LISTEN through a pooler is accepted and may hear nothing.
	idlePoll  = 10 * time.Second
	idleAfter = time.Minute
)

// Limits say how much of the limited queues a process can work on now.
type Limits struct {
	// Yielded returns how many transcodes have given up their slot for now.
	Yielded func() int
	// FreeSlots returns how many CPU slots no job has or waits for. So many tasks
	// are fetched.
	FreeSlots func() int
}

// fetchLimiter is a River driver that fetches as many transcodes and tasks as slots
// are free, and seldom asks a database in which nothing happens. River counts jobs
// that only wait for a storage against MaxWorkers. So River gets MaxYielded more
// workers than there are slots, and the driver leaves those alone that no job has
// yielded. A task is fetched only by a process that can begin it at once: another
// may be idle.
//
// River fetches again at once when a job ends while all workers are busy, which
// is never the case here. So it polls often. The driver answers most polls
// itself, and asks the database when something can have changed.
type fetchLimiter[TTx any] struct {
	riverdriver.Driver[TTx]
	queues map[string]*limitedQueue
	active *atomic.Int64 // when something was last announced or fetched, in Unix nanoseconds
	heard  *atomic.Bool  // something was announced, so announcements arrive
}

// limitedQueue is a queue whose fetches the driver limits.
type limitedQueue struct {
	free func(maxToLock int) int // how many jobs to fetch at most, of those that River would
	more atomic.Bool             // it may hold more than was fetched
	last atomic.Int64            // when the database was asked, in Unix nanoseconds
}

// LimitFetches returns a driver that limits fetches. The MaxWorkers of the queue
// Transcode must be the slots of the process and MaxYielded.
func LimitFetches[TTx any](d riverdriver.Driver[TTx], l Limits) riverdriver.Driver[TTx] {
	return newFetchLimiter(d, l)
}

func newFetchLimiter[TTx any](d riverdriver.Driver[TTx], l Limits) fetchLimiter[TTx] {
	all := func(n int) int { return n }
	return fetchLimiter[TTx]{d, map[string]*limitedQueue{
		Probe:     {free: all},
		Notify:    {free: all},
		Transcode: {free: func(n int) int { return n - max(MaxYielded-l.Yielded(), 0) }},
		Task:      {free: func(n int) int { return min(n, l.FreeSlots()) }},
	}, new(atomic.Int64), new(atomic.Bool)}
}

// GetExecutor implements riverdriver.Driver.
func (l fetchLimiter[TTx]) GetExecutor() riverdriver.Executor {
	return &limitedExecutor[TTx]{Executor: l.Driver.GetExecutor(), fetchLimiter: l}
}

// GetListener implements riverdriver.Driver.
func (l fetchLimiter[TTx]) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return insertListener[TTx]{l.Driver.GetListener(p), l}
}

// insertListener notes that jobs were inserted.
type insertListener[TTx any] struct {
	riverdriver.Listener
	limiter fetchLimiter[TTx]
}

// WaitForNotification implements riverdriver.Listener.
func (l insertListener[TTx]) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	n, err := l.Listener.WaitForNotification(ctx)
	if err == nil && n.Topic == InsertTopic {
		l.limiter.heard.Store(true)
		l.limiter.active.Store(time.Now().UnixNano())
		for name, q := range l.limiter.queues {
			if n.Payload == InsertPayload(name) {
				q.more.Store(true)
			}
		}
	}
	return n, err
}

type limitedExecutor[TTx any] struct {
	riverdriver.Executor
	fetchLimiter[TTx]
}

// JobGetAvailable implements riverdriver.Executor.
func (e *limitedExecutor[TTx]) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	q := e.queues[p.Queue]
	if q == nil {
		return e.Executor.JobGetAvailable(ctx, p)
	}
	free := q.free(p.MaxToLock)
	if free <= 0 {
		q.more.Store(true)
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	now := time.Now().UnixNano()
	poll := emptyPoll
	if e.heard.Load() && now-e.active.Load() >= int64(idleAfter) {
		poll = idlePoll
	}
	if !q.more.Swap(false) && now-q.last.Load() < int64(poll) {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	q.last.Store(now)
	fewer := *p
	fewer.MaxToLock = free
	got, err := e.Executor.JobGetAvailable(ctx, &fewer)
	if err != nil {
		return nil, err
	}
	if len(got.Jobs) > 0 {
		e.active.Store(time.Now().UnixNano())
	}
	if len(got.Jobs) == free {
		q.more.Store(true)
	}
	return got, nil
}
