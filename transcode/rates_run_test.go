package transcode

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// offTarget is by how much the size of a hard clip of 4 s may miss its target, as a
// share of it. What a buffer of two seconds holds at the start and not at the end is
// up to half of so short a clip.
const offTarget = 0.06

// TestHardClipMeetsItsRate: what would take more bits than it may have takes all of
// them, and no more.
func TestHardClipMeetsItsRate(t *testing.T) {
	t.Parallel()
	testmedia.Long(t)
	const seconds = 4
	lines := []string{
		"mp4:160x90::quality=5,maxrate=150k path=/a.mp4",
		"mp4:hevc_160x90::quality=5,maxrate=150k path=/b.mp4",
		"mp4:160x90_150k::maxrate=150k path=/c.mp4",
		"mp4:hevc_160x90_150k::maxrate=150k path=/d.mp4",
	}
	const target = 150.0
	dir := clip(t, "-f", "lavfi", "-i", "mandelbrot=s=160x90:r=25,noise=alls=20:allf=t", "-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p", "-f", "mp4")
	plan := runEncodes(t, dir, Build(outputs(t, lines...), probe(t, dir, SourceName), Options{}))
	names := encodedFiles(plan)
	if len(names) != len(lines) {
		t.Fatalf("%q from %d outputs", names, len(lines))
	}
	for i, name := range names {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		rate := float64(st.Size()) * 8 / 1000 / seconds
		t.Logf("%s: %.1f kbit/s of %.0f", lines[i], rate, target)
		if math.Abs(rate/target-1) > offTarget {
			t.Errorf("%s: %.1f kbit/s, want %.0f", lines[i], rate, target)
		}
	}
}
