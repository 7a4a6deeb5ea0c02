package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
)

const stale = 10 * time.Second

func (f *fixture) reap() int {
	f.t.Helper()
	reaped, err := f.Reap(f.t.Context(), f.limit())
	if err != nil {
		f.t.Fatal(err)
	}
	return reaped.Requeued
}

// limit is stale, or less if the database has been up for a shorter time, in which
// Reap would do nothing.
func (f *fixture) limit() time.Duration {
	f.t.Helper()
	var up time.Duration
	f.scan(&up, `SELECT now() - pg_postmaster_start_time()`)
	return min(stale, up/2)
}

// transcoding creates a job whose transcode the node fetched a minute ago.
func (f *fixture) transcoding(node string) (id string, riverID, run int64) {
	f.t.Helper()
	id = f.create(request).ID
	run = f.claim(id, "probe-node")
	if err := f.RecordProbed(f.t.Context(), id, run, probed()); err != nil {
		f.t.Fatal(err)
	}
	f.exec(`UPDATE river_job SET state = 'completed', finalized_at = now() WHERE kind = 'probe'`)
	riverID = f.riverJob(id)
	run, err := f.Claim(f.t.Context(), id, riverID, f.fetch(riverID, node, time.Minute), node)
	if err != nil {
		f.t.Fatal(err)
	}
	return id, riverID, run
}

func (f *fixture) seen(node string, ago time.Duration) {
	f.t.Helper()
	if _, err := f.Heartbeat(f.t.Context(), node, time.Minute, nil); err != nil {
		f.t.Fatal(err)
	}
	f.exec(`UPDATE worker_node SET seen = now() - $2::interval WHERE id = $1`, node, ago)
}

func TestReapSilentNode(t *testing.T) {
	f := open(t)
	id, riverID, run := f.transcoding("a")
	f.seen("a", -time.Minute) // ahead, for the limit may be short
	if n := f.reap(); n != 0 {
		t.Fatalf("took %d jobs from a live node", n)
	}
	if n := f.count(`jobs WHERE id = $1 AND node = 'a'`, id); n != 1 {
		t.Error("the job does not name its node")
	}
	f.record(id, run, completed("jpg:300x"))
	f.seen("a", time.Minute)

	// Several processes reap concurrently.
	var mu sync.Mutex
	var wg sync.WaitGroup
	took, limit := 0, f.limit()
	for range 4 {
		wg.Go(func() {
			reaped, err := f.Reap(t.Context(), limit)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took += reaped.Requeued
		})
	}
	wg.Wait()
	if took != 1 {
		t.Errorf("four reapers took %d jobs", took)
	}
	var row string
	f.scan(&row, `SELECT format('%s %s %s %s', state, attempt, cardinality(errors), errors[1]->>'error') FROM river_job WHERE id = $1`, riverID)
	if row != "available 1 1 the worker a stopped responding while it worked on this" {
		t.Errorf("River job: %s", row)
	}
	if n := f.count(`jobs WHERE id = $1 AND node = ''`, id); n != 1 {
		t.Error("the job still names the silent node")
	}
	// The run of the silent node has lost the job, even before another run begins.
	if _, err := f.Record(t.Context(), id, run, completed("mp4:720p")); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("the silent node records: %v", err)
	}

	// A real River client takes over.
	f.seen("b", 0)
	done := make(chan int, 1)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[queue.TranscodeArgs]) error {
		run, err := f.Claim(ctx, j.Args.JobID, j.ID, j.Attempt, "b")
		if err != nil {
			return err
		}
		e := completed("mp4:720p")
		e.At = time.Now()
		_, err = f.Record(ctx, j.Args.JobID, run, e)
		done <- j.Attempt
		return err
	}))
	client, err := river.NewClient(riverpgxv5.New(f.Pool()), &river.Config{
		ID: "b", Workers: workers, Queues: map[string]river.QueueConfig{queue.Transcode: {MaxWorkers: 1, FetchCooldown: queue.FetchCooldown}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case attempt := <-done:
		if attempt != 2 {
			t.Errorf("attempt %d", attempt)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody took the job over")
	}
	if err := client.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if st := f.get(id); st.Status != job.JobCompleted {
		t.Errorf("the job is %s", st.Status)
	}
}

// A node without any heartbeat, as if it had died before its first one.
func TestReapUnheardNode(t *testing.T) {
	f := open(t)
	f.transcoding("never")
	if n := f.reap(); n != 1 {
		t.Errorf("took %d", n)
	}
	id := f.create(request).ID
	f.fetch(f.riverJob(id), "new", -time.Minute)
	if n := f.reap(); n != 0 {
		t.Errorf("took %d from a node that has just begun", n)
	}
}

// A run that has ended on a live node without being able to tell River.
func TestReapNeglected(t *testing.T) {
	f := open(t)
	id, riverID, run := f.transcoding("a")
	f.seen("a", -time.Minute)
	f.exec(`UPDATE river_job SET attempted_at = now() - interval '1 hour' WHERE id = $1`, riverID)
	if n := f.reap(); n != 0 {
		t.Fatalf("took %d jobs that are worked on", n)
	}
	f.exec(`UPDATE jobs SET touched_at = now() - interval '2 minutes' WHERE id = $1`, id)
	if n := f.reap(); n != 1 {
		t.Fatalf("took %d jobs that nobody works on", n)
	}
	if _, err := f.Record(t.Context(), id, run, completed("mp4:720p")); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("the run of before records: %v", err)
	}
}

// A process that has the database for itself requeues everything at its start,
// without waiting.
func TestReapAtStart(t *testing.T) {
	f := open(t)
	f.transcoding("a")
	f.seen("a", 0)
	if reaped, err := f.Reap(t.Context(), 0); err != nil || reaped.Requeued != 1 || len(reaped.Failed) != 0 {
		t.Errorf("took %+v: %v", reaped, err)
	}
}

func TestReapLastAttempt(t *testing.T) {
	f := open(t)
	id, riverID, run := f.transcoding("a")
	f.record(id, run, completed("jpg:300x"))
	f.exec(`UPDATE river_job SET max_attempts = 1 WHERE id = $1`, riverID)
	reaped, err := f.Reap(t.Context(), f.limit())
	if err != nil || reaped.Requeued != 1 || len(reaped.Failed) != 1 || reaped.Failed[0].Output != "mp4:720p" || reaped.Failed[0].Reason != job.WorkerLost {
		t.Errorf("took %+v: %v", reaped, err)
	}
	st := f.get(id)
	if st.Status != job.JobFailed || st.Outputs[0].Stage != job.Failed || st.Outputs[1].Stage != job.Done ||
		!strings.Contains(st.Outputs[0].Error, "tried 1 times") {
		t.Errorf("ended as %+v", st)
	}
	if n := f.count(`river_job WHERE id = $1 AND state = 'discarded'`, riverID); n != 1 {
		t.Error("the River job is not discarded")
	}
	if n := f.count(`events WHERE kind = 'output.failed' AND data->>'reason' = $1`, job.WorkerLost.Code()); n != 1 {
		t.Errorf("%d outputs failed because their worker was lost", n)
	}
	if n := f.count(`deliveries WHERE event = 'job.failed'`); n != 1 {
		t.Errorf("%d times job.failed", n)
	}
	observed.Row(t, "errors.md worker_lost")
}

func TestReapLastProbe(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	f.fetch(f.riverJob(id), "a", time.Minute)
	f.exec(`UPDATE river_job SET max_attempts = 1`)
	f.reap()
	if st := f.get(id); st.Status != job.JobFailed || st.Input.Status != job.InputFailed || st.Input.Error == "" {
		t.Errorf("ended as %+v", st)
	}
}

func TestReapLastNotify(t *testing.T) {
	f := open(t)
	f.process(f.create(request).ID)
	f.exec(`UPDATE river_job SET state = 'completed', finalized_at = now() WHERE kind <> 'notify'`)
	var riverID int64
	f.scan(&riverID, `SELECT id FROM river_job WHERE kind = 'notify'`)
	f.fetch(riverID, "a", time.Minute)
	f.exec(`UPDATE river_job SET max_attempts = 1 WHERE id = $1`, riverID)
	f.reap()
	if n := f.count(`deliveries WHERE state = 'given_up'`); n != 1 {
		t.Errorf("%d deliveries are given up", n)
	}
}

// A probe whose node died after it had queued the transcode is no longer the
// current River job of its job, so the job is neither fenced nor failed.
func TestReapFormerRiverJob(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	probe := f.riverJob(id)
	run := f.process(id)
	f.seen("encode-node", -time.Minute)
	f.exec(`UPDATE river_job SET attempted_at = now() - interval '1 minute', max_attempts = 1 WHERE id = $1`, probe)
	if n := f.reap(); n != 1 {
		t.Errorf("took %d", n)
	}
	if st := f.get(id); st.Finished() {
		t.Errorf("ended as %+v", st)
	}
	f.record(id, run, completed("mp4:720p"))
}

func TestReapAbandoned(t *testing.T) {
	for _, c := range []struct {
		name, river string
		want        job.Status
		queued      string
	}{
		{"River gave up", `UPDATE river_job SET state = 'discarded', finalized_at = now() - interval '1 minute' WHERE id = $1`, job.JobFailed, ""},
		{"the worker gave up", `UPDATE river_job SET state = 'cancelled', finalized_at = now() - interval '1 minute' WHERE id = $1`, job.JobFailed, ""},
		{"a zombie completed it", `UPDATE river_job SET state = 'completed', finalized_at = now() - interval '1 minute' WHERE id = $1`, job.JobStarting, "transcode"},
		{"River cleaned it", `DELETE FROM river_job WHERE id = $1`, job.JobStarting, "transcode"},
		{"it is at work", `UPDATE river_job SET attempt = 1 WHERE id = $1`, job.JobStarting, ""},
		{"it will be tried again", `UPDATE river_job SET state = 'retryable' WHERE id = $1`, job.JobStarting, ""},
		{"it has just ended", `UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE id = $1`, job.JobStarting, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t)
			id, riverID, run := f.transcoding("a")
			f.exec(`UPDATE jobs SET touched_at = now() - interval '1 minute'`)
			f.exec(c.river, riverID)
			if _, err := f.ReapStranded(t.Context(), stale); err != nil {
				t.Fatal(err)
			}
			if st := f.get(id); st.Status != c.want {
				t.Errorf("the job is %s", st.Status)
			}
			now := f.riverJob(id)
			if c.queued == "" && now != riverID {
				t.Error("it was queued again")
			}
			if c.queued != "" {
				if n := f.count(`river_job WHERE id = $1 AND kind = $2 AND state = 'available'`, now, c.queued); n != 1 || now == riverID {
					t.Error("it was not queued again")
				}
				if _, err := f.Record(t.Context(), id, run, completed("mp4:720p")); !errors.Is(err, job.ErrLeaseLost) {
					t.Errorf("the former run records: %v", err)
				}
			}
		})
	}
}

func TestReapAbandonedEnds(t *testing.T) {
	f := open(t)
	id, _, _ := f.transcoding("a")
	rounds := 0
	for st := f.get(id); !st.Finished() && rounds < 10; st = f.get(id) {
		rounds++
		f.exec(`DELETE FROM river_job`)
		f.exec(`UPDATE jobs SET touched_at = now() - interval '1 minute'`)
		if _, err := f.ReapStranded(t.Context(), stale); err != nil {
			t.Fatal(err)
		}
	}
	if rounds != 4 {
		t.Errorf("ended after %d rounds", rounds)
	}
	if n := f.count(`deliveries WHERE event = 'job.failed'`); n != 1 {
		t.Errorf("%d times job.failed", n)
	}
}

// A job can end although its request cannot be opened.
func TestReapWithoutSealingKey(t *testing.T) {
	f := open(t)
	id, riverID, _ := f.transcoding("a")
	f.exec(`UPDATE jobs SET request_sealed = '\x01020304050607'`)
	f.exec(`UPDATE river_job SET max_attempts = 1 WHERE id = $1`, riverID)
	f.reap()
	if st := f.get(id); st.Status != job.JobFailed {
		t.Errorf("the job is %s", st.Status)
	}
}

func TestQueueDepthAndNodes(t *testing.T) {
	f := open(t)
	f.create(request)
	f.transcoding("a")
	depths, err := f.QueueDepth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, d := range depths {
		got[d.Queue+" "+d.State] = d.Count
		if d.Oldest < 0 || d.State == "running" && d.Oldest < 59*time.Second {
			t.Errorf("%+v", d)
		}
	}
	// transcoding completes all probes.
	diff(t, "depths", map[string]int64{"transcode running": 1}, got)

	f.seen("old", time.Minute)
	f.seen("new", 0)
	if n, err := f.LiveNodes(t.Context(), stale); err != nil || n != 1 {
		t.Errorf("%d live nodes: %v", n, err)
	}
	if err := f.Deregister(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	if n, err := f.LiveNodes(t.Context(), stale); err != nil || n != 0 {
		t.Errorf("%d live nodes: %v", n, err)
	}
}
