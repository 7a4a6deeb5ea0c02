package check

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// both asks for every packaging.
func both(t *testing.T, variants ...string) *job.StreamParams {
	return &job.StreamParams{
		Variants: streamtest.Formats(t, variants...),
		HLS:      &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
	}
}

// clipDir puts a clip into a new scratch folder.
func clipDir(t *testing.T, clip string) string {
	t.Helper()
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, transcode.SourceName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func rated(rate string) testmedia.Recipe {
	return testmedia.Recipe{Name: "rate-" + strings.ReplaceAll(rate, "/", "-") + ".mp4", Args: []string{
		"-f", "lavfi", "-i", "testsrc2=s=128x72:r=" + rate + ":d=4.5", "-f", "lavfi", "-i", "sine=f=500:r=44100:d=4.5",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ac", "2",
	}}
}

// TestSources: the streams of awkward sources hold every rule too. Segments are
// short, so that there are joins.
func TestSources(t *testing.T) {
	t.Parallel()
	o := transcode.Options{Presets: quick.Presets, SegmentSeconds: 2}
	list := []testmedia.Recipe{
		testmedia.NoAudio, testmedia.AudioOnly, testmedia.OddSize, testmedia.Portrait90, testmedia.Anamorphic, testmedia.VFR,
		testmedia.TenBit, testmedia.Interlaced, testmedia.LateAudio, testmedia.ShortAudio, testmedia.LateStart,
		testmedia.SurroundFivePointOne, testmedia.MultiAudio, testmedia.Subtitled, testmedia.WebM, testmedia.OneFrame,
	}
	for _, r := range []string{"24000/1001", "50", "60000/1001", "120", "10"} {
		list = append(list, rated(r))
	}
	for _, r := range list {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			dir := clipDir(t, testmedia.Clip(t, r))
			for _, p := range streamtest.Publish(t, dir, both(t, "mp4:0x64::quality=3", "mp4:x:64k"), o) {
				reports, err := Stream(t.Context(), p.Root, Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, rep := range reports {
					if !rep.OK() || rep.Passed < 8 {
						t.Error(printed(reports))
					}
				}
			}
		})
	}
}

// TestEveryFrame: each frame of the source is in the stream once and in order,
// and each beep is where it was, to a frame.
func TestEveryFrame(t *testing.T) {
	t.Parallel()
	const seconds = 7
	for _, fps := range []string{"25", "30000/1001"} {
		t.Run(fps, func(t *testing.T) {
			t.Parallel()
			clip := testmedia.Counter(t, fps, seconds, 128, 128)
			want := testmedia.ReadFrames(t, clip)
			beeps := testmedia.Beeps(t, clip)
			o := transcode.Options{Presets: quick.Presets, SegmentSeconds: 2}
			for _, p := range streamtest.Publish(t, clipDir(t, clip), both(t, "mp4:96x96::quality=5"), o) {
				for _, name := range []string{"master.m3u8", "master.mpd"} {
					file := filepath.Join(p.Root, name)
					if _, err := os.Stat(file); err != nil {
						continue
					}
					if got := testmedia.ReadFrames(t, file); !slices.Equal(got, want) {
						t.Errorf("%s %s: the frames are %v", p.Package.Layout, name, got)
					}
					got := testmedia.Beeps(t, file)
					if len(got) != len(beeps) {
						t.Errorf("%s %s: %d beeps of %d", p.Package.Layout, name, len(got), len(beeps))
						continue
					}
					for i := range got {
						if math.Abs(got[i]-beeps[i]) > 0.025 {
							t.Errorf("%s %s: beep %d is at %.3f s, in the source at %.3f s", p.Package.Layout, name, i, got[i], beeps[i])
						}
					}
				}
			}
		})
	}
}
