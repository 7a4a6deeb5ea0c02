package postgres_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

// offer offers two steps of a run, of which the first is the longer one.
func (f *fixture) offer(id string, run int64, tried ...string) []int64 {
	f.t.Helper()
	ids, err := f.OfferTasks(f.t.Context(), id, run, []job.NewTask{
		{Step: "encode-2", Kind: "encode", Attempt: 1, Tried: tried, Cost: 9, Start: time.Minute, Length: time.Hour, Spec: []byte("canary-spec")},
		{Step: "audio-1", Kind: "audio", Attempt: 1, Cost: 1},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return ids
}

func (f *fixture) claimTask(id int64, node string) job.ClaimedTask {
	f.t.Helper()
	t, wait, err := f.ClaimTask(f.t.Context(), id, node)
	if err != nil || wait != 0 {
		f.t.Fatalf("%v, wait %s", err, wait)
	}
	return t
}

// statuses are the tasks of a run, such as "encode-2 running by n".
func (f *fixture) statuses(id string, run int64) string {
	f.t.Helper()
	states, err := f.TaskStates(f.t.Context(), id, run)
	if err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for _, s := range states {
		text := s.Step + " " + string(s.Status)
		if s.Node != "" {
			text += " by " + s.Node
		}
		if s.Error != "" {
			text += ": " + s.Error
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func wantLost(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("%s: %v, want a lost lease", what, err)
	}
}

// TestTask follows a task from its offer to its end.
func TestTask(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	id, _, run := f.transcoding("a")
	ids := f.offer(id, run)
	var queued []int64
	rows := f.count(`river_job WHERE kind = 'task' AND queue = 'task' AND state = 'available'`)
	for n := range ids {
		var task int64
		f.scan(&task, `SELECT (args->>'task_id')::bigint FROM river_job WHERE kind = 'task' ORDER BY id OFFSET $1 LIMIT 1`, n)
		queued = append(queued, task)
	}
	if rows != 2 || !slices.Equal(queued, ids) {
		t.Errorf("%d River jobs, of the tasks %v; offered %v", rows, queued, ids)
	}
	if f.count(`tasks WHERE position('canary'::bytea IN spec_sealed) > 0`) != 0 {
		t.Error("the spec is stored as it is")
	}

	task := f.claimTask(ids[0], "b")
	if string(task.Spec) != "canary-spec" || string(task.Request) != request || task.JobID != id || task.Step != "encode-2" || task.Kind != "encode" {
		t.Errorf("claimed %+v", task)
	}
	_, _, err := f.ClaimTask(ctx, ids[0], "c")
	wantLost(t, "a second claim", err)
	if taken, err := f.TakeTask(ctx, ids[0], "a"); taken || err != nil {
		t.Errorf("taken from its worker: %v", err)
	}
	wantLost(t, "another token", f.RenewTask(ctx, task.ID, task.Fence+1, 0.5))
	if err := f.RenewTask(ctx, task.ID, task.Fence, 0.5); err != nil {
		t.Error(err)
	}
	if states, err := f.TaskStates(ctx, id, run); err != nil || states[0].Progress != 0.5 || states[0].Silent > time.Minute {
		t.Errorf("%+v, %v", states, err)
	}
	changed, stop := f.Watch(id)
	defer stop()
	for range 2 { // the second is a repeat after a broken connection
		if err := f.CompleteTask(ctx, task.ID, task.Fence, []string{"k"}); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-changed:
	case <-time.After(20 * time.Second):
		t.Error("the run is not woken")
	}
	wantLost(t, "a failure after the end", f.FailTask(ctx, task.ID, task.Fence, "no"))
	if taken, err := f.TakeTask(ctx, ids[1], "a"); !taken || err != nil {
		t.Errorf("the run cannot take its own task: %v", err)
	}
	if got, want := f.statuses(id, run), "encode-2 done by b, audio-1 running by a"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	counts, err := f.TaskCounts(ctx)
	if diff := cmp.Diff(counts, []job.TaskCount{{Kind: "audio", Status: job.TaskRunning, Count: 1}, {Kind: "encode", Status: job.TaskDone, Count: 1}}); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	if with, err := f.JobsWithTasks(ctx, []string{id, "other"}); err != nil || len(with) != 1 || !with[id] {
		t.Errorf("jobs with tasks: %v, %v", with, err)
	}
	if err := f.DropTasks(ctx, id, run, ids[0]); err != nil {
		t.Error(err)
	}
	if err := f.DropTasks(ctx, id, run-1); err != nil {
		t.Error(err)
	}
	if got, want := f.statuses(id, run), "audio-1 running by a"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if err := f.DropTasks(ctx, id, run); err != nil || f.statuses(id, run) != "" {
		t.Errorf("%v: %s", err, f.statuses(id, run))
	}
}

// TestTaskOfDeadWorker takes a task from a worker that is silent. The worker that
// failed it comes last.
func TestTaskOfDeadWorker(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	id, _, run := f.transcoding("a")
	ids := f.offer(id, run)
	task := f.claimTask(ids[0], "b")
	if err := f.LoseTask(ctx, task.ID, stale); err != nil {
		t.Fatal(err)
	}
	if err := f.RenewTask(ctx, task.ID, task.Fence, 0); err != nil {
		t.Errorf("a worker that is not silent has lost its task: %v", err)
	}
	f.exec(`UPDATE tasks SET touched_at = now() - interval '11 s' WHERE id = $1`, task.ID)
	if err := f.LoseTask(ctx, task.ID, stale); err != nil {
		t.Fatal(err)
	}
	wantLost(t, "a renewal", f.RenewTask(ctx, task.ID, task.Fence, 0))
	wantLost(t, "a result", f.CompleteTask(ctx, task.ID, task.Fence, nil))
	if got, want := f.statuses(id, run), "encode-2 failed by b: the worker b stopped responding, audio-1 offered"; got != want {
		t.Errorf("%s; want %s", got, want)
	}

	again := f.offer(id, run, "b")
	if _, wait, err := f.ClaimTask(ctx, again[0], "b"); wait == 0 || err != nil {
		t.Errorf("who has failed it gets it again: %v", err)
	}
	f.exec(`UPDATE tasks SET offered_at = now() - interval '1 minute' WHERE id = $1`, again[0])
	f.claimTask(again[0], "b") // nobody else has come
}

// TestTaskWithoutRun takes the job from the run that has offered a task in each way.
// Its worker loses the task with the job.
func TestTaskWithoutRun(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	for what, take := range map[string]func(id string, riverID, run int64) error{
		"cancelled": func(id string, _, _ int64) error {
			_, err := f.CancelJob(ctx, f.keyID, id)
			return err
		},
		"another run": func(id string, riverID, _ int64) error {
			_, err := f.Claim(ctx, id, riverID, 1, "c")
			return err
		},
		"ended": func(id string, _, run int64) error {
			_, err := f.Record(ctx, id, run, job.Event{Kind: job.InputFailedEvent, Error: "no", At: time.Now()})
			return err
		},
	} {
		id, riverID, run := f.transcoding("a")
		ids := f.offer(id, run)
		task := f.claimTask(ids[0], "b")
		if err := take(id, riverID, run); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		wantLost(t, what+": a renewal", f.RenewTask(ctx, task.ID, task.Fence, 0))
		wantLost(t, what+": a result", f.CompleteTask(ctx, task.ID, task.Fence, nil))
		_, _, err := f.ClaimTask(ctx, ids[1], "b")
		wantLost(t, what+": a claim", err)
		_, err = f.OfferTasks(ctx, id, run, []job.NewTask{{Step: "late"}})
		wantLost(t, what+": an offer", err)
		if n := f.count(`tasks WHERE job_id = $1`, id); what != "ended" && n != 0 {
			t.Errorf("%s: %d tasks are left", what, n)
		}
	}
	f.reap() // its first call looks for what the ends of jobs have left
	if n := f.count(`tasks`); n != 0 {
		t.Errorf("%d tasks are left of runs that have ended", n)
	}
}

// TestTwoOwners has many workers claim one task at once.
func TestTwoOwners(t *testing.T) {
	f := open(t)
	id, _, run := f.transcoding("a")
	task := f.offer(id, run)[0]
	won := make(chan bool, 20)
	for range cap(won) {
		go func() {
			_, _, err := f.ClaimTask(context.WithoutCancel(t.Context()), task, "n")
			won <- err == nil
		}()
	}
	n := 0
	for range cap(won) {
		if <-won {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d workers have the task", n)
	}
}
