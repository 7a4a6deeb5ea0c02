package admission

import (
	"context"
	"math"

	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/transcode"
)

// costPerSlot is how much a job that takes one slot asks of the machine: weighted
// megapixels for each second of its time line. A usual ladder up to 1080p in
// H.264 stays below; 2160p in HEVC asks several times as much.
const costPerSlot = 250

// Slots are what the jobs that a process transcodes at once share.
type Slots struct {
	total int
	free  *semaphore.Weighted
}

// NewSlots returns so many slots; 0: they are not counted.
func NewSlots(total int) *Slots {
	return &Slots{total: total, free: semaphore.NewWeighted(int64(total))}
}

// Acquire waits until the slots that the plan takes are free, and says how many
// they are. Those that wait are served in order, so that a large job is not
// passed for ever by small ones. It fails only when ctx ends.
func (s *Slots) Acquire(ctx context.Context, plan transcode.Plan) (n int64, release func(), err error) {
	if s.total <= 0 {
		return 0, func() {}, nil
	}
	n = slotsFor(plan, s.total)
	if err := s.free.Acquire(ctx, n); err != nil {
		return 0, nil, context.Cause(ctx)
	}
	return n, func() { s.free.Release(n) }, nil
}

// slotsFor is how many of so many slots a plan takes: by its largest step, since
// one is encoded at a time.
func slotsFor(plan transcode.Plan, total int) int64 {
	most := 0.0
	for _, s := range plan.Steps {
		if seconds := s.Duration.Seconds(); seconds > 0 && s.VideoEncodes > 0 {
			most = max(most, s.Cost/seconds)
		}
	}
	return int64(min(max(1, math.Ceil(most/costPerSlot)), float64(total)))
}
