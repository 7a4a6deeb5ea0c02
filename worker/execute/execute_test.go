package execute

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// has is a cache that has what some steps make.
type has struct {
	NoCache
	steps map[string]bool

	mu     sync.Mutex
	stored map[string]bool
}

func (h *has) Satisfied(st transcode.Step) bool { return h.steps[st.ID] }

func (h *has) Store(st transcode.Step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stored[st.ID] = true
}

// halves is an ffmpeg that gets half through its ten seconds and then to the end.
type halves struct{}

func (halves) Run(_ context.Context, c ffmpeg.Command) error {
	<-time.After(2 * time.Second)
	c.Progress(ffmpeg.Progress{OutTime: 5 * time.Second})
	<-time.After(2 * time.Second)
	return nil
}

// The progress of an output is that of its steps by their cost. What the cache
// has counts as done, and is not stored again; a step of unknown length counts
// when it is done.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := func(id string, duration time.Duration, cost float64, outputs ...int) transcode.Step {
			return transcode.Step{ID: id, Op: transcode.Operation{FFmpeg: &transcode.FFmpeg{}}, Duration: duration, Cost: cost, Outputs: outputs}
		}
		plan := transcode.Plan{Steps: []transcode.Step{step("cached", 0, 4, 0), step("encode", 10*time.Second, 4, 0, 1), step("unknown", 0, 2, 0)}}
		plan.Steps[2].Needs = []string{"encode"}
		var reports []map[string]float64
		cache := &has{steps: map[string]bool{"cached": true}, stored: map[string]bool{}}
		e := Start(t.Context(), t.TempDir(), plan, Config{
			Media: halves{}, Cache: cache, Keys: []string{"a", "b", "none"}, Log: slog.New(slog.DiscardHandler),
			Progress: func(p map[string]float64) { reports = append(reports, p) },
		})
		e.WaitAll()
		part := func(a, b float64) map[string]float64 {
			return map[string]float64{"a": EncodeShare * a, "b": EncodeShare * b}
		}
		want := []map[string]float64{part(0.6, 0.5), part(0.8, 1), part(1, 1)}
		if diff := cmp.Diff(want, reports); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]bool{"encode": true, "unknown": true}, cache.stored); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}
