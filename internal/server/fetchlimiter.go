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

// maxParked bounds how many jobs may wait at once for a storage that is away,
// besides those that are worked on.
const maxParked = 100

// seatPoll is how soon the seat of a job that has ended is taken again, and
// emptyPoll how often the database is asked for work that nobody has told of.
const (
	seatPoll  = 20 * time.Millisecond
	emptyPoll = time.Second
)

// seats is a River driver that fetches transcodes for free seats only. River
// counts what runs; what only waits for a storage runs too, but takes no seat.
// So the queue has maxParked places more than there are slots, and the driver
// leaves as many of them alone as nobody has given up.
//
// River asks again at once when a job has ended after all places were taken,
// which they never are now. So it polls often, and is answered without the
// database as long as nothing can have changed.
type seats struct {
	riverdriver.Driver[pgx.Tx]
	parked func() int
	more   *atomic.Bool // the queue may hold more than was fetched
}

func newSeats(d riverdriver.Driver[pgx.Tx], parked func() int) seats {
	return seats{d, parked, new(atomic.Bool)}
}

// GetExecutor implements riverdriver.Driver.
func (s seats) GetExecutor() riverdriver.Executor {
	return &seatExecutor{Executor: s.Driver.GetExecutor(), seats: s}
}

// GetListener implements riverdriver.Driver.
func (s seats) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return seatListener{s.Driver.GetListener(p), s.more}
}

// seatListener takes note of inserted jobs.
type seatListener struct {
	riverdriver.Listener
	more *atomic.Bool
}

// WaitForNotification implements riverdriver.Listener.
func (l seatListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	n, err := l.Listener.WaitForNotification(ctx)
	if err == nil && strings.HasSuffix(n.Topic, "insert") {
		l.more.Store(true)
	}
	return n, err
}

type seatExecutor struct {
	riverdriver.Executor
	seats
	last atomic.Int64 // when the database was asked, in Unix nanoseconds
}

// JobGetAvailable implements riverdriver.Executor.
func (e *seatExecutor) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	if p.Queue != queue.Transcode {
		return e.Executor.JobGetAvailable(ctx, p)
	}
	free := p.MaxToLock - max(maxParked-e.parked(), 0)
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
