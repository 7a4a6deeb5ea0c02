package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/execute"
	"github.com/copra-video/copra/worker/input"
	"github.com/copra-video/copra/worker/lease"
	"github.com/copra-video/copra/worker/tasks"
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
	ctx = telemetry.With(ctx, slog.String("job", claimed.JobID), slog.String("key", claimed.KeyName),
		slog.Int("attempt", claimed.Attempt), slog.Int64("task", claimed.ID), slog.String("step", claimed.Step))
	ctx, span := w.tracer.Begin(ctx, claimed.Traceparent, telemetry.Consumer, j.Kind, slog.String("kind", claimed.Kind))
	w.log.InfoContext(ctx, "task claimed")
	start := time.Now()
	err = w.runTask(ctx, claimed)
	span.End(err)
	switch {
	case err == nil:
		w.log.InfoContext(ctx, "task done", "took", time.Since(start))
	case errors.Is(err, job.ErrLeaseLost), errors.Is(context.Cause(ctx), job.ErrLeaseLost):
		w.log.InfoContext(ctx, "task lost")
	default:
		reason := taskFailure(ctx, err)
		w.log.WarnContext(ctx, "task failed", "reason", reason, "error", err)
		if err := claimed.Fail(ctx, reason); err != nil && !errors.Is(err, job.ErrLeaseLost) {
			w.log.WarnContext(ctx, "failure of task not recorded", "error", err)
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
	dir, remove, err := w.workdir.CreateForTask(ctx, claimed.JobID, claimed.ID, claimed.Fence)
	if err != nil {
		return err
	}
	defer remove()
	space, ok := w.disk.Reserve(ctx, fmt.Sprintf("%s task %d", claimed.JobID, claimed.ID), dir, t.Space)
	if !ok {
		return errTaskSpace
	}
	defer space.Release()
	source, err := w.openSource(ctx, claimed, t.Whole)
	if err != nil {
		return err
	}
	defer source.Close()
	for _, f := range t.Plan.Fetches {
		if err := w.input.Fetch(ctx, f, t.Plan.Secrets[f.URL], dir, fetchFailure); err != nil {
			return err
		}
	}
	session := w.cache.Open(ctx, claimed.JobID, dir)
	if !session.Enabled() {
		return errNoStore
	}
	session.IdentifySource(source.Identity)
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
	if err := w.runStep(ctx, dir, t.Plan, source, claimed); err != nil {
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

// openSource opens the input of the task's job. whole: all of it is fetched first.
func (w *Worker) openSource(ctx context.Context, claimed *lease.Task, whole bool) (tasks.Source, error) {
	return w.sources.Open(ctx, claimed.JobID, func(ctx context.Context, folder string) (tasks.Source, error) {
		spec, err := coconut.DecodeJob(claimed.Request)
		if err != nil {
			return nil, fmt.Errorf("decode stored request of job %s: %w", claimed.JobID, err)
		}
		source, err := w.input.Open(ctx, claimed.JobID, spec.Input, false, folder)
		if err != nil {
			return nil, err
		}
		if whole || source.Small() {
			if err := source.Fetch(ctx); err != nil {
				source.Close()
				return nil, err
			}
		}
		return taskSource{source, w.metrics}, nil
	})
}

// taskSource is an input that was opened for tasks of a job whose run is in another process.
type taskSource struct {
	*input.Copy
	metrics *Metrics
}

// Close counts what was fetched. It is called once.
func (s taskSource) Close() {
	s.metrics.received(s.Received())
	s.Copy.Close()
}

// runStep runs the one step of a plan in dir.
func (w *Worker) runStep(ctx context.Context, dir string, plan transcode.Plan, source tasks.Source, claimed *lease.Task) error {
	const key = "task"
	runs := w.jobLog(claimed.JobID, 0, claimed.ID)
	defer runs.close()
	steps := execute.Start(ctx, dir, plan, execute.Config{
		Media: w.media, Cache: execute.NoCache{}, Source: source, StallTimeout: w.stall, Keys: []string{key},
		Progress: func(done map[string]float64) { claimed.SetProgress(min(1, done[key]/execute.EncodeShare)) },
		Ran:      func(st transcode.Step, r ffmpeg.Report) { runs.ran(ctx, st, r) },
		Log:      w.log, Metrics: w.metrics.execute,
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
