package queue

import (
	"context"
	"errors"
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
	elections   int // asked of the database
	resigned    int
}

func (r rows) GetExecutor() riverdriver.Executor { return r.rowsExecutor }

func (r *rowsExecutor) JobGetAvailable(_ context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	r.asked++
	n := min(p.MaxToLock, r.jobs)
	r.jobs -= n
	return &riverdriver.JobGetAvailableResult{Jobs: make([]*rivertype.JobRow, n)}, nil
}

func (r *rowsExecutor) Begin(context.Context) (riverdriver.ExecutorTx, error) {
	return electionTx{r}, nil
}

func (r *rowsExecutor) LeaderAttemptReelect(context.Context, *riverdriver.LeaderReelectParams) (*riverdriver.Leader, error) {
	r.elections++
	return &riverdriver.Leader{}, nil
}

func (r *rowsExecutor) LeaderResign(context.Context, *riverdriver.LeaderResignParams) (bool, error) {
	r.resigned++
	return true, nil
}

// electionTx is a transaction in which an election is won.
type electionTx struct{ *rowsExecutor }

func (electionTx) Commit(context.Context) error   { return nil }
func (electionTx) Rollback(context.Context) error { return nil }

func (e electionTx) LeaderAttemptElect(context.Context, *riverdriver.LeaderElectParams) (*riverdriver.Leader, error) {
	e.elections++
	return &riverdriver.Leader{}, nil
}

// announcer is a listener that hears of one transcode.
type announcer struct{ riverdriver.Listener }

func (announcer) WaitForNotification(context.Context) (*riverdriver.Notification, error) {
	return &riverdriver.Notification{Topic: InsertTopic, Payload: InsertPayload(Transcode)}, nil
}

// heard has the driver hear an announcement.
func heard(t *testing.T, l fetchLimiter[struct{}]) {
	t.Helper()
	if _, err := (&insertListener[struct{}]{Listener: announcer{}, limiter: l}).WaitForNotification(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestFetchLimiter fetches from a queue of ten for two slots.
func TestFetchLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 2
		db := &rowsExecutor{jobs: 10}
		yielded, active, activity := 0, 0, &Activity{}
		l := newFetchLimiter[struct{}](rows{rowsExecutor: db}, Limits{Yielded: func() int { return yielded }, FreeSlots: func() int { return slots - active }, Activity: activity})
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

		heard(t, l)
		active, db.jobs = 0, 0
		fetch(0, "told of what another has taken")
		<-time.After(idleAfter)
		fetch(0, "idle")
		db.jobs = 1
		<-time.After(idlePoll - idleAfter - time.Second)
		fetch(0, "idle, and not told of one")
		<-time.After(time.Second)
		fetch(1, "idle for long")
		db.jobs = 1
		<-time.After(emptyPoll)
		fetch(1, "not idle any more")

		<-time.After(idleAfter)
		active = 0
		fetch(0, "idle once more")
		activity.Note()
		db.jobs = 1
		<-time.After(emptyPoll)
		fetch(1, "a job has ended, which may be tried again")

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

// silent is a connection that hears nothing, or the one thing that was announced.
type silent struct {
	riverdriver.Listener
	announced chan *riverdriver.Notification
}

func (s silent) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case n := <-s.announced:
		return n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestFreeSlots has River fetch from both queues that use slots while a job runs, and hear what is
// announced meanwhile.
func TestFreeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := silent{announced: make(chan *riverdriver.Notification, 1)}
		activity := &Activity{}
		limits := Limits{Yielded: func() int { return 0 }, FreeSlots: func() int { return 1 }, Activity: activity}
		l := &insertListener[struct{}]{Listener: conn, limiter: newFetchLimiter[struct{}](rows{}, limits)}
		hinted := func(d time.Duration) map[string]int {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			got := map[string]int{}
			for {
				n, err := l.WaitForNotification(ctx)
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
					return got
				}
				got[n.Payload]++
			}
		}
		<-time.After(emptyPoll)
		if got := hinted(10 * time.Second); len(got) != 0 {
			t.Errorf("without a job: told of %v", got)
		}
		end := activity.Begin()
		<-time.After(time.Hour)
		conn.announced <- &riverdriver.Notification{Topic: InsertTopic, Payload: InsertPayload(Probe)}
		got := hinted(1025 * time.Millisecond)
		if got[InsertPayload(Transcode)] != 10 || got[InsertPayload(Task)] != 10 || got[InsertPayload(Probe)] != 1 {
			t.Errorf("with a job: told of %v", got)
		}
		end()
		if got := hinted(10*time.Second + 25*time.Millisecond)[InsertPayload(Transcode)]; got < 9 || got > 11 {
			t.Errorf("after its end: told %d times of transcodes", got)
		}
	})
}

// pinged is a listener that counts pings, and hears nothing.
type pinged struct {
	riverdriver.Listener
	pings int
}

func (p *pinged) Ping(context.Context) error { p.pings++; return nil }

// TestIdle has the process become idle, and work again.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(12 * time.Hour) // a bubble begins at midnight
		db := &rowsExecutor{}
		limits := Limits{Yielded: func() int { return 0 }, FreeSlots: func() int { return 1 }, Activity: &Activity{}}
		l := newFetchLimiter[struct{}](rows{rowsExecutor: db}, limits)
		e := l.GetExecutor()
		elected := func() bool {
			t.Helper()
			tx, err := e.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leader, err := tx.LeaderAttemptElect(t.Context(), &riverdriver.LeaderElectParams{})
			if err != nil && !errors.Is(err, rivertype.ErrNotFound) {
				t.Error(err)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Error(err)
			}
			return leader != nil
		}
		stays := func() bool {
			t.Helper()
			leader, err := e.LeaderAttemptReelect(t.Context(), &riverdriver.LeaderReelectParams{})
			if err != nil && !errors.Is(err, rivertype.ErrNotFound) {
				t.Error(err)
			}
			return leader != nil
		}
		if !elected() || !stays() || db.elections != 2 || db.resigned != 0 {
			t.Errorf("a busy process: %d elections, %d resignations", db.elections, db.resigned)
		}
		<-time.After(idleAfter)
		if stays() || elected() || db.elections != 2 || db.resigned != 1 {
			t.Errorf("an idle process: %d elections, %d resignations", db.elections, db.resigned)
		}
		limits.Activity.Note()
		if !elected() || !stays() || db.elections != 4 {
			t.Errorf("a process with work again: %d elections", db.elections)
		}
		<-time.After(12*time.Hour - idleAfter)
		if !elected() {
			t.Error("nobody rebuilds indexes at midnight")
		}
		<-time.After(nightly)
		if elected() {
			t.Error("the night has no end")
		}

		deaf := newFetchLimiter[struct{}](rows{rowsExecutor: db}, Limits{Yielded: limits.Yielded, FreeSlots: limits.FreeSlots, Local: NewLocal()})
		<-time.After(idleAfter)
		e = deaf.GetExecutor()
		if !elected() || !stays() {
			t.Error("a process that hears no announcements does not want to be the leader")
		}
	})
}

// TestPing counts the pings of the connection that listens.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &pinged{}
		l := &insertListener[struct{}]{Listener: conn}
		for range 25 {
			if err := l.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-time.After(5 * time.Second)
		}
		if conn.pings != 3 {
			t.Errorf("pinged %d times in two minutes", conn.pings)
		}
	})
}
