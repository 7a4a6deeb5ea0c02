package transcode

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/format"
)

// An AVI has the frames of its source, each once, and its sound in step.
func TestAVIFrames(t *testing.T) {
	t.Parallel()
	for fps, rate := range map[string]format.Rational{"25": {Num: 25, Den: 1}, "60000/1001": {Num: 60000, Den: 1001}} {
		dir := t.TempDir()
		data, err := os.ReadFile(testmedia.Counter(t, fps, 4, 64, 64))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, SourceName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		wantFrames := testmedia.ReadFrames(t, filepath.Join(dir, SourceName))
		wantBeeps := testmedia.Beeps(t, filepath.Join(dir, SourceName))
		p := run(t, dir, fast, "avi path=/a.avi", "avi:h264 path=/h264.avi", "avi::aac path=/aac.avi", "avi::pcm-s16le path=/pcm.avi")
		for _, r := range p.Results {
			name := filepath.Join(dir, r.Files[0].Name)
			if got := testmedia.ReadFrames(t, name); !slices.Equal(got, wantFrames) {
				t.Errorf("%s at %s: frames %d, want %d", r.Files[0].Path, fps, got, wantFrames)
			}
			got := testmedia.Beeps(t, name)
			if len(got) != len(wantBeeps) {
				t.Fatalf("%s at %s: beeps at %.3f, want %.3f", r.Files[0].Path, fps, got, wantBeeps)
			}
			for i := range got {
				// The sound of the first packet fades in: the packet before it,
				// which it needs, lies before zero.
				if late := math.Abs(got[i] - wantBeeps[i]); late > 0.005 && (i > 0 || late > 0.025) {
					t.Errorf("%s at %s: beeps at %.3f, want %.3f", r.Files[0].Path, fps, got, wantBeeps)
					break
				}
			}
			if strings.HasPrefix(r.Files[0].Path, "/h264") {
				continue // its packets have no times
			}
			for n, at := range testmedia.FrameTimes(t, name)[:3] {
				if want := float64(n) / fpsFloat(rate); math.Abs(at-want) > 0.001 {
					t.Errorf("%s at %s: frame %d is shown at %.3f, want %.3f", r.Files[0].Path, fps, n, at, want)
				}
			}
		}
	}
}
