package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// windowsJob has three encodes, of which two wait for a slot.
var windowsJob = request(
	`"mp4:64x36": {"path": "/a.mp4", "offset": 0, "duration": 2}`,
	`"mp4:48x28": {"path": "/b.mp4", "offset": 2, "duration": 2}`,
	`"mp4:32x18": {"path": "/c.mp4", "offset": 4, "duration": 2}`,
)

// pair are a worker that has the job of a rig, and another one that runs tasks. They
// share an artifact store.
type pair struct {
	*rig
	parts string // the folder of the artifact store
	other Config
	ended chan string // how the other's tasks ended
}

func newPair(t *testing.T) *pair {
	t.Helper()
	return newPairFor(t, windowsJob)
}

func newPairFor(t *testing.T, request string) *pair {
	t.Helper()
	r := newRig(t, request)
	p := &pair{rig: r, parts: filepath.Join(t.TempDir(), "parts"), ended: make(chan string, 100)}
	r.config.Artifacts, r.config.Slots = p.open(t, p.parts), 1
	r.store.tasks.nodes = 2
	p.other = r.config
	p.other.Node, p.other.WorkDir = "other", t.TempDir()
	return p
}

func (p *pair) open(t *testing.T, dir string) *artifactstore.Store {
	t.Helper()
	store, err := artifactstore.Open(t.Context(), artifactstore.Options{Address: dir})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// serve works tasks as River would, until ctx ends.
func (p *pair) serve(ctx context.Context) { p.serveAs(ctx, p.other) }

func (p *pair) serveAs(ctx context.Context, c Config) {
	w := New(c)
	for pass(ctx, 100*time.Millisecond) == nil {
		for _, id := range p.store.offeredTasks() {
			err := (&taskWorker{w: w}).Work(ctx, &river.Job[queue.TaskArgs]{JobRow: &rivertype.JobRow{}, Args: queue.TaskArgs{TaskID: id}})
			select {
			case p.ended <- returned(err):
			default: // only the first ones are looked at
			}
		}
	}
}

// offeredTasks lists what is offered.
func (s *fakeStore) offeredTasks() (ids []int64) {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	for _, r := range s.tasks.rows {
		if r.ID > 0 && r.Status == job.TaskOffered {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// liveTasks counts the rows that are left.
func (s *fakeStore) liveTasks() (n int) {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	for _, r := range s.tasks.rows {
		if r.ID > 0 {
			n++
		}
	}
	return n
}

func (j *journal) count(effect string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.effects {
		if e == effect {
			n++
		}
	}
	return n
}

// otherVersion is an ffmpeg of another version.
type otherVersion struct{ fakeMedia }

func (otherVersion) Version() string { return "another" }

// brokenMedia is an ffmpeg that fails.
type brokenMedia struct{ fakeMedia }

func (m brokenMedia) Run(ctx context.Context, c ffmpeg.Command) error {
	return errors.Join(m.pass(ctx, time.Second), &ffmpeg.RunError{ExitCode: 1})
}

// slowMedia is an ffmpeg that takes an hour.
type slowMedia struct{ fakeMedia }

func (m slowMedia) Run(ctx context.Context, _ ffmpeg.Command) error { return pass(ctx, time.Hour) }

// otherInput opens another file than the job has begun with.
type otherInput struct{ *fakeStorage }

func (o otherInput) Source(context.Context, job.Input) (storage.Source, error) {
	return fakeSource{o.j, "xx.mp4", false}, nil
}

// TestTasks has another worker beside the one with the job, in every condition. The job
// always completes, nothing is published twice, and nothing is left.
func TestTasks(t *testing.T) {
	media := func(p *pair) fakeMedia { return p.other.Media.(fakeMedia) }
	for name, c := range map[string]struct {
		prepare func(t *testing.T, p *pair)
		encodes int // that have succeeded, by both workers
		done    int // tasks of the other worker
		failed  int
	}{
		"works":             {encodes: 3, done: 1},
		"alone":             {encodes: 3, prepare: func(_ *testing.T, p *pair) { p.store.tasks.nodes = 1 }},
		"no free slot":      {encodes: 3, prepare: func(_ *testing.T, p *pair) { p.other.Media = nil }},
		"another version":   {encodes: 3, failed: 2, prepare: func(_ *testing.T, p *pair) { p.other.Media = otherVersion{media(p)} }},
		"another input":     {encodes: 3, failed: 2, prepare: func(_ *testing.T, p *pair) { p.other.Opener = otherInput{p.storage} }},
		"ffmpeg fails":      {encodes: 3, failed: 2, prepare: func(_ *testing.T, p *pair) { p.other.Media = brokenMedia{media(p)} }},
		"no artifact store": {encodes: 3, failed: 2, prepare: func(_ *testing.T, p *pair) { p.other.Artifacts = nil }},
		"store is away for it": {encodes: 4, failed: 1, prepare: func(t *testing.T, p *pair) {
			dir := t.TempDir()
			p.other.Artifacts = p.open(t, filepath.Join(dir, "parts"))
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}},
		"store loses results": {encodes: 4, done: 1, prepare: func(t *testing.T, p *pair) {
			p.other.Artifacts = p.open(t, filepath.Join(t.TempDir(), "elsewhere"))
		}},
		"offers break": {encodes: 3, prepare: func(_ *testing.T, p *pair) {
			p.journal.breaks = func(effect string, _ int) error {
				if effect == "offer" {
					return errDisconnect
				}
				return nil
			}
		}},
		"claims break": {encodes: 3, prepare: func(_ *testing.T, p *pair) {
			p.journal.breaks = func(effect string, _ int) error {
				if effect == "claim-task" {
					return errDisconnect
				}
				return nil
			}
		}},
		"database away when a task is done": {encodes: 3, done: 1, prepare: func(_ *testing.T, p *pair) {
			p.journal.breaks = func(effect string, before int) error {
				if effect == "task-done" && before < 5 {
					return errDisconnect
				}
				return nil
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				if c.prepare != nil {
					c.prepare(t, p)
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if p.other.Media != nil {
						p.serve(ctx)
					}
				}()
				if err := p.work(transcodeOnce, false); err != nil {
					t.Errorf("the run returned %v", err)
				}
				stop()
				<-ended
				if got := p.store.snapshot().Status; got != job.JobCompleted {
					t.Errorf("the job is %s: %q", got, p.journal.effects)
				}
				if got := [3]int{p.journal.count("encode"), p.journal.count("task-done"), p.journal.count("task-failed")}; got != [3]int{c.encodes, c.done, c.failed} {
					t.Errorf("%d encodes, %d tasks done, %d failed; want %d, %d, %d: %q", got[0], got[1], got[2], c.encodes, c.done, c.failed, p.journal.effects)
				}
				for _, put := range []string{"put:a", "put:b", "put:c"} {
					if n := p.journal.count(put); n != 1 {
						t.Errorf("%s: %d times", put, n)
					}
				}
				p.nothingLeft(t)
			})
		})
	}
}

// nothingLeft holds that no row, artifact or work file is left.
func (p *pair) nothingLeft(t *testing.T) {
	t.Helper()
	<-time.After(time.Minute)
	if n := p.store.liveTasks(); n != 0 {
		t.Errorf("%d tasks are left", n)
	}
	if left, _ := filepath.Glob(p.parts + "/*/*/*.part"); len(left) > 0 {
		t.Errorf("artifacts are left: %q", left)
	}
	if left, _ := os.ReadDir(p.other.WorkDir + "/run-other"); len(left) > 0 {
		t.Errorf("the other worker has left %q", left)
	}
}

// TestTasksSpeedUp has one to eight workers of one slot make a job of 30 encodes, each of
// which takes five seconds.
func TestTasksSpeedUp(t *testing.T) {
	var outputs []string
	for duration := 1; duration <= 3; duration++ {
		for offset := 0; offset+duration <= 12 && len(outputs) < 30; offset++ {
			n := len(outputs)
			outputs = append(outputs, fmt.Sprintf(`"mp4:%dx36": {"path": "/%d.mp4", "offset": %d, "duration": %d}`, 32+2*n, n, offset, duration))
		}
	}
	took := map[int]time.Duration{}
	for _, workers := range []int{1, 2, 4, 8} {
		synctest.Test(t, func(t *testing.T) {
			p := newPairFor(t, request(outputs...))
			p.store.tasks.nodes = workers
			ctx, stop := context.WithCancel(t.Context())
			var others sync.WaitGroup
			for n := range workers - 1 {
				c := p.other
				c.Node, c.WorkDir = fmt.Sprint("other-", n), t.TempDir()
				others.Go(func() { p.serveAs(ctx, c) })
			}
			begin := time.Now()
			if err := p.work(transcodeOnce, false); err != nil || p.store.snapshot().Status != job.JobCompleted {
				t.Errorf("%v, %s", err, p.store.snapshot().Status)
			}
			took[workers] = time.Since(begin)
			stop()
			others.Wait()
			if n := p.journal.count("encode"); n != len(outputs) {
				t.Errorf("%d encodes", n)
			}
		})
	}
	for workers, least := range map[int]float64{2: 1.85, 4: 3.5, 8: 6} {
		up := took[1].Seconds() / took[workers].Seconds()
		t.Logf("%d workers: %.2f times one, %s", workers, up, took[workers])
		if up < least {
			t.Errorf("%d workers are %.2f times one, want %g", workers, up, least)
		}
	}
}

// TestTaskOfSilentWorker: a worker claims a task and is not heard of again. The step is
// run by the worker that has the job, which waits for nothing.
func TestTaskOfSilentWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		go func() {
			for len(p.store.offeredTasks()) == 0 {
				<-time.After(100 * time.Millisecond)
			}
			if _, _, err := p.store.ClaimTask(t.Context(), p.store.offeredTasks()[0], "dead"); err != nil {
				t.Error(err)
			}
		}()
		begin := time.Now()
		if err := p.work(transcodeOnce, false); err != nil || p.store.snapshot().Status != job.JobCompleted {
			t.Errorf("%v, %s", err, p.store.snapshot().Status)
		}
		if took := time.Since(begin); p.journal.count("encode") != 3 || took > 30*time.Second {
			t.Errorf("%d encodes in %s", p.journal.count("encode"), took)
		}
		p.nothingLeft(t)
	})
}

// TestTaskEndsWithItsRun takes the job from its run while another worker runs a task of
// it. The task ends within two seconds, and says nothing.
func TestTaskEndsWithItsRun(t *testing.T) {
	for name, end := range map[string]func(p *pair){
		"cancelled":   func(p *pair) { p.store.takeAway(); p.stop(river.ErrJobCancelledRemotely) },
		"lease lost":  func(p *pair) { p.store.takeAway() },
		"run stopped": func(p *pair) { p.stop(errStopping) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				p.other.Media = slowMedia{p.other.Media.(fakeMedia)}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); p.serve(ctx) }()
				time.AfterFunc(4*time.Second, func() {
					if p.journal.count("claim-task") != 1 {
						t.Error("the other worker has no task")
					}
					at := time.Now()
					end(p)
					<-p.ended
					if took := time.Since(at); took > 2*time.Second {
						t.Errorf("the task went on for %s", took)
					}
				})
				_ = p.work(transcodeOnce, false)
				<-time.After(5 * time.Second)
				stop()
				<-ended
				if p.journal.count("task-done")+p.journal.count("task-failed") > 0 {
					t.Errorf("effects %q", p.journal.effects)
				}
			})
		})
	}
}
