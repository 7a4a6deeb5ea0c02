package worker

import (
	"context"
	"time"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// What is long enough to be encoded in chunks, and how long these are, in seconds.
// Coconut's settings.ultrafast has an effect from one minute on. A job that does not ask
// for it must be longer, so that what chunks cost besides is little.
const (
	chunkedFrom        = 60
	chunkedUnaskedFrom = 600
	chunkSeconds       = 30
)

// bitrateHelpers is how many other workers are needed where a format names a bitrate.
const bitrateHelpers = 2

// nodeStore tells of the other workers.
type nodeStore interface {
	// LiveNodes counts the workers whose heartbeat is not older than stale.
	LiveNodes(ctx context.Context, stale time.Duration) (int, error)
	// QueueDepth counts what is queued.
	QueueDepth(ctx context.Context) ([]job.QueueCount, error)
}

// chunked reports whether an input of so many seconds is encoded in chunks. asked: the job says
// settings.ultrafast. helpers is how many other workers may take chunks of it.
func chunked(asked bool, seconds float64, helpers int) bool {
	if asked {
		return seconds >= chunkedFrom
	}
	return helpers > 0 && seconds >= chunkedUnaskedFrom
}

// countHelpers returns how many other workers have nothing else to do than to take chunks of this
// job: those that are alive, without those that the jobs in the queue are for. In an attempt after
// the first, the worker that had the job before counts too, so that the chunks that it has left
// are of use. It is 0 when that does not matter, and when it is not known.
func (r *transcoding) countHelpers(ctx context.Context, media job.Media) int {
	w := r.w
	if !w.chunks || r.spec.Settings.UltraFast || !w.cache.Enabled() || media.Duration < chunkedUnaskedFrom {
		return 0
	}
	alive, err := w.nodes.LiveNodes(ctx, StaleAfter)
	if err == nil && alive > 1 {
		var depths []job.QueueCount
		depths, err = w.nodes.QueueDepth(ctx)
		for _, d := range depths {
			if d.Queue == queue.Transcode && d.State == "available" {
				alive -= int(d.Count)
			}
		}
	}
	if err != nil {
		r.log.DebugContext(ctx, "other workers not counted", "error", err)
		return 0
	}
	if r.attempt > 1 {
		alive++
	}
	return max(0, alive-1)
}

// planning returns what the planner needs to know for this job.
func (r *resolved) planning() transcode.Options {
	opts := r.w.planning
	opts.Copy = r.spec.Settings.Copy
	if use := r.spec.Settings.Encoder; use != "" {
		opts.Encoder.Use = use
	}
	if r.w.chunks && chunked(r.spec.Settings.UltraFast, r.media.Duration, r.helpers) {
		opts.ChunkSeconds = chunkSeconds
		// A bitrate takes two passes of each chunk, after the whole input was fetched: with one
		// helper hardly anything is won.
		if !r.spec.Settings.UltraFast && r.helpers < bitrateHelpers && transcode.Build(r.outputs, r.media, opts).Weighed != nil {
			opts.ChunkSeconds = 0
		}
	}
	return opts
}
