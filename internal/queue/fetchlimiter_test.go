package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// rows is a driver with so many jobs in its queue.
type rows struct {
	riverdriver.Driver[struct{}]
	*rowsExecutor
}

type rowsExecutor struct {
	riverdriver.Executor
	jobs, asked int
}

func (r rows) GetExecutor() riverdriver.Executor { return r.rowsExecutor }

func (r *rowsExecutor) JobGetAvailable(_ context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	r.asked++
	n := min(p.MaxToLock, r.jobs)
	r.jobs -= n
	return &riverdriver.JobGetAvailableResult{Jobs: make([]*rivertype.JobRow, n)}, nil
}

// announcer is a listener that hears of one transcode.
type announcer struct{ riverdriver.Listener }

func (announcer) WaitForNotification(context.Context) (*riverdriver.Notification, error) {
	return &riverdriver.Notification{Topic: InsertTopic, Payload: InsertPayload(Transcode)}, nil
}

// heard has the driver hear an announcement.
func heard(t *testing.T, l fetchLimiter[struct{}]) {
	t.Helper()
	if _, err := (insertListener[struct{}]{announcer{}, l}).WaitForNotification(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestFetchLimiter fetches from a queue of ten for two slots.
func TestFetchLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 2
		db := &rowsExecutor{jobs: 10}
		yielded, active := 0, 0
		l := newFetchLimiter[struct{}](rows{rowsExecutor: db}, Limits{Yielded: func() int { return yielded }, FreeSlots: func() int { return slots - active }})
		e := l.GetExecutor()
		fetch := func(want int, when string) {
			t.Helper()
			got, err := e.JobGetAvailable(t.Context(), &riverdriver.JobGetAvailableParams{Queue: Transcode, MaxToLock: slots + MaxYielded - active})
			if err != nil || len(got.Jobs) != want {
				t.Errorf("%s: %d jobs, %v", when, len(got.Jobs), err)
				return
			}
			active += want
		}
		fetch(2, "at first")
		fetch(0, "all slots in use")
		yielded = 1
		fetch(1, "one waits for its storage")
		active, yielded = active-1, 0
		fetch(0, "it has ended")
		active--
		fetch(1, "another has ended")

		db.jobs, active = 0, 0
		fetch(0, "empty")
		asked := db.asked
		for range 10 {
			fetch(0, "still empty")
		}
		if db.asked != asked {
			t.Errorf("an empty queue was asked %d times", db.asked-asked)
		}
		db.jobs = 1
		l.queues[Transcode].more.Store(true)
		fetch(1, "told of one")
		db.jobs = 1
		<-time.After(emptyPoll)
		fetch(1, "not told of one")
		fetch(0, "empty again")

		<-time.After(idleAfter)
		active = 0
		fetch(0, "idle")
		db.jobs = 1
		<-time.After(emptyPoll)
		fetch(1, "idle, where no announcement was ever heard")

		heard(t, l)
		active, db.jobs = 0, 0
		fetch(0, "told of what another has taken")
		<-time.After(idleAfter)
		fetch(0, "idle")
		db.jobs = 1
		<-time.After(idlePoll - time.Second)
		fetch(0, "idle, and not told of one")
		<-time.After(time.Second)
		fetch(1, "idle for long")
		db.jobs = 1
		<-time.After(emptyPoll)
		fetch(1, "not idle any more")

		db.jobs = 7
		if got, err := e.JobGetAvailable(t.Context(), &riverdriver.JobGetAvailableParams{Queue: Notify, MaxToLock: 50}); err != nil || len(got.Jobs) != 7 {
			t.Errorf("another queue: %v", err)
		}
		db.jobs, active = 3, 1
		if got, err := e.JobGetAvailable(t.Context(), &riverdriver.JobGetAvailableParams{Queue: Task, MaxToLock: 8}); err != nil || len(got.Jobs) != 1 {
			t.Errorf("one slot is free for tasks: %v", err)
		}
	})
}
