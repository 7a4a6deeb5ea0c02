package execute

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/join"
	"github.com/copra-video/copra/transcode/stream"
)

// A plan in chunks runs to its end: the stream has every frame, the pictures have
// their numbers, and the files of the chunks are gone.
func TestChunks(t *testing.T) {
	t.Parallel()
	hls := &job.Output{Key: "httpstream", Type: job.TypeStream, Stream: &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:0x36_60k"), HLS: &job.HLSParams{Path: "/hls"},
	}}
	jpg := &job.Output{Key: "jpg", Type: job.TypeImage, Format: streamtest.Formats(t, "jpg:64x36")[0], Path: "/t_%02d.jpg", Image: &job.ImageParams{Number: 5}}
	c := newRealPlanWith(t, transcode.Options{SegmentSeconds: 2, ChunkSeconds: 4}, []*job.Output{hls, jpg},
		"-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=9", "-f", "lavfi", "-i", "sine=d=9", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2",
		"-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mp4")
	c.run(t, func() {})
	_, sums, err := stream.Build(os.DirFS(c.dir), c.plan.Results[0].Packages[0], c.plan.Secrets.Key)
	if err != nil || sums[0].Frames != 225 {
		t.Errorf("stream: %+v, %v", sums, err)
	}
	for n := 1; n <= 6; n++ {
		_, err := os.Stat(filepath.Join(c.dir, fmt.Sprintf(c.plan.Results[1].Files[0].Name, n)))
		if there := err == nil; there != (n <= 5) {
			t.Errorf("picture %d: %v", n, err)
		}
	}
	for _, st := range c.plan.Steps {
		for _, name := range st.Reads {
			if _, err := os.Stat(filepath.Join(c.dir, name)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", name, err)
			}
		}
	}
}

// Where two chunks have not decoded the same frames before their edge, the step that
// compares them fails, and another plan may do without it.
func TestSeamsDiffer(t *testing.T) {
	const list = "#tb 0: 1/90000\n0, 0, 0, 3600, 100, 0x00000007\n0, 273600, 273600, 3600, 100, 0x00000001\n"
	for name, after := range map[string]string{
		"the same": list, "another first frame": strings.Replace(list, "0007", "0008", 1), "no first frame": strings.Replace(list, "0, 0, 0, 3600, 100, 0x00000007\n", "", 1),
		"another picture": strings.Replace(list, "0001", "0002", 1), "another time": strings.Replace(list, "273600, 273600, 3600", "273600, 277200, 3600", 1),
		"one more": list + "0, 277200, 277200, 3600, 100, 0x00000001\n",
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"tail": list, "head": after} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		plan := transcode.Plan{Results: make([]transcode.Result, 1), Steps: []transcode.Step{{
			ID: "seams", Kind: transcode.StepSeams, Outputs: []int{0},
			Op: transcode.Operation{Seams: &transcode.Seams{Pairs: []transcode.Seam{{Before: "tail", After: "head", Seconds: 4, Length: 1}}}},
		}}}
		e := Start(t.Context(), dir, plan, Config{Cache: NoCache{}, Keys: []string{"a"}, Progress: func(map[string]float64) {}, Log: slog.New(slog.DiscardHandler)})
		again, err := e.Wait(t.Context(), 0)
		if name == "the same" || strings.HasSuffix(name, "first frame") { // that of a chunk is long before the edge
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if seam, ok := errors.AsType[*join.SeamError](err); !ok || seam.Seconds != 4 || !again {
			t.Errorf("%s: %v, again %v", name, err, again)
		}
	}
}
