package admission

import (
	"context"
	"math"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/transcode"
)

// costPerSlot is the cost of a job that takes one slot, in weighted megapixels per
// second of the time line (transcode.Step.Cost over Duration). A usual H.264
// ladder up to 1080p stays below it. 2160p in HEVC costs several times as much.
const costPerSlot = 250

// Slots are the CPU slots that the jobs of a process share. A job takes one or
// several for its encodes, by their cost.
type Slots struct {
	total int
	free  *semaphore.Weighted
	used  atomic.Int64 // taken or waited for
}

// NewSlots returns total slots. With 0 they are not counted.
func NewSlots(total int) *Slots {
	return &Slots{total: total, free: semaphore.NewWeighted(int64(total))}
}

// Acquire waits until the slots that the plan needs are free, takes them and
// returns their number. Waiting jobs are served in order, so that small jobs do
// not overtake a large one for ever. It fails only with the cause of ctx.
func (s *Slots) Acquire(ctx context.Context, plan transcode.Plan) (n int64, release func(), err error) {
	if s.total <= 0 {
		return 0, func() {}, nil
	}
	n = slotsFor(plan, s.total)
	s.used.Add(n)
	if err := s.free.Acquire(ctx, n); err != nil {
		s.used.Add(-n)
		return 0, nil, context.Cause(ctx)
	}
	return n, s.releaser(n), nil
}

// TryAcquire takes one slot if it is free and no job waits.
func (s *Slots) TryAcquire() (release func(), ok bool) {
	if s.total <= 0 {
		return func() {}, true
	}
	if !s.free.TryAcquire(1) {
		return nil, false
	}
	s.used.Add(1)
	return s.releaser(1), true
}

func (s *Slots) releaser(n int64) func() {
	return func() {
		s.free.Release(n)
		s.used.Add(-n)
	}
}

// Free returns how many slots no job has or waits for; 1 if they are not counted.
func (s *Slots) Free() int {
	if s.total <= 0 {
		return 1
	}
	return max(0, s.total-int(s.used.Load()))
}

// slotsFor returns how many of total slots a plan needs. Its most costly step
// decides, since a plan encodes one step at a time.
func slotsFor(plan transcode.Plan, total int) int64 {
	most := 0.0
	for _, s := range plan.Steps {
		if seconds := s.Duration.Seconds(); seconds > 0 && s.VideoEncodes > 0 {
			most = max(most, s.Cost/seconds)
		}
	}
	return int64(min(max(1, math.Ceil(most/costPerSlot)), float64(total)))
}
