package artifacts

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/execute"
)

// noted is the real ffmpeg. It notes which runs encode.
type noted struct {
	execute.Media
	mu      sync.Mutex
	encoded []string
}

func (n *noted) Run(ctx context.Context, c ffmpeg.Command) error {
	if line := strings.Join(c.Args, " "); strings.Contains(line, " -c:v lib") || strings.Contains(line, "libmp3lame") || strings.Contains(line, "-c:v ffv1") {
		n.mu.Lock()
		n.encoded = append(n.encoded, line)
		n.mu.Unlock()
	}
	return n.Media.Run(ctx, c)
}

// Every kind of artifact of real plans is restored under the names that the next
// steps read. The remaining steps run on what was restored, and a second pass runs
// on the logs of the first.
func TestResumeOfRealPlans(t *testing.T) {
	tools := streamtest.Tools(t)
	clip := testmedia.Clip(t, testmedia.Short)
	film, err := tools.Probe(t.Context(), clip)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := coconut.DecodeJob([]byte(`{"input": {"url": "http://a/a.mp4"}, "storage": {"service": "coconut"}, "outputs": {
		"mp4:96x": {"path": "/a.mp4"}, "mp4:80x_100k::2pass": {"path": "/b.mp4"}, "mp4:hevc_80x_100k::2pass": {"path": "/c.mp4"}, "webm:64x": {"path": "/d.webm"},
		"mp3": {"path": "/e.mp3"}, "jpg:40x": {"path": "/f%d.jpg", "number": 3}, "gif:40x": {"path": "/g.gif", "scene": {"number": 1, "duration": 1}},
		"httpstream": {"hls": {"path": "/h"}, "variants": ["mp4:96x", "mp4:64x"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	outputs := make([]*job.Output, len(spec.Outputs))
	for i, req := range spec.Outputs {
		if outputs[i], err = coconut.ResolveOutput(req, coconut.Vars(film)); err != nil {
			t.Fatal(err)
		}
	}
	at := t.TempDir()
	store, err := artifactstore.Open(t.Context(), artifactstore.Options{Address: at})
	if err != nil {
		t.Fatal(err)
	}
	// attempt runs the plan of the outputs up to the storing of its artifacts.
	attempt := func(outputs []*job.Output) (encoded []string, plan transcode.Plan, dir string) {
		t.Helper()
		dir = t.TempDir()
		if err := os.Link(clip, filepath.Join(dir, transcode.SourceName)); err != nil {
			if data, rerr := os.ReadFile(clip); rerr != nil || os.WriteFile(filepath.Join(dir, transcode.SourceName), data, 0o600) != nil {
				t.Fatal(err)
			}
		}
		media := &noted{Media: tools}
		log := slog.New(slog.DiscardHandler)
		plan = transcode.Build(outputs, film, transcode.Options{
			Capabilities: tools.Capabilities(),
			Presets:      map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libvpx-vp9": "8", "libvpx": "8"},
		})
		session := NewCache(store, tools.Version(), log, nil).Open(t.Context(), resumedJob, dir)
		s := execute.Start(t.Context(), dir, plan, execute.Config{
			Media: media, Cache: session.ForPlan(t.Context(), plan), Keys: make([]string, len(outputs)), Progress: func(map[string]float64) {}, Log: log})
		s.WaitAll()
		session.Close(t.Context(), Failed)
		for i := range outputs {
			if _, err := s.Wait(t.Context(), i); err != nil {
				t.Errorf("output %d: %v", i, err)
			}
		}
		return media.encoded, plan, dir
	}
	whole := func(plan transcode.Plan, dir string) {
		t.Helper()
		for i, res := range plan.Results {
			for _, f := range res.Files {
				names := []string{f.Name}
				if f.Count > 0 {
					names = nil
					for n := range f.Count {
						names = append(names, fmt.Sprintf(f.Name, n+1))
					}
				}
				for _, name := range names {
					file := filepath.Join(dir, name)
					if _, err := os.Stat(file); err != nil {
						t.Errorf("output %d: %v", i, err)
					}
					if _, err := tools.Verify(t.Context(), file, f.Expect); err != nil && f.Check == transcode.CheckProbe {
						t.Errorf("output %d, %s: %v", i, name, err)
					}
				}
			}
		}
	}
	encoded, plan, dir := attempt(outputs)
	whole(plan, dir)
	if len(encoded) < 4 {
		t.Fatalf("only %d encodes", len(encoded))
	}
	if encoded, plan, dir = attempt(outputs); len(encoded) != 0 {
		t.Errorf("the same plan encodes again:\n%s", strings.Join(encoded, "\n"))
	}
	whole(plan, dir)
	for i := range outputs {
		left := make([]*job.Output, len(outputs))
		left[i] = outputs[i]
		// Pictures by themselves are found by seeking, which is quick.
		if encoded, plan, dir = attempt(left); len(encoded) != 0 && outputs[i].Key != "jpg:40x" {
			t.Errorf("%s alone encodes again:\n%s", outputs[i].Key, strings.Join(encoded, "\n"))
		}
		whole(plan, dir)
	}
	// The worker was killed between the passes: what they made is gone but for
	// the logs.
	if err := store.Drop(t.Context(), resumedJob); err != nil {
		t.Fatal(err)
	}
	two := make([]*job.Output, len(outputs))
	copy(two, outputs[1:3])
	first, _, _ := attempt(two)
	stored, err := filepath.Glob(filepath.Join(at, "*", resumedJob, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range stored {
		if data, err := os.ReadFile(p); err != nil || !strings.Contains(string(data[:min(len(data), 4096)]), `"0.`) {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	second, plan, dir := attempt(two)
	whole(plan, dir)
	if len(first) != 2 || len(second) != 1 {
		t.Errorf("%d encodes of two passes, and %d from the logs of the first", len(first), len(second))
	}
}
