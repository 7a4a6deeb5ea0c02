package worker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// journal notes effects in their order, and breaks some of them. An effect that
// failed is noted with an exclamation mark. Repeated failures of one effect are noted
// once.
type journal struct {
	// breaks returns an error to break an effect. before is how often it was asked
	// for this effect before. Nil breaks nothing.
	breaks func(effect string, before int) error

	mu      sync.Mutex
	asked   map[string]int
	effects []string
	first   map[string]int // by effect, where it stands in effects first
}

func (j *journal) do(effect string, do func() error) error {
	j.mu.Lock()
	if j.asked == nil {
		j.asked, j.first = map[string]int{}, map[string]int{}
	}
	before := j.asked[effect]
	j.asked[effect]++
	j.mu.Unlock()
	var err error
	if j.breaks != nil {
		err = j.breaks(effect, before)
	}
	if err == nil {
		err = do()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.first[effect]; !known {
		j.first[effect] = len(j.effects)
	}
	if err != nil {
		effect += "!"
		if n := len(j.effects); n > 0 && j.effects[n-1] == effect {
			return err
		}
	}
	j.effects = append(j.effects, effect)
	return err
}

func nothing() error { return nil }

// fakeStore is a database with one job.
type fakeStore struct {
	j       *journal
	request []byte

	wait  time.Duration // for other jobs of the key
	tasks fakeTasks

	mu    sync.Mutex
	state job.State
	fence int64
}

const fakeJob = "aaaaBBBB111122"

func newFakeStore(j *journal, request string, media job.Media) *fakeStore {
	spec, err := coconut.DecodeJob([]byte(request))
	if err != nil {
		panic(err)
	}
	s := &fakeStore{j: j, request: []byte(request), state: job.NewState(fakeJob, time.Now(), spec.Outputs)}
	s.state.Input.Metadata = media.Raw
	return s
}

// takeAway gives the job's lease to another run.
func (s *fakeStore) takeAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fence++
}

// holds fails unless fence is the newest token.
func (s *fakeStore) holds(fence int64) error {
	if fence != s.fence {
		return job.ErrLeaseLost
	}
	return nil
}

func (s *fakeStore) AcquireRunSlot(context.Context, string, int64) (time.Duration, error) {
	return s.wait, nil
}

func (s *fakeStore) LogRun(context.Context, string, job.FFmpegRun) error { return nil }

func (s *fakeStore) Claim(_ context.Context, _ string, _ int64, _ int, _ string) (fence int64, err error) {
	err = s.j.do("claim", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fence++
		fence = s.fence
		return nil
	})
	return fence, err
}

func (s *fakeStore) Load(context.Context, string) (loaded job.LoadedJob, err error) {
	err = s.j.do("load", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		loaded = job.LoadedJob{State: s.snapshot(), Request: s.request, AcceptedAt: s.state.CreatedAt}
		return nil
	})
	return loaded, err
}

func (s *fakeStore) snapshot() job.State {
	state := s.state
	state.Outputs = slices.Clone(state.Outputs)
	return state
}

// Record notes the events of one call as one effect, joined by "+", together with the
// events that follow from them.
func (s *fakeStore) Record(ctx context.Context, _ string, fence int64, events ...job.Event) (job.State, error) {
	var names []string
	for _, e := range events {
		names = append(names, eventName(e))
	}
	s.mu.Lock()
	next := s.snapshot()
	s.mu.Unlock()
	for i, e := range events {
		happened, err := next.Apply(e)
		if err != nil {
			return job.State{}, err
		}
		for _, h := range happened[min(1, len(happened)):] {
			names[i] += "+" + string(h.Kind)
		}
	}
	err := s.j.do(strings.Join(names, "+"), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.holds(fence); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.state = next
		return nil
	})
	return next, err
}

// outputNames are short names of the outputs.
var outputNames = map[string]string{"mp4:64x36": "film", "httpstream": "hls"}

// eventName returns the kind of an event. For an event of an output it is the name of
// the output and what became of it.
func eventName(e job.Event) string {
	switch {
	case e.Kind == job.OutputStageEvent:
		return outputNames[e.Output] + ":" + string(e.Stage)
	case e.Output != "":
		return outputNames[e.Output] + ":" + strings.TrimPrefix(string(e.Kind), "output.")
	default:
		return string(e.Kind)
	}
}

func (s *fakeStore) RecordProbed(_ context.Context, _ string, fence int64, probed job.Event) error {
	return s.j.do(eventName(probed), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.holds(fence)
	})
}

// SetProgress only checks the fencing token. It is not noted.
func (s *fakeStore) SetProgress(_ context.Context, _ string, fence int64, _ map[string]float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds(fence)
}

func (*fakeStore) Heartbeat(context.Context, string, time.Duration, []string) (job.Unattended, error) {
	return job.Unattended{}, nil
}
func (*fakeStore) Reap(context.Context, time.Duration) (job.Reaped, error) { return job.Reaped{}, nil }

func (*fakeStore) QueueDepth(context.Context) ([]job.QueueCount, error) { return nil, nil }

func (*fakeStore) FinishedForGood(context.Context, []string, time.Duration) (map[string]bool, error) {
	return nil, nil
}
