package execute

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// compares is an ffmpeg that writes the logs of a comparison that it has been given.
type compares struct {
	dir  string
	logs map[string]string
	err  error
}

func (c compares) Run(_ context.Context, run ffmpeg.Command) error {
	if !slices.Contains(run.Args, "compare") {
		return nil
	}
	for name, text := range c.logs {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return c.err
}

// TestQualityFails: an output whose encodes cannot be compared is made all the same, with
// the figures that there are.
func TestQualityFails(t *testing.T) {
	plan := transcode.Plan{Steps: []transcode.Step{
		{ID: "encode", Kind: transcode.StepEncode, Op: transcode.Operation{FFmpeg: &transcode.FFmpeg{Args: []string{"encode"}}}, Outputs: []int{0}},
		{ID: "quality", Kind: transcode.StepQuality, Optional: true, Needs: []string{"encode"}, Outputs: []int{0}, Op: transcode.Operation{Quality: &transcode.MeasureQuality{
			Args: []string{"compare"},
			Tracks: []transcode.QualityTrack{
				{Figures: "1.json", Logs: []transcode.QualityLog{{Metric: "ssim", Name: "1.log"}}},
				{Figures: "2.json", Logs: []transcode.QualityLog{{Metric: "ssim", Name: "2.log"}}},
			},
		}}},
	}}
	const frame = "frame:0 pts:0 pts_time:0\nlavfi.ssim.All=0.98\n"
	for name, c := range map[string]struct {
		media compares
		want  []string
	}{
		"both":              {compares{logs: map[string]string{"1.log": frame, "2.log": frame}}, []string{"1.json", "2.json"}},
		"it fails":          {compares{logs: map[string]string{"1.log": frame, "2.log": frame}, err: errors.New("no such filter")}, nil},
		"nothing is logged": {compares{}, nil},
		"of one no frame":   {compares{logs: map[string]string{"1.log": frame, "2.log": "frame:0 pts:0 pts_time:0\nlavfi.ssim.All=nan\n"}}, []string{"1.json"}},
	} {
		dir := t.TempDir()
		c.media.dir = dir
		e := Start(t.Context(), dir, plan, Config{
			Media: c.media, Cache: NoCache{}, Log: slog.New(slog.DiscardHandler), Keys: []string{"a"}, Progress: func(map[string]float64) {},
		})
		if _, err := e.Wait(t.Context(), 0); err != nil {
			t.Errorf("%s: the output fails: %v", name, err)
		}
		e.WaitAll()
		var got []string
		for _, f := range []string{"1.json", "2.json"} {
			if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
				got = append(got, f)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: there are %v, want %v", name, got, c.want)
		}
	}
}
