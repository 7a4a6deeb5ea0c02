package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/lease"
)

// slotWait is after how long a task is tried again for which no slot was free: another River
// job took the last one after River had fetched the task.
const slotWait = time.Second

type taskWorker struct {
	river.WorkerDefaults[queue.TaskArgs]
	w *Worker
}

// Timeout lifts River's default of a minute, as for a transcode.
func (t *taskWorker) Timeout(*river.Job[queue.TaskArgs]) time.Duration { return -1 }

// NextRetry implements river.Worker. Only the claim can fail: the database is away.
func (t *taskWorker) NextRetry(*river.Job[queue.TaskArgs]) time.Time {
	return time.Now().Add(2 * time.Second)
}

// Work runs a step of a job whose run may be in another process. That run decides whether the
// step is tried again, so a failure of the step is no error for River.
func (t *taskWorker) Work(ctx context.Context, j *river.Job[queue.TaskArgs]) error {
	w := t.w
	ctx, stop := w.heartbeat.Track(ctx)
	defer stop(nil)
	release, ok := w.slots.TryAcquire()
	if !ok {
		return river.JobSnooze(slotWait)
	}
	defer release()
	claimed, wait, err := lease.ClaimTask(ctx, w.tasks, j.Args.TaskID, w.node)
	switch {
	case err != nil:
		return err
	case wait > 0:
		return river.JobSnooze(wait)
	case claimed == nil:
		return nil // the run has taken it itself, or has ended
	}
	defer claimed.KeepRenewing(ctx, stop)()
	log := w.log.With("job", claimed.JobID, "step", claimed.Step)
	log.Info("task claimed", "task", claimed.ID)
	start := time.Now()
	err = w.runTask(ctx, claimed)
	switch {
	case err == nil:
		log.Info("task done", "task", claimed.ID, "took", time.Since(start))
	case errors.Is(err, job.ErrLeaseLost), errors.Is(context.Cause(ctx), job.ErrLeaseLost):
		log.Info("task lost", "task", claimed.ID)
	default:
		reason := taskFailure(ctx, err)
		log.Warn("task failed", "task", claimed.ID, "reason", reason, "error", err)
		if err := claimed.Fail(ctx, reason); err != nil && !errors.Is(err, job.ErrLeaseLost) {
			log.Warn("failure of task not recorded", "task", claimed.ID, "error", err)
		}
	}
	return nil
}

// Why a worker cannot run a task. The texts are about the worker.
var (
	errOtherFFmpeg = errors.New("its ffmpeg is another version")
	errOtherInput  = errors.New("the input is not the file that the job has begun with")
	errNoStore     = errors.New("it has no artifact store")
	errTaskSpace   = errors.New("it has too little disk space")
)

// taskFailure returns the reason that the run that has offered the task gets. It holds no
// address.
func taskFailure(ctx context.Context, err error) string {
	for _, known := range []error{errOtherFFmpeg, errOtherInput, errNoStore, errTaskSpace} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if ctx.Err() != nil {
		return "the worker stops"
	}
	return ffmpeg.Failure(err).Message
}

// runTask fetches the source and the watermarks, runs the step, stores its artifacts and
// records that.
func (w *Worker) runTask(ctx context.Context, claimed *lease.Task) error {
	t, err := decodeTask(claimed.Spec)
	if err != nil {
		return err
	}
	if t.Program != w.media.Version() {
		return errOtherFFmpeg
	}
	dir, remove, err := w.workdir.CreateForTask(claimed.JobID, claimed.ID, claimed.Fence)
	if err != nil {
		return err
	}
	defer remove()
	space, ok := w.disk.Reserve(fmt.Sprintf("%s task %d", claimed.JobID, claimed.ID), dir, t.Space)
	if !ok {
		return errTaskSpace
	}
	defer space.Release()
	sum, release, err := w.placeSource(ctx, claimed, dir)
	if err != nil {
		return err
	}
	defer release()
	for _, f := range t.Plan.Fetches {
		if err := w.input.Watermark(ctx, f, t.Plan.Secrets[f.URL], dir, watermarkFailure); err != nil {
			return err
		}
	}
	session := w.cache.Open(ctx, claimed.JobID, dir)
	if !session.Enabled() {
		return errNoStore
	}
	session.KnowSourceSum(sum)
	defer session.Close(ctx, artifacts.Abandoned)
	cache := session.ForPlan(ctx, t.Plan)
	step := t.Plan.Steps[0]
	keys, err := cache.Keys(step)
	if err != nil {
		return err
	}
	if !slices.Equal(keys, t.Keys) {
		return errOtherInput
	}
	if err := w.runStep(ctx, dir, t.Plan, claimed); err != nil {
		return err
	}
	if err = cache.StoreNow(ctx, step); err == nil {
		err = claimed.Complete(ctx, keys)
	}
	if errors.Is(err, job.ErrLeaseLost) || errors.Is(context.Cause(ctx), job.ErrLeaseLost) {
		w.dropLate(ctx, session, claimed.JobID)
	}
	return err
}

// placeSource puts the input of the task's job into dir and returns its checksum.
func (w *Worker) placeSource(ctx context.Context, claimed *lease.Task, dir string) (sum string, release func(), err error) {
	return w.sources.Place(ctx, claimed.JobID, dir, func(ctx context.Context, folder string) (string, error) {
		spec, err := coconut.DecodeJob(claimed.Request)
		if err != nil {
			return "", fmt.Errorf("decode stored request of job %s: %w", claimed.JobID, err)
		}
		src, err := w.input.Open(ctx, spec.Input)
		if err != nil {
			return "", err
		}
		if err := w.input.Fetch(ctx, src, folder); err != nil {
			return "", err
		}
		return w.cache.Sum(ctx, folder, transcode.SourceName)
	})
}

// runStep runs the one step of a plan in dir.
func (w *Worker) runStep(ctx context.Context, dir string, plan transcode.Plan, claimed *lease.Task) error {
	const key = "task"
	steps := execute.Start(ctx, dir, plan, execute.Config{
		Media: w.media, Cache: execute.NoCache{}, StallTimeout: w.stall, Keys: []string{key},
		Progress: func(done map[string]float64) { claimed.SetProgress(min(1, done[key]/execute.EncodeShare)) },
		Log:      w.log.With("job", claimed.JobID), Metrics: w.metrics.execute,
	})
	_, err := steps.Wait(ctx, 0)
	steps.WaitAll()
	return err
}

// dropLate deletes what a task has stored, if its job has ended for good meanwhile: nobody
// else would.
func (w *Worker) dropLate(ctx context.Context, session *artifacts.Session, jobID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if ended, err := w.collector.Jobs.FinishedForGood(ctx, []string{jobID}, w.collector.Retention); err == nil && ended[jobID] {
		session.DropLate(ctx)
	}
}
