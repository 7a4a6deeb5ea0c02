package worker

import (
	"context"
	"math"

	"github.com/copra-video/copra/transcode"
)

// slotWork is how much a job that takes one slot asks of the machine: weighted
// megapixels for each second of its time line. A usual ladder up to 1080p in
// H.264 stays below; 2160p in HEVC asks several times as much.
const slotWork = 250

// share is how many of so many slots a plan takes: by its largest step, since
// one is encoded at a time.
func share(plan transcode.Plan, slots int) int64 {
	most := 0.0
	for _, s := range plan.Steps {
		if seconds := s.Duration.Seconds(); seconds > 0 && s.VideoEncodes > 0 {
			most = max(most, s.Cost/seconds)
		}
	}
	return int64(min(max(1, math.Ceil(most/slotWork)), float64(slots)))
}

// takeSlots waits until the slots that the plan takes are free. Those that wait
// are served in order, so that a large job is not passed for ever by small ones.
func (r *run) takeSlots(ctx context.Context, plan transcode.Plan) (release func(), err error) {
	if r.w.slots == nil {
		return func() {}, nil
	}
	n := share(plan, r.w.Slots)
	if err := r.w.slots.Acquire(ctx, n); err != nil {
		return nil, context.Cause(ctx)
	}
	r.w.Log.Debug("slots taken", "job", r.id, "slots", n)
	return func() { r.w.slots.Release(n) }, nil
}
