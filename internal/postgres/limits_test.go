package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
)

func tooMany(err error) bool {
	e, ok := errors.AsType[*job.Error](err)
	return ok && e.Reason == job.TooManyJobs
}

func (f *fixture) limitKey(l postgres.Limits) {
	f.t.Helper()
	if err := f.LimitKey(f.t.Context(), f.keyID, l); err != nil {
		f.t.Fatal(err)
	}
}

func TestQueuedLimit(t *testing.T) {
	f := open(t)
	f.limitKey(postgres.Limits{Queued: 2})
	other := f.key("other")
	repeat := f.newJob(request)
	repeat.IdempotencyKey = "once"
	first, err := f.CreateJob(t.Context(), repeat)
	if err != nil {
		t.Fatal(err)
	}
	f.create(request)
	if _, err := f.CreateJob(t.Context(), f.newJob(request)); !tooMany(err) {
		t.Errorf("the third job: %v", err)
	}
	// A repeat adds no job, so no limit applies.
	if again, err := f.CreateJob(t.Context(), repeat); err != nil || again.ID != first.ID {
		t.Errorf("a repeat: %s, %v", again.ID, err)
	}
	n := f.newJob(request)
	n.KeyID = other
	if _, err := f.CreateJob(t.Context(), n); err != nil {
		t.Errorf("another key: %v", err)
	}
	// The end of a job makes room for another one. Then its retry is over the limit.
	if _, err := f.CancelJob(t.Context(), f.keyID, first.ID); err != nil {
		t.Fatal(err)
	}
	f.create(request)
	if _, err := f.RetryJob(t.Context(), f.keyID, first.ID); !tooMany(err) {
		t.Errorf("a retry over the limit: %v", err)
	}
	f.limitKey(postgres.Limits{})
	if _, err := f.RetryJob(t.Context(), f.keyID, first.ID); err != nil {
		t.Errorf("a retry without one: %v", err)
	}
	keys, err := f.ListKeys(t.Context())
	if err != nil || len(keys) != 2 {
		t.Fatal(keys, err)
	}
	if err := f.LimitKey(t.Context(), "nobody", postgres.Limits{}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	observed.Row(t, "errors.md too_many_jobs")
}

// TestQueuedLimitHolds exceeds the limit by concurrent requests.
func TestQueuedLimitHolds(t *testing.T) {
	f := open(t)
	const limit = 5
	f.limitKey(postgres.Limits{Queued: limit})
	var wg sync.WaitGroup
	errs := make([]error, 30)
	for i := range errs {
		wg.Go(func() { _, errs[i] = f.CreateJob(t.Context(), f.newJob(request)) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case !tooMany(err):
			t.Error(err)
		}
	}
	var rows, probes int
	f.scan(&rows, `SELECT count(*) FROM jobs`)
	f.scan(&probes, `SELECT count(*) FROM river_job`)
	if made != limit || rows != limit || probes != limit {
		t.Errorf("%d accepted, %d jobs, %d probes", made, rows, probes)
	}
}

func TestRunningLimit(t *testing.T) {
	f := open(t)
	f.limitKey(postgres.Limits{Running: 1})
	a, b := f.create(request), f.create(request)
	// admit fetches the River job of a job and asks for a run slot.
	admit := func(id string) time.Duration {
		t.Helper()
		riverID := f.riverJob(id)
		f.fetch(riverID, "node", 0)
		wait, err := f.AcquireRunSlot(t.Context(), id, riverID)
		if err != nil {
			t.Fatal(err)
		}
		return wait
	}
	// snooze does what River does with a job that has to wait.
	snooze := func(id string) {
		t.Helper()
		var n int
		f.scan(&n, `WITH u AS (UPDATE river_job SET state = 'available', attempt = attempt - 1 WHERE id = $1 RETURNING 1) SELECT count(*) FROM u`, f.riverJob(id))
	}
	if wait := admit(a.ID); wait != 0 {
		t.Fatalf("the first one waits %s", wait)
	}
	for range 2 {
		if wait := admit(b.ID); wait < time.Second || wait > time.Minute {
			t.Fatalf("the second one waits %s", wait)
		}
		snooze(b.ID)
	}
	// A job that asks again, as after a crash, keeps its slot.
	snooze(a.ID)
	if wait := admit(a.ID); wait != 0 {
		t.Errorf("the first one waits %s when it comes again", wait)
	}
	snooze(a.ID)
	if wait := admit(b.ID); wait != 0 {
		t.Errorf("waits %s while none runs", wait)
	}
	snooze(b.ID)
	f.limitKey(postgres.Limits{})
	for _, id := range []string{a.ID, b.ID} {
		if wait := admit(id); wait != 0 {
			t.Errorf("waits %s without a limit", wait)
		}
	}
	if wait, err := f.AcquireRunSlot(t.Context(), "unknown", 1); err != nil || wait != 0 {
		t.Errorf("an unknown job: %s, %v", wait, err)
	}
}

// TestLockOrder lets AcquireRunSlot wait for the row of its job, and checks that it
// does not hold the key meanwhile: a retry of the job locks them in this order.
func TestLockOrder(t *testing.T) {
	f := open(t)
	f.limitKey(postgres.Limits{Running: 1})
	id := f.create(request).ID
	riverID := f.riverJob(id)
	f.fetch(riverID, "node", 0)
	tx, err := f.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM jobs WHERE id = $1 FOR UPDATE`, id); err != nil {
		t.Fatal(err)
	}
	acquired := make(chan error, 1)
	go func() {
		_, err := f.AcquireRunSlot(context.WithoutCancel(t.Context()), id, riverID)
		acquired <- err
	}()
	for f.count(`pg_locks WHERE NOT granted AND pid <> pg_backend_pid()`) == 0 {
		select {
		case err := <-acquired:
			t.Fatalf("it did not wait for the job: %v", err)
		default:
		}
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM api_keys WHERE id = $1 FOR NO KEY UPDATE NOWAIT`, f.keyID); err != nil {
		t.Errorf("it holds the key while it waits for the job: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-acquired; err != nil {
		t.Error(err)
	}
}

// TestMonthlyMinutes: a key that has made its minutes of the month gets no further job,
// also not by a retry, until the next month or a higher limit.
func TestMonthlyMinutes(t *testing.T) {
	f := open(t)
	observed.Row(t, "errors.md quota_used_up")
	usedUp := func(err error) bool {
		e, ok := errors.AsType[*job.Error](err)
		return ok && e.Reason == job.QuotaUsedUp
	}
	again := func() error { _, err := f.CreateJob(t.Context(), f.newJob(request)); return err }
	f.limitKey(postgres.Limits{Minutes: 2})
	id := f.create(request).ID
	run := f.claim(id, "a")
	f.record(id, run, job.Event{Kind: job.InputTransferredEvent})
	f.record(id, run, job.Event{Kind: job.OutputCompletedEvent, Output: "mp4:720p", Result: job.Result{
		Metadata: json.RawMessage(`{"streams":[{"codec_type":"video","width":1280,"height":720}],"format":{"duration":"125"}}`)}})
	f.record(id, run, completed("jpg:300x"))
	other := f.another() // has read no sum yet
	if _, err := other.CreateJob(t.Context(), f.newJob(request)); !usedUp(err) || !strings.Contains(err.Error(), "play 2 minutes; its limit is 2") {
		t.Errorf("a job over the quota: %v", err)
	}
	if err := again(); err != nil {
		t.Errorf("the sum is read every ten seconds only: %v", err)
	}
	if _, err := other.RetryJob(t.Context(), f.keyID, id); err == nil || usedUp(err) {
		t.Errorf("a retry of a job with nothing to retry: %v", err)
	}
	failed := f.create(request).ID
	if _, err := f.CancelJob(t.Context(), f.keyID, failed); err != nil {
		t.Fatal(err)
	}
	if _, err := other.RetryJob(t.Context(), f.keyID, failed); !usedUp(err) {
		t.Errorf("a retry over the quota: %v", err)
	}
	f.limitKey(postgres.Limits{Minutes: 3})
	if _, err := other.CreateJob(t.Context(), f.newJob(request)); err != nil {
		t.Errorf("under a higher limit: %v", err)
	}
	f.limitKey(postgres.Limits{Minutes: 2})
	f.exec(`UPDATE jobs SET completed_at = date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 second' WHERE id = $1`, id)
	if _, err := f.another().CreateJob(t.Context(), f.newJob(request)); err != nil {
		t.Errorf("what was made in the month before counts: %v", err)
	}
}
