package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// spread are faults of jobs whose steps several workers run.
var spread = []scenario{
	{stage: "task", fault: "worker of a task killed", run: taskWorkerKilled},
	{stage: "task", fault: "worker of the job killed", slow: true, run: coordinatorKilled},
	{stage: "task", fault: "worker of a task stopped, replaced, and back", slow: true, run: taskWithTwoOwners},
	{stage: "task", fault: "artifact store away", slow: true, run: taskStoreAway},
	{stage: "task", fault: "cancelled", slow: true, run: taskCancelled},
	{stage: "task", fault: "ffmpeg of a task stopped", slow: true, run: taskStands},
	{stage: "task", fault: "PostgreSQL down for 20 s as chunks end", slow: true, run: taskDatabaseAway},
	{stage: "task", fault: "none, bytes of chunks counted", slow: true, run: taskBytes},
	{stage: "early", fault: workerKilled, slow: true, run: earlyKilled},
}

// chunked is a film of three chunks.
var chunked = testmedia.Recipe{Name: "chunked.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=100", "-f", "lavfi", "-i", "sine=frequency=440:duration=100",
	"-c:v", "libx264", "-preset", "ultrafast", "-g", "40", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "48k"}}

// task is a job of which two workers encode a chunk each. Their ffmpeg is held.
type task struct {
	*rig
	id           string
	owner, other *process // the worker that has the job, and the one that has a task of it
	store        artifactStore
}

const (
	taskNode  = `SELECT coalesce(max(t.node), '') FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE j.id = $1 AND t.state = 'running' AND t.node <> j.node`
	tasksLeft = `SELECT count(*)::text FROM tasks WHERE job_id = $1`
)

// encodingTask starts a job in chunks and waits until both workers encode.
func encodingTask(t *testing.T, kind func(*rig) artifactStore) *task {
	t.Helper()
	r := newRig(t, "")
	return r.encodingTask(kind(r), inputs(t).add(testmedia.Clip(t, chunked)), func() { r.hold("libx264") })
}

// encodingTask is encodingTask in a rig, of an input, with a few more variables for the workers.
// slow makes encodes slow.
func (r *rig) encodingTask(store artifactStore, input string, slow func(), env ...string) *task {
	t := r.t
	t.Helper()
	k := &task{rig: r, store: store}
	env = append(append([]string{"COPRA_SLOTS=1", "COPRA_METRICS_LISTEN=127.0.0.1:0"}, store.env...), env...)
	a, b := r.worker(env...), r.worker(env...)
	slow()
	spec := r.job(input, object{"mp4:160x": object{"path": "/a.mp4"}})
	spec["settings"] = object{"ultrafast": true}
	k.id = r.c.create(t, spec).ID
	eventually(t, 60*time.Second, "another worker has a task", func() bool { return r.queryOne(taskNode, k.id) != "" })
	k.owner, k.other = a, b
	if r.queryOne(taskNode, k.id) == r.node[a] {
		k.owner, k.other = b, a
	}
	eventually(t, 60*time.Second, "both encode", func() bool { return r.encodes(a) && r.encodes(b) })
	return k
}

// encodes reports whether an ffmpeg of a worker runs.
func (r *rig) encodes(w *process) bool {
	for _, p := range processes() {
		if strings.Contains(p.cwd, "run-"+r.node[w]+"/") {
			return true
		}
	}
	return false
}

// end waits until the job has completed, and checks that nothing is left of its tasks.
func (k *task) end() verdict {
	k.t.Helper()
	j := k.c.wait(k.t, k.id, 90*time.Second)
	if j.Status != "job.completed" {
		k.t.Errorf("%s", j.raw)
	}
	body, _, err := k.gateway.Object(k.name, "a.mp4")
	if err != nil {
		k.t.Fatal(err)
	}
	file := filepath.Join(k.t.TempDir(), "a.mp4")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		k.t.Fatal(err)
	}
	probe(k.t, file).lasts(k.t, "mp4", 100, 0.1)
	k.nothingLeft()
	return k.settle(60*time.Second, k.id)
}

func (k *task) nothingLeft() {
	k.t.Helper()
	eventually(k.t, 10*time.Second, "no task is left", func() bool { return k.queryOne(tasksLeft, k.id) == "0" })
	eventually(k.t, 10*time.Second, "no artifact is left", func() bool { return k.store.count() == 0 })
}

// taskWorkerKilled kills the worker of a task in the middle of it. The run of the job goes
// on, and the step is run again.
func taskWorkerKilled(t *testing.T) (verdict, time.Duration) {
	k := encodingTask(t, folderStore)
	since := k.kill(k.other)
	eventually(t, 2*takeoverLimit, "the task has been taken from its worker", func() bool { return k.queryOne(taskNode, k.id) == "" })
	took := time.Since(since)
	k.worker() // removes what the killed one has left
	k.unhold()
	v := k.end()
	if runs := runsOf(k); runs != "1" {
		t.Errorf("the job has begun %s times", runs)
	}
	return v, took
}

// coordinatorKilled kills the worker that has the job. The next run uses what the other
// worker has made.
func coordinatorKilled(t *testing.T) (verdict, time.Duration) {
	k := encodingTask(t, folderStore)
	since := k.kill(k.owner)
	k.unhold()
	eventually(t, 60*time.Second, "an artifact is stored", func() bool { return k.store.count() > 0 })
	took := k.awaitTakeover(k.id, k.owner, since)
	return k.end(), took
}

// taskWithTwoOwners stops the worker of a task until the task was taken from it, and
// continues it when the job has ended.
func taskWithTwoOwners(t *testing.T) (verdict, time.Duration) {
	k := encodingTask(t, folderStore)
	since := time.Now()
	signal(t, k.other, syscall.SIGSTOP)
	eventually(t, 2*takeoverLimit, "the task has been taken from its worker", func() bool { return k.queryOne(taskNode, k.id) == "" })
	took := time.Since(since)
	k.unhold()
	if j := k.c.wait(t, k.id, 90*time.Second); j.Status != "job.completed" {
		t.Errorf("%s", j.raw)
	}
	signal(t, k.other, syscall.SIGCONT)
	return k.end(), took
}

// taskStoreAway makes the artifact store fail while tasks run. Their results cannot come
// back, so the worker of the job runs the steps.
func taskStoreAway(t *testing.T) (verdict, time.Duration) {
	var proxy *faultProxy
	k := encodingTask(t, func(r *rig) artifactStore {
		proxy = newFaultProxy(t, r.gateway.Endpoint)
		return bucketStoreAt(r, proxy.url())
	})
	proxy.set(fails, http.MethodPut)
	k.unhold()
	if j := k.c.wait(t, k.id, 90*time.Second); j.Status != "job.completed" {
		t.Errorf("%s", j.raw)
	}
	proxy.set(works, "")
	return k.end(), 0
}

// taskCancelled cancels the job. Both workers stop at once.
func taskCancelled(t *testing.T) (verdict, time.Duration) {
	k := encodingTask(t, folderStore)
	if status, body, _ := k.c.send(t, http.MethodDelete, "/jobs/"+k.id, nil); status/100 != 2 {
		t.Fatalf("cancel: %d %s", status, body)
	}
	eventually(t, 4*time.Second, "no worker encodes", func() bool { return !k.encodes(k.owner) && !k.encodes(k.other) })
	eventually(t, 10*time.Second, "no task is left", func() bool { return k.queryOne(tasksLeft, k.id) == "0" })
	k.unhold()
	j := k.c.wait(t, k.id, 10*time.Second)
	k.tidy()
	return verdict{result: strings.TrimPrefix(j.Status, "job.")}, 0
}
