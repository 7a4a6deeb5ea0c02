package queue

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// A process is idle when nothing was announced or fetched, or has ended, for idleAfter. By
// then every job is one that is announced, or one that the heartbeat says is due
// (DueSQL): it asks for announcements that were lost, and for jobs that are to be tried again,
// so that nothing else needs to ask. Then
//
//   - the queues are polled every idlePoll,
//   - the process does not want to be River's leader, which asks every five seconds for jobs to
//     be tried again, nor does the leader want to stay it,
//   - River's pings of the connection that listens are answered here, but for one in pingEvery.
//     The kernel notices sooner when the other side is gone.
//
// All of it counts only where announcements arrive: a LISTEN through a pooler is accepted and
// may hear nothing.
const (
	idleAfter = time.Minute
	pingEvery = time.Minute
	// DueWithin is how far ahead the heartbeat looks for jobs that are to be tried again. The
	// heartbeat of an idle process is renewed every 5 s, it asks to become the leader within 6 s,
	// and begins with the leader's work within one.
	DueWithin = 15 * time.Second
	// nightly is the time around midnight (UTC) in which no process is idle: it is then that
	// River's leader rebuilds indexes. Finished River jobs of a quiet day are deleted too.
	nightly = 2 * time.Minute
)

// Activity is when something has last happened in the queues of a process.
type Activity struct {
	at   atomic.Int64 // Unix nanoseconds
	runs atomic.Int64 // jobs that run
}

// Note says that something happens now: a job was announced or fetched, has ended, or is
// due. One that is to be tried again soon is not announced.
func (a *Activity) Note() { a.at.Store(time.Now().UnixNano()) }

// Begin notes that a job begins, and end that it has ended.
func (a *Activity) Begin() (end func()) {
	a.runs.Add(1)
	a.Note()
	return func() {
		a.Note()
		a.runs.Add(-1)
	}
}

// working reports whether jobs run here, or did a moment ago, so that slots may become free.
func (a *Activity) working() bool {
	return a.runs.Load() > 0 || time.Since(time.Unix(0, a.at.Load())) < emptyPoll
}

// idle reports whether nothing happens here, so that the database need not be asked.
func (l fetchLimiter[TTx]) idle() bool {
	now := time.Now()
	midnight := now.Add(nightly / 2).UTC()
	return l.local == nil && now.UnixNano()-l.active.at.Load() >= int64(idleAfter) &&
		midnight.Sub(midnight.Truncate(24*time.Hour)) >= nightly
}

// Ping implements riverdriver.Listener.
func (l *insertListener[TTx]) Ping(ctx context.Context) error {
	now := time.Now().UnixNano()
	if now-l.heard.Load() < int64(pingEvery) {
		return nil
	}
	if err := l.Listener.Ping(ctx); err != nil {
		return err
	}
	l.heard.Store(now)
	return nil
}

// LeaderAttemptReelect implements riverdriver.Executor. The leader of an idle process resigns,
// and the others are told: one of them may not be idle.
func (e *limitedExecutor[TTx]) LeaderAttemptReelect(ctx context.Context, p *riverdriver.LeaderReelectParams) (*riverdriver.Leader, error) {
	if !e.idle() {
		return e.Executor.LeaderAttemptReelect(ctx, p)
	}
	_, err := e.LeaderResign(ctx, &riverdriver.LeaderResignParams{
		ElectedAt: p.ElectedAt, LeaderID: p.LeaderID, LeadershipTopic: leadershipTopic, Schema: p.Schema})
	if err != nil {
		return nil, err // River tries again
	}
	return nil, rivertype.ErrNotFound // as if another were the leader
}

// Begin implements riverdriver.Executor. A worker's client begins transactions to be elected,
// and to look for jobs to be tried again.
func (e *limitedExecutor[TTx]) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	if e.idle() {
		return idleTx{e.Executor}, nil
	}
	return e.Executor.Begin(ctx)
}

// idleTx is a transaction of an idle process, which does nothing. What River may do in it besides
// is done outside of one.
type idleTx struct{ riverdriver.Executor }

// Commit implements riverdriver.ExecutorTx, as all methods here.
func (idleTx) Commit(context.Context) error   { return nil }
func (idleTx) Rollback(context.Context) error { return nil }

func (idleTx) LeaderDeleteExpired(context.Context, *riverdriver.LeaderDeleteExpiredParams) (int, error) {
	return 0, nil
}

func (idleTx) LeaderAttemptElect(context.Context, *riverdriver.LeaderElectParams) (*riverdriver.Leader, error) {
	return nil, rivertype.ErrNotFound
}

func (idleTx) JobSchedule(context.Context, *riverdriver.JobScheduleParams) ([]*riverdriver.JobScheduleResult, error) {
	return nil, nil
}
