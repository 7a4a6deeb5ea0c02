package worker

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// probeTimeout bounds one probe: an input whose headers cannot be read in that
// time is not going to be transcoded either.
const probeTimeout = 2 * time.Minute

type probeWorker struct {
	river.WorkerDefaults[queue.ProbeArgs]
	w *Worker
}

// Timeout lifts River's default of a minute. Work has its own limit.
func (p *probeWorker) Timeout(*river.Job[queue.ProbeArgs]) time.Duration { return -1 }

// Work probes the input and queues the transcode. An input that cannot be transcoded
// fails the job here, before it takes an encoder's slot.
func (p *probeWorker) Work(ctx context.Context, j *river.Job[queue.ProbeArgs]) (err error) {
	a := attempt{j.Kind, j.Args.JobID, j.ID, j.Attempt, j.MaxAttempts}
	ctx, stop := p.w.heartbeat.Track(a.in(ctx))
	defer stop(nil)
	ctx, c, err := p.w.claim(ctx, a)
	if err != nil || c == nil {
		return err
	}
	defer func() { c.finish(err) }()
	defer c.lease.KeepRenewing(ctx, stop)()
	if j.Attempt == 1 {
		p.w.metrics.begun(time.Since(c.acceptedAt))
	}
	pctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	media, err := p.w.input.Probe(pctx, c.spec.Input, c.folder)
	if err == nil {
		err = c.lease.RecordProbed(ctx, media.Raw)
	}
	// A server that does not answer gives a DeadlineExceeded too, much sooner.
	if errors.Is(err, context.DeadlineExceeded) && pctx.Err() != nil && ctx.Err() == nil {
		err = job.Errorf(job.InputNotValid, "The input could not be read within %d seconds.", int(probeTimeout.Seconds())).WithCause(err)
	}
	return c.endInput(ctx, err)
}
