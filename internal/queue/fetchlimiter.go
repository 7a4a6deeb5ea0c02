package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// MaxYielded is how many transcodes of a process may upload, or wait for a storage that does
// not answer, besides those that use a slot.
const MaxYielded = 100

const (
	// FetchPoll is how often River is made to fetch from each queue that uses slots, while jobs
	// run in this process: how soon a slot that a job has left is used again. What is inserted is
	// fetched at once.
	FetchPoll = 100 * time.Millisecond
	// emptyPoll is how often the database is asked while nothing was announced. River
	// announces neither what is retried or snoozed for less than 5 s nor what a
	// stopping client gives back.
	emptyPoll = time.Second
	// deafPoll is the same where announcements of other processes do not arrive.
	deafPoll = 750 * time.Millisecond
	// idlePoll is the same in a process that is idle (idle.go), which asks with its
	// heartbeat.
	idlePoll = 5 * time.Minute
)

// Limits say how much of the limited queues a process can work on now.
type Limits struct {
	// Yielded returns how many transcodes have given up their slot for now.
	Yielded func() int
	// FreeSlots returns how many CPU slots no job has or waits for. So many tasks, and
	// transcodes that want a card, are fetched.
	FreeSlots func() int
	// Cards are the queues of transcodes that want a card (OnCards) which the process serves.
	Cards []string
	// Activity is told when a job of this process has ended. Nil: nobody tells it.
	Activity *Activity
	// Local takes the place of the database's notifications where they do not arrive.
	// Nil: they do.
	Local *Local
}

// fetchLimiter is a River driver that fetches as many transcodes and tasks as slots
// are free, and seldom asks a database in which nothing happens. River counts jobs
// that only upload or wait for a storage against MaxWorkers. So River gets MaxYielded more
// workers than there are slots, and the driver leaves those alone that no job has
// yielded. A task is fetched only by a process that can begin it at once: another
// may be idle.
//
// River fetches again at once when a job ends while all workers are busy, which
// is never the case here. So while jobs run, its listener is told often that there may be
// something. The driver answers most fetches itself, and asks the database when something can
// have changed.
type fetchLimiter[TTx any] struct {
	riverdriver.Driver[TTx]
	queues map[string]*limitedQueue
	slots  []string // the queues served here whose jobs use slots
	active *Activity
	local  *Local // nil: there is a connection that listens
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
	active := l.Activity
	if active == nil {
		active = &Activity{}
	}
	active.Note()
	free := func(n int) int { return min(n, l.FreeSlots()) }
	queues := map[string]*limitedQueue{
		Probe:     {free: all},
		Notify:    {free: all},
		Transcode: {free: func(n int) int { return n - max(MaxYielded-l.Yielded(), 0) }},
		Task:      {free: free},
	}
	for _, name := range Cards() {
		queues[name] = &limitedQueue{free: free}
	}
	slots := append([]string{Transcode, Task}, l.Cards...)
	return fetchLimiter[TTx]{d, queues, slots, active, l.Local}
}

// GetExecutor implements riverdriver.Driver.
func (l fetchLimiter[TTx]) GetExecutor() riverdriver.Executor {
	return &limitedExecutor[TTx]{Executor: l.Driver.GetExecutor(), fetchLimiter: l}
}

// GetListener implements riverdriver.Driver.
func (l fetchLimiter[TTx]) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	if l.local != nil {
		return &insertListener[TTx]{Listener: localListener{l.local}, limiter: l}
	}
	return &insertListener[TTx]{Listener: l.Driver.GetListener(p), limiter: l}
}

// insertListener notes that jobs were inserted.
type insertListener[TTx any] struct {
	riverdriver.Listener
	limiter fetchLimiter[TTx]
	heard   atomic.Int64 // when the connection was last known to work, in Unix nanoseconds
	hints   int          // how often WaitForNotification has told of a slot
}

// WaitForNotification implements riverdriver.Listener. While jobs run here it tells of jobs
// that need not be there, so that a slot which has become free is used.
func (l *insertListener[TTx]) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if l.limiter.local == nil && l.limiter.active.working() { // else River polls as often
		short, cancel := context.WithTimeout(ctx, FetchPoll/time.Duration(len(l.limiter.slots)))
		defer cancel()
		n, err := l.hear(short)
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return n, err
		}
		l.hints++
		return &riverdriver.Notification{Topic: InsertTopic, Payload: InsertPayload(l.limiter.slots[l.hints%len(l.limiter.slots)])}, nil
	}
	return l.hear(ctx)
}

// hear waits for a notification of the database.
func (l *insertListener[TTx]) hear(ctx context.Context) (*riverdriver.Notification, error) {
	n, err := l.Listener.WaitForNotification(ctx)
	if err == nil {
		l.heard.Store(time.Now().UnixNano())
	}
	if err == nil && n.Topic == InsertTopic {
		for name, q := range l.limiter.queues {
			if n.Payload == InsertPayload(name) {
				q.more.Store(true)
				l.limiter.active.Note()
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
	poll := emptyPoll
	switch {
	case e.local != nil:
		poll = deafPoll
	case e.idle():
		poll = idlePoll
	}
	now := time.Now().UnixNano()
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
		e.active.Note()
	}
	if len(got.Jobs) == free {
		q.more.Store(true)
	}
	return got, nil
}
