package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/queue"
)

// These tests check each assumption of river.go against a database that River's
// own migrations have made, and against River's client.

func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.New(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func scan[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func client(t *testing.T, pool *pgxpool.Pool, c *river.Config) *river.Client[pgx.Tx] {
	t.Helper()
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// inserter inserts jobs as internal/postgres does.
func inserter(t *testing.T, pool *pgxpool.Pool) *river.Client[pgx.Tx] {
	return client(t, pool, queue.InsertOnlyConfig(slog.New(slog.DiscardHandler)))
}

func insert(t *testing.T, c *river.Client[pgx.Tx], args river.JobArgs, o *river.InsertOpts) int64 {
	t.Helper()
	r, err := c.Insert(t.Context(), args, o)
	if err != nil {
		t.Fatal(err)
	}
	return r.Job.ID
}

// start starts a client under the id that works probes with f and does not poll.
func start(t *testing.T, pool *pgxpool.Pool, id string, f func(*river.Job[queue.ProbeArgs]) error) *river.Client[pgx.Tx] {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[queue.ProbeArgs]) error { return f(j) }))
	c := client(t, pool, &river.Config{
		ID: id, Workers: workers, FetchPollInterval: time.Hour, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{queue.Probe: {MaxWorkers: 1, FetchCooldown: queue.FetchCooldown}},
	})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

// wake notifies as internal/postgres does.
func wake(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	exec(t, pool, `SELECT pg_notify(`+queue.ChannelSQL("$1::text")+`, $2)`, queue.InsertTopic, queue.InsertPayload(queue.Probe))
}

func receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

func TestColumns(t *testing.T) {
	rows, err := open(t).Query(t.Context(), `
		SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
		FROM pg_attribute a WHERE a.attrelid = $1::text::regclass AND a.attnum > 0`, queue.Table)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"id bigint", "kind text", "queue text", "args jsonb", "state river_job_state", "priority smallint",
		"attempt smallint", "max_attempts smallint", "attempted_at timestamp with time zone", "attempted_by text[]",
		"scheduled_at timestamp with time zone", "finalized_at timestamp with time zone", "errors jsonb[]",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("river_job has no column %q; it has %q", want, got)
		}
	}
}

// TestStates checks that every state of River's is either open or ended.
func TestStates(t *testing.T) {
	pool := open(t)
	for _, s := range rivertype.JobStates() {
		at := func(condition string) bool {
			return scan[bool](t, pool, `SELECT `+condition+` FROM (SELECT $1::text::river_job_state AS state) r`, string(s))
		}
		var want []bool // running, open, ended, failed
		switch s {
		case rivertype.JobStateRunning:
			want = []bool{true, true, false, false}
		case rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateScheduled:
			want = []bool{false, true, false, false}
		case rivertype.JobStateCompleted:
			want = []bool{false, false, true, false}
		case rivertype.JobStateCancelled, rivertype.JobStateDiscarded:
			want = []bool{false, false, true, true}
		default:
			t.Errorf("River has a new state, %q", s)
			continue
		}
		if got := []bool{at(queue.IsRunning), at(queue.IsOpen), at(queue.HasEnded), at(queue.HasFailed)}; !slices.Equal(got, want) {
			t.Errorf("%s: running, open, ended, failed are %v, want %v", s, got, want)
		}
	}
	if n := scan[int](t, pool, `SELECT cardinality(enum_range(NULL::river_job_state))`); n != len(rivertype.JobStates()) {
		t.Errorf("the database knows %d states, the client %d", n, len(rivertype.JobStates()))
	}
}

// TestArgs checks under which names and in which queue arguments are stored.
func TestArgs(t *testing.T) {
	pool := open(t)
	c := inserter(t, pool)
	for _, args := range []river.JobArgs{
		queue.ProbeArgs{JobID: "j1"}, queue.TranscodeArgs{JobID: "j1"}, queue.NotifyArgs{DeliveryID: 1 << 40}, queue.TaskArgs{TaskID: 1 << 40},
	} {
		id := insert(t, c, args, nil)
		got := scan[string](t, pool, `SELECT format('%s %s %s %s', r.kind, r.queue, `+queue.ArgsJobID+`, `+queue.ArgsDeliveryID+`) FROM river_job r WHERE r.id = $1`, id)
		want := args.Kind() + " " + args.Kind() + " j1 "
		switch args.Kind() {
		case "notify":
			want = "notify notify  1099511627776"
		case "task":
			want = "task task  " // no column of a statement reads its id
		}
		if got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
	}
}

// TestPriorities checks the range and the order of priorities, and that one can
// be lowered by SQL.
func TestPriorities(t *testing.T) {
	pool := open(t)
	c := inserter(t, pool)
	for _, p := range []int{queue.HighestPriority - 1, queue.LowestPriority + 1} {
		if _, err := pool.Exec(t.Context(), `INSERT INTO river_job (args, kind, max_attempts, priority) VALUES ('{}', 'probe', 1, $1)`, p); err == nil {
			t.Errorf("priority %d is accepted", p)
		}
	}
	for _, p := range []int{3, queue.HighestPriority, 2, queue.LowestPriority} {
		insert(t, c, queue.ProbeArgs{JobID: fmt.Sprint(p)}, &river.InsertOpts{Priority: p})
	}
	lowered := scan[int64](t, pool, `SELECT id FROM river_job WHERE priority = 2`)
	exec(t, pool, queue.DeprioritizeSQL, lowered, queue.LowestPriority)
	worked := make(chan string, 4)
	start(t, pool, "a", func(j *river.Job[queue.ProbeArgs]) error { worked <- j.Args.JobID; return nil })
	var got []string
	for range 4 {
		got = append(got, receive(t, worked, "a job"))
	}
	// Within a priority River goes by time, and the lowered one is older.
	if want := []string{"1", "3", "2", "4"}; !slices.Equal(got, want) {
		t.Errorf("worked in the order %v, want %v", got, want)
	}
}

// TestNotification compares River's own notification with ours, and wakes a
// client that does not poll with the latter.
func TestNotification(t *testing.T) {
	pool := open(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	channel := scan[string](t, pool, `SELECT `+queue.ChannelSQL("$1::text"), queue.InsertTopic)
	if _, err := conn.Exec(t.Context(), `LISTEN `+pgx.Identifier{channel}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	insert(t, client(t, pool, &river.Config{}), queue.ProbeArgs{}, nil)
	rivers, err := conn.Conn().WaitForNotification(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wake(t, pool)
	ours, err := conn.Conn().WaitForNotification(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if err := json.Unmarshal([]byte(rivers.Payload), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(ours.Payload), &b); err != nil {
		t.Fatal(err)
	}
	// The fetch limiter compares them as they are.
	if rivers.Channel != ours.Channel || fmt.Sprint(a) != fmt.Sprint(b) || rivers.Payload != ours.Payload {
		t.Errorf("River notifies %s of %s, and we %s of %s", rivers.Channel, rivers.Payload, ours.Channel, ours.Payload)
	}

	exec(t, pool, `DELETE FROM river_job`)
	worked := make(chan string, 1)
	start(t, pool, "a", func(j *river.Job[queue.ProbeArgs]) error { worked <- j.Args.JobID; return nil })
	c := inserter(t, pool)
	insert(t, c, queue.ProbeArgs{JobID: "first"}, nil)
	wake(t, pool)
	receive(t, worked, "the first job")
	insert(t, c, queue.ProbeArgs{JobID: "second"}, nil)
	wake(t, pool)
	receive(t, worked, "the second job, of which only we notify")
}

// TestInsertOnlyIsQuiet counts the notifications of an inserting client. The
// last insert is by another client, whose notification shows the end.
func TestInsertOnlyIsQuiet(t *testing.T) {
	pool := open(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	channel := scan[string](t, pool, `SELECT `+queue.ChannelSQL("$1::text"), queue.InsertTopic)
	if _, err := conn.Exec(t.Context(), `LISTEN `+pgx.Identifier{channel}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	c := inserter(t, pool)
	for range 5 {
		insert(t, c, queue.ProbeArgs{}, nil)
	}
	insert(t, client(t, pool, &river.Config{}), queue.NotifyArgs{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	probes := 0
	for {
		n, err := conn.Conn().WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(n.Payload, queue.Notify) {
			break
		}
		probes++
	}
	if probes > 1 {
		t.Errorf("%d notifications of 5 inserts", probes)
	}
}

// TestEndAttempt takes a running job from a client by SQL. Another client works
// it as its next attempt, and reads the error.
func TestEndAttempt(t *testing.T) {
	pool := open(t)
	// As if a client had fetched it and died.
	id := insert(t, inserter(t, pool), queue.ProbeArgs{JobID: "j"}, nil)
	exec(t, pool, `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = ARRAY['dead'] WHERE id = $1`, id)
	if !scan[bool](t, pool, `SELECT `+queue.RunningSQL("$1", "$2"), id, 1) || scan[bool](t, pool, `SELECT `+queue.RunningSQL("$1", "$2"), id, 2) {
		t.Error("the first attempt and no other should be running")
	}
	exec(t, pool, `UPDATE river_job r SET `+queue.EndAttemptSQL("$2", "$3::text")+` WHERE r.id = $1`, id, false, "it died")

	type fetched struct {
		attempt int
		at      time.Time
		node    string
		sqlAt   time.Time
		last    bool
	}
	worked := make(chan fetched, 1)
	c := start(t, pool, "alive", func(j *river.Job[queue.ProbeArgs]) error {
		f := fetched{attempt: j.Attempt, at: *j.AttemptedAt}
		err := pool.QueryRow(context.Background(), `SELECT `+queue.Node+`, `+queue.IsLastAttempt+`, `+queue.FetchedAtSQL("$1")+` FROM river_job r WHERE r.id = $1`, id).
			Scan(&f.node, &f.last, &f.sqlAt)
		worked <- f
		return err
	})
	f := receive(t, worked, "the second attempt")
	if f.attempt != 2 || f.node != "alive" || f.last || !f.at.Equal(f.sqlAt) {
		t.Errorf("fetched as %+v", f)
	}
	j, err := c.JobGet(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Errors) != 1 || j.Errors[0].Error != "it died" || j.Errors[0].Attempt != 1 || time.Since(j.Errors[0].At) > time.Hour {
		t.Errorf("errors %+v", j.Errors)
	}
}

// TestEndLastAttempt discards a job by SQL, as River's check constraint on
// finalized_at wants it.
func TestEndLastAttempt(t *testing.T) {
	pool := open(t)
	c := inserter(t, pool)
	id := insert(t, c, queue.ProbeArgs{JobID: "j"}, nil)
	exec(t, pool, `UPDATE river_job SET state = 'running', attempt = max_attempts, attempted_at = now() WHERE id = $1`, id)
	if !scan[bool](t, pool, `SELECT `+queue.IsLastAttempt+` FROM river_job r WHERE r.id = $1`, id) {
		t.Error("the last attempt is not recognised")
	}
	if node := scan[string](t, pool, `SELECT `+queue.Node+` FROM river_job r WHERE r.id = $1`, id); node != "" {
		t.Errorf("worked by %q, although none fetched it", node)
	}
	exec(t, pool, `UPDATE river_job r SET `+queue.EndAttemptSQL("$2", "$3::text")+` WHERE r.id = $1`, id, true, "it died")
	j, err := c.JobGet(t.Context(), id)
	if err != nil || j.State != rivertype.JobStateDiscarded || j.FinalizedAt == nil {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestSnooze checks that a snooze uses up no attempt: the retry schedule of
// webhooks counts attempts.
func TestSnooze(t *testing.T) {
	pool := open(t)
	attempts := make(chan int, 2)
	start(t, pool, "a", func(j *river.Job[queue.ProbeArgs]) error {
		attempts <- j.Attempt
		return river.JobSnooze(0)
	})
	insert(t, inserter(t, pool), queue.ProbeArgs{}, nil)
	wake(t, pool)
	if n := receive(t, attempts, "the first attempt"); n != 1 {
		t.Errorf("attempt %d", n)
	}
	for scan[string](t, pool, `SELECT state::text FROM river_job`) == "running" {
		continue // the client has not yet said how it ended
	}
	if got := scan[string](t, pool, `SELECT format('%s of %s', attempt, max_attempts) FROM river_job`); got != fmt.Sprintf("0 of %d", queue.ProbeAttempts) {
		t.Errorf("after a snooze: attempt %s", got)
	}
}

// TestLimitFetches checks that a client fetches through the limiting driver: one
// transcode for one slot, and another when the first yields its slot.
func TestLimitFetches(t *testing.T) {
	pool := open(t)
	var yielded atomic.Int64
	worked := make(chan string, 3)
	release := make(chan struct{})
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[queue.TranscodeArgs]) error {
		worked <- j.Args.JobID
		<-release
		return nil
	}))
	driver := queue.LimitFetches(riverpgxv5.New(pool), queue.Limits{
		Yielded: func() int { return int(yielded.Load()) }, FreeSlots: func() int { return 0 },
	})
	c, err := river.NewClient(driver, &river.Config{
		Workers: workers, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{queue.Transcode: {
			MaxWorkers: 1 + queue.MaxYielded, FetchCooldown: queue.FetchCooldown}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		insert(t, inserter(t, pool), queue.TranscodeArgs{JobID: fmt.Sprint(n)}, nil)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		close(release)
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	running := func() int { return scan[int](t, pool, `SELECT count(*) FROM river_job WHERE state = 'running'`) }
	receive(t, worked, "the first transcode")
	if n := running(); n != 1 {
		t.Errorf("%d transcodes use one slot", n)
	}
	yielded.Store(1)
	receive(t, worked, "the second transcode")
	if n := running(); n != 2 {
		t.Errorf("%d transcodes run, one of which waits", n)
	}
}

// TestIdleLeader has the only client rest, which then resigns as River's leader, and leaves a
// job alone whose time has come. When the client is told, it is the leader again.
func TestIdleLeader(t *testing.T) {
	t.Parallel()
	pool := open(t)
	worked := make(chan string, 1)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[queue.ProbeArgs]) error {
		worked <- j.Args.JobID
		return nil
	}))
	var activity queue.Activity
	driver := queue.LimitFetches(riverpgxv5.New(pool), queue.Limits{Activity: &activity})
	c, err := river.NewClient(driver, &river.Config{
		ID: "only", Workers: workers, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{queue.Probe: {MaxWorkers: 1, FetchCooldown: queue.FetchCooldown}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	leaders := func(want int) {
		t.Helper()
		deadline := time.After(time.Minute)
		for scan[int](t, pool, `SELECT count(*) FROM river_leader`) != want {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-deadline:
				t.Fatalf("there are never %d leaders", want)
			}
		}
	}
	leaders(1)
	activity.Rest()
	leaders(0)
	// So that it was scheduled before its time came.
	insert(t, inserter(t, pool), queue.ProbeArgs{JobID: "later"}, &river.InsertOpts{ScheduledAt: time.Now().Add(time.Hour)})
	exec(t, pool, `UPDATE river_job SET scheduled_at = now() - interval '1 second'`)
	due := `SELECT ` + queue.DueSQL("$1::text[]", "interval '1 second'")
	if !scan[bool](t, pool, due, []string{queue.Probe}) {
		t.Error("a job whose time has come is not due")
	}
	if state := scan[string](t, pool, `SELECT state::text FROM river_job`); state != "scheduled" {
		t.Errorf("the job is %s before the client is told", state)
	}
	activity.Note()
	if id := receive(t, worked, "the job"); id != "later" {
		t.Errorf("worked %q", id)
	}
	if scan[bool](t, pool, due, []string{queue.Probe}) {
		t.Error("a job that has begun is due")
	}
	leaders(1)
}

// TestDue says what is due in a queue.
func TestDue(t *testing.T) {
	pool := open(t)
	insert(t, inserter(t, pool), queue.ProbeArgs{}, nil)
	for _, c := range []struct {
		state, queue, in string
		want             bool
	}{
		{"available", queue.Probe, "0 s", true},
		{"available", queue.Notify, "0 s", false},
		{"retryable", queue.Probe, "9 s", true},
		{"retryable", queue.Probe, "11 s", false},
		{"scheduled", queue.Probe, "9 s", true},
		{"scheduled", queue.Probe, "11 s", false},
		{"running", queue.Probe, "0 s", false},
		{"completed", queue.Probe, "0 s", false},
	} {
		for priority := queue.HighestPriority; priority <= queue.LowestPriority; priority++ {
			exec(t, pool, `UPDATE river_job SET state = $1::text::river_job_state, queue = $2, scheduled_at = now() + $3::text::interval, priority = $4,
				finalized_at = CASE WHEN $1::text = 'completed' THEN now() END`, c.state, c.queue, c.in, priority)
			got := scan[bool](t, pool, `SELECT `+queue.DueSQL("$1::text[]", "interval '10 s'"), []string{queue.Probe, queue.Task})
			if got != c.want {
				t.Errorf("%+v of priority %d: %t", c, priority, got)
			}
		}
	}
	if scan[bool](t, pool, `SELECT `+queue.DueSQL("$1::text[]", "interval '10 s'"), []string(nil)) {
		t.Error("something is due in no queue")
	}
}

// TestTasksInOrder checks that tasks which are inserted by one call are worked in its
// order. One is worked at a time: of two that River has fetched either may begin first.
func TestTasksInOrder(t *testing.T) {
	pool := open(t)
	worked := make(chan int64)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[queue.TaskArgs]) error {
		worked <- j.Args.TaskID
		return nil
	}))
	driver := queue.LimitFetches(riverpgxv5.New(pool), queue.Limits{Yielded: func() int { return 0 }, FreeSlots: func() int { return 1 }})
	c, err := river.NewClient(driver, &river.Config{
		Workers: workers, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{queue.Task: {MaxWorkers: 1, FetchCooldown: queue.FetchCooldown}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var params []river.InsertManyParams
	var want []int64
	for n := range int64(20) {
		params, want = append(params, river.InsertManyParams{Args: queue.TaskArgs{TaskID: n}}), append(want, n)
	}
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := inserter(t, pool).InsertManyTx(t.Context(), tx, params)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	var got []int64
	for range want {
		got = append(got, receive(t, worked, "a task"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("worked in the order %v", got)
	}
}

func TestStats(t *testing.T) {
	pool := open(t)
	c := inserter(t, pool)
	ids := []int64{insert(t, c, queue.ProbeArgs{}, nil), insert(t, c, queue.ProbeArgs{}, nil), insert(t, c, queue.ProbeArgs{}, nil)}
	exec(t, pool, `UPDATE river_job SET state = 'running', attempted_at = now() - interval '1 minute' WHERE id = $1`, ids[0])
	exec(t, pool, `UPDATE river_job SET state = 'completed', finalized_at = now() WHERE id = $1`, ids[1])
	exec(t, pool, `UPDATE river_job SET scheduled_at = now() + interval '1 minute' WHERE id = $1`, ids[2])
	rows, err := pool.Query(t.Context(), queue.StatsSQL)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var name, state string
	var count int
	var age float64
	if _, err := pgx.ForEachRow(rows, []any{&name, &state, &count, &age}, func() error {
		got = append(got, fmt.Sprintf("%s %s %d", name, state, count))
		if running := age >= 60 && age < 600; state == "running" && !running || state != "running" && age != 0 {
			t.Errorf("%s for %v s", state, age)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"probe available 1", "probe running 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
