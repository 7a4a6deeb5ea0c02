package execute

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/stream"
)

// realPlan is a plan for a source in a work directory, with the real ffmpeg.
type realPlan struct {
	dir   string
	plan  transcode.Plan
	steps *Execution
}

func newRealPlan(t *testing.T, outputs []*job.Output, source ...string) *realPlan {
	t.Helper()
	return newRealPlanWith(t, transcode.Options{SegmentSeconds: 2}, outputs, source...)
}

// newRealPlanWith is newRealPlan with options of the planner.
func newRealPlanWith(t *testing.T, o transcode.Options, outputs []*job.Output, source ...string) *realPlan {
	t.Helper()
	c := &realPlan{dir: t.TempDir()}
	streamtest.Run(t, c.dir, append(source, transcode.SourceName)...)
	tools := streamtest.Tools(t)
	media, err := tools.Probe(t.Context(), filepath.Join(c.dir, transcode.SourceName))
	if err != nil {
		t.Fatal(err)
	}
	o.Capabilities, o.Presets = tools.Capabilities(), map[string]string{"libx264": "ultrafast"}
	c.plan = transcode.Build(outputs, media, o)
	for _, r := range c.plan.Results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.steps = newExecution(c.dir, c.plan, Config{Media: tools, Cache: NoCache{}, Keys: make([]string, len(outputs)), Progress: func(map[string]float64) {}, Log: log})
	return c
}

// run runs the steps to their end, calling look again and again meanwhile.
func (c *realPlan) run(t *testing.T, look func()) {
	t.Helper()
	c.steps.start(t.Context())
	over := make(chan struct{})
	go func() { c.steps.WaitAll(); close(over) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		look()
		select {
		case <-tick.C:
			continue
		case <-over:
		}
		break
	}
	for i := range c.plan.Results {
		if _, err := c.steps.Wait(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
}

// taken is how many bytes the files below dir take on the disk, each counted once.
func taken(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	seen := map[uint64]bool{}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it went meanwhile
		}
		if info, err := d.Info(); err == nil && d.Type().IsRegular() {
			st := info.Sys().(*syscall.Stat_t)
			if !seen[st.Ino] {
				seen[st.Ino] = true
				bytes += st.Blocks * 512
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// noise cannot be compressed, so rates are near their ceilings.
var noise = []string{
	"-f", "lavfi", "-i", "color=gray:s=160x90:r=25:d=24,noise=c0s=100:c0f=t,scale=320x180:flags=neighbor", "-f", "lavfi", "-i", "anoisesrc=d=24:a=0.3",
	"-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-c:a", "aac", "-f", "mp4",
}

func ladder(t *testing.T) *job.Output {
	return &job.Output{Key: "httpstream", Type: job.TypeStream, Stream: &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:0x180_4000k", "mp4:0x90_1500k"),
		HLS:      &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
	}}
}

// A job never takes more of the disk than its plan says. What has been used is
// given back: of a followed file the part behind its readers, of every other file
// the whole.
func TestSpaceIsBounded(t *testing.T) {
	t.Parallel()
	files := streamtest.Formats(t, "mp4:0x90_1500k")
	plain := &job.Output{Key: "mp4", Type: job.TypeVideo, Format: files[0], Path: "/a.mp4", Video: &job.VideoParams{}}
	for name, outputs := range map[string][]*job.Output{"stream": {ladder(t)}, "stream and file": {ladder(t), plain}} {
		t.Run(name, func(t *testing.T) {
			c := newRealPlan(t, outputs, noise...)
			before := taken(t, c.dir)
			var most int64
			holes, early := false, false
			c.run(t, func() {
				most = max(most, taken(t, c.dir)-before)
				if st, err := os.Stat(filepath.Join(c.dir, "v1.mp4")); err == nil {
					holes = holes || st.Sys().(*syscall.Stat_t).Blocks*512 < st.Size()-punchStep/2
				}
				if _, err := os.Stat(filepath.Join(c.dir, "out1", "hls", "180p", "segment-00003.ts")); err == nil && c.steps.runs("encode-1") {
					early = true
				}
			})
			// Blocks that are begun, and what is behind a reader by less than a step.
			const slack = 2*punchStep + 1<<20
			if space := c.plan.Space; !space.Bounded || most > space.Bytes+slack || most < space.Bytes/3 {
				t.Errorf("at most %d bytes were taken; the plan says %+v", most, space)
			}
			t.Logf("at most %d KiB were taken; the plan says %d", most>>10, c.plan.Space.Bytes>>10)
			if !early {
				t.Error("no segment was there before the encode had ended")
			}
			if !holes && !c.steps.intermediates.files["v1.mp4"].noHolePunch {
				t.Error("nothing of an intermediate was given back while it grew")
			}
			for name := range c.steps.intermediates.files {
				if _, err := os.Stat(filepath.Join(c.dir, name)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is still there: %v", name, err)
				}
			}
			for _, p := range c.plan.Results[0].Packages {
				if _, sums, err := stream.Build(os.DirFS(c.dir), p, c.plan.Secrets.Key); err != nil || sums[0].Frames != 600 {
					t.Errorf("%s: %+v, %v", p.Path, sums, err)
				}
			}
		})
	}
}

func (s *Execution) runs(id string) bool {
	select {
	case <-s.done[id]:
		return false
	default:
		return true
	}
}

// A file that is read by its name later, or is pinned, stays whole.
func TestIntermediateStaysWhole(t *testing.T) {
	dir := t.TempDir()
	data := []byte(strings.Repeat("0123456789abcdef", 4*punchStep/16))
	put := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	follow := func(id string) transcode.Step {
		return transcode.Step{ID: id, Tail: transcode.TailInput{Name: "v1.mp4", Step: "encode"}}
	}
	one, two, mux := follow("one"), follow("two"), transcode.Step{ID: "mux", Reads: []string{"v1.mp4", "a1.mp4"}}
	whole := func(name string) bool {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return bytes.Equal(got, data)
	}
	log := slog.New(slog.DiscardHandler)
	put("v1.mp4")
	put("a1.mp4")
	m := newIntermediates(log, dir, transcode.Plan{Steps: []transcode.Step{one, two, mux}}, NoCache{}.Pinned)
	m.advance(t.Context(), one, 3*punchStep)
	m.advance(t.Context(), two, 3*punchStep)
	m.release(t.Context(), one)
	if !whole("v1.mp4") {
		t.Error("a file that is muxed later was damaged")
	}
	m.release(t.Context(), mux)
	if whole("a1.mp4") || !whole("v1.mp4") {
		t.Error("not that file was removed which nobody reads")
	}

	put("a1.mp4")
	pinned := false
	m = newIntermediates(log, dir, transcode.Plan{Steps: []transcode.Step{one, two}}, func(string) bool { return pinned })
	m.advance(t.Context(), one, 3*punchStep)
	if !whole("v1.mp4") {
		t.Error("what the slowest has not read was damaged")
	}
	pinned = true
	m.advance(t.Context(), two, 2*punchStep+1)
	if !whole("v1.mp4") {
		t.Error("a file that somebody else needs was damaged")
	}
	pinned = false
	m.advance(t.Context(), two, 2*punchStep+1)
	got, err := os.ReadFile(filepath.Join(dir, "v1.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if noHolePunch := m.files["v1.mp4"].noHolePunch; !noHolePunch && !bytes.Equal(got[:2*punchStep], make([]byte, 2*punchStep)) || !bytes.Equal(got[2*punchStep:], data[2*punchStep:]) {
		t.Error("not that part was given back which all have read")
	}
	m.release(t.Context(), one)
	m.release(t.Context(), two)
	if _, err := os.Stat(filepath.Join(dir, "v1.mp4")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// halfway is an encoder that fails once its first half has been read.
type halfway struct {
	read chan struct{}
	why  error
}

func (h *halfway) Run(ctx context.Context, c ffmpeg.Command) error {
	if c.Input == nil {
		if err := os.WriteFile(filepath.Join(c.Dir, "v1.mp4"), []byte("half"), 0o600); err != nil {
			return err
		}
		<-h.read
		return h.why
	}
	buf := make([]byte, 100)
	if n, err := c.Input.Read(ctx, buf); string(buf[:n]) != "half" {
		return err
	}
	close(h.read)
	_, err := c.Input.Read(ctx, buf)
	return err
}

// The failure of an encoder is reported as its own, not as that of the step that
// follows it.
func TestTailOfFailedStep(t *testing.T) {
	why := errors.New("it cannot be encoded")
	h := &halfway{read: make(chan struct{}), why: why}
	op := transcode.Operation{FFmpeg: &transcode.FFmpeg{}}
	plan := transcode.Plan{Results: make([]transcode.Result, 2), Steps: []transcode.Step{
		{ID: "encode", Kind: transcode.StepEncode, Op: op, Files: []string{"v1.mp4"}, Outputs: []int{0, 1}},
		{ID: "segment", Kind: transcode.StepSegment, Op: op, Tail: transcode.TailInput{Name: "v1.mp4", Step: "encode"}, Outputs: []int{1}},
	}}
	s := Start(t.Context(), t.TempDir(), plan, Config{
		Media: h, Cache: NoCache{}, Keys: []string{"a", "b"}, Progress: func(map[string]float64) {}, Log: slog.New(slog.DiscardHandler)})
	s.WaitAll()
	if shared, err := s.Wait(t.Context(), 1); !errors.Is(err, why) || errors.Is(err, errSkipped) || !shared {
		t.Errorf("shared %v, %v", shared, err)
	}
	if err := s.err("segment"); !errors.Is(err, errSkipped) {
		t.Errorf("the step that followed: %v", err)
	}
}
