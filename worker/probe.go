package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/rangeserver"
)

// probeTime bounds one probe: an input whose headers cannot be read in that
// time is not going to be transcoded either.
const probeTime = 2 * time.Minute

type probeWorker struct {
	river.WorkerDefaults[queue.ProbeArgs]
	w *Worker
}

// Timeout lifts River's default of a minute; work bounds itself.
func (p *probeWorker) Timeout(*river.Job[queue.ProbeArgs]) time.Duration { return -1 }

// Work reaches the input, learns what it is and hands the job on. An input
// that is no good ends the job here, before it takes an encoder's slot.
func (p *probeWorker) Work(ctx context.Context, j *river.Job[queue.ProbeArgs]) error {
	w := p.w
	ctx, done := w.heart.work(ctx)
	defer done(nil)
	r, err := w.begin(ctx, j.Args.JobID, j.ID, j.Attempt)
	if err != nil || r == nil {
		return err
	}
	defer r.hold(ctx, done)()
	pctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	media, err := r.probe(pctx)
	if err == nil {
		probed := job.Event{Kind: job.InputProbedEvent, At: time.Now(), Metadata: media.Raw}
		err = persist(ctx, func(ctx context.Context) error { return w.Store.RecordProbed(ctx, r.id, r.run, probed) })
	}
	// A server that does not answer gives a DeadlineExceeded too, much sooner.
	if errors.Is(err, context.DeadlineExceeded) && pctx.Err() != nil && ctx.Err() == nil {
		err = job.Errorf("input_not_valid", "The input could not be read within %d seconds.", int(probeTime.Seconds())).WithCause(err)
	}
	return r.endInput(ctx, err, j.Attempt >= j.MaxAttempts)
}

// run is one claim of a job by this process.
type run struct {
	w    *Worker
	id   string
	run  int64
	spec *job.Spec
	last bool // there will be no other run after this one fails

	folder string // of its work files; "" before the input is fetched

	seat seat
	held atomic.Pointer[time.Time] // when the database last said that the job is this run's

	mu  sync.Mutex // outputs are recorded from goroutines of their own
	rec job.LoadedJob

	parts  *parts // of the artifact store; nil: there is none
	placed placed
}

// begin claims and loads a job. It returns nil without error when there is
// nothing left to do.
func (w *Worker) begin(ctx context.Context, id string, riverID int64, attempt int) (*run, error) {
	n, err := w.Store.Claim(ctx, id, riverID, attempt, w.Node)
	if errors.Is(err, job.ErrLeaseLost) || errors.Is(err, job.ErrNotFound) {
		w.Log.Info("job is not this worker's any more", "job", id, "reason", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim job %s: %w", id, err)
	}
	rec, err := w.Store.Load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load job %s: %w", id, err)
	}
	if rec.State.Finished() {
		return nil, nil
	}
	spec, err := coconut.DecodeJob(rec.Request)
	if err != nil {
		// The request passed this very check when it was accepted; only a
		// change of version can bring this about.
		return nil, river.JobCancel(fmt.Errorf("decode stored request of job %s: %w", id, err))
	}
	r := &run{w: w, id: id, run: n, rec: rec, spec: spec, seat: seat{w: w}}
	if err := r.record(ctx, job.Event{Kind: job.JobStartedEvent}); err != nil {
		return nil, r.lost(err)
	}
	return r, nil
}

// record stamps events with the time and records them under this run.
func (r *run) record(ctx context.Context, events ...job.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for i := range events {
		events[i].At = now
	}
	return persist(ctx, func(ctx context.Context) error {
		state, err := r.w.Store.Record(ctx, r.id, r.run, events...)
		if err == nil {
			r.rec.State = state
		}
		return err
	})
}

// lost turns "another run has begun" into success: River's job is then another
// one's to end.
func (r *run) lost(err error) error {
	if errors.Is(err, job.ErrLeaseLost) {
		r.w.Log.Info("job was taken over", "job", r.id, "run", r.run)
		return nil
	}
	return err
}

// probe finds out what the input is, reading as little of it as its server
// allows.
func (r *run) probe(ctx context.Context) (job.Media, error) {
	src, err := r.w.Opener.Source(ctx, r.spec.Input)
	if err != nil {
		return job.Media{}, fmt.Errorf("open input: %w", err)
	}
	media, err := r.probeSource(ctx, src)
	if err != nil {
		return job.Media{}, err
	}
	media.SetFilename(inputName(r.spec.Input))
	return media, nil
}

func (r *run) probeSource(ctx context.Context, src storage.Source) (job.Media, error) {
	if !src.Ranges() {
		// Its headers may lie at the end, so all of it is needed.
		path, remove, err := r.fetch(ctx, src, nil)
		if err != nil {
			return job.Media{}, err
		}
		defer remove()
		return r.w.Media.Probe(ctx, path)
	}
	srv, err := rangeserver.Serve(ctx, src, storage.Retry{})
	if err != nil {
		return job.Media{}, fmt.Errorf("serve input to ffprobe: %w", err)
	}
	defer func() { _ = srv.Close() }()
	media, err := r.w.Media.Probe(ctx, srv.URL())
	if serr := srv.Err(); serr != nil {
		return job.Media{}, fmt.Errorf("read input: %w", serr) // why ffprobe failed
	}
	if err != nil {
		return job.Media{}, err
	}
	return media, nil
}

// endInput ends a stage whose trouble is the input's: what the customer can be
// told ends the job, the rest is tried again while attempts last.
func (r *run) endInput(ctx context.Context, err error, last bool) error {
	if err == nil || errors.Is(err, job.ErrLeaseLost) {
		return r.lost(err)
	}
	if ctx.Err() != nil {
		return r.lost(context.Cause(ctx)) // stopped from outside: no verdict on the input
	}
	if !last && (!job.IsPermanent(err) || diskFull(err)) {
		return err
	}
	r.w.Log.Warn("input failed", "job", r.id, "error", err)
	text := sentence(err, "The input could not be processed because of an internal error.")
	return r.lost(r.record(ctx, job.Event{Kind: job.InputFailedEvent, Error: text}))
}
