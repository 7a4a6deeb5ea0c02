package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// clipDir puts a clip into a new work directory.
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

// awkward are sources of which a stream is not made by copying: their picture,
// their sound or their clock is not what a stream has.
func awkward(t *testing.T) []testmedia.Recipe {
	list := []testmedia.Recipe{
		testmedia.NoAudio, testmedia.AudioOnly, testmedia.OddSize, testmedia.Portrait90, testmedia.Anamorphic, testmedia.VFR,
		testmedia.TenBit, testmedia.Interlaced, testmedia.LateAudio, testmedia.ShortAudio, testmedia.LateStart,
		testmedia.SurroundFivePointOne, testmedia.MultiAudio, testmedia.Subtitled, testmedia.WebM, testmedia.OneFrame,
	}
	rates := []string{"24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "120", "10"}
	for _, r := range testmedia.Cover(rates, kindOfRate) {
		list = append(list, rated(r))
	}
	standard := testmedia.Clip(t, testmedia.Standard)
	copied := func(name string, args ...string) testmedia.Recipe {
		return testmedia.Recipe{Name: name, Args: append(args, "-c", "copy")}
	}
	return append(list,
		copied("cut off by an edit list.mp4", "-ss", "0.7", "-i", standard),
		copied("late picture.mp4", "-i", standard, "-itsoffset", "0.513", "-i", standard, "-map", "1:v", "-map", "0:a"),
		copied("short picture.mp4", "-t", "2.3", "-i", standard, "-i", standard, "-map", "0:v", "-map", "1:a"),
		copied("late start.mkv", "-i", standard, "-output_ts_offset", "7.3"),
		testmedia.Recipe{Name: "bottom field first.mpg", Args: []string{
			"-f", "lavfi", "-i", "testsrc2=s=128x72:r=60000/1001:d=4", "-vf", "tinterlace=interleave_bottom,setfield=bff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme",
		}},
	)
}

// kindOfRate names what a frame rate is like: whether it is a whole number, and how high.
func kindOfRate(rate string) []string {
	num, den, fraction := strings.Cut(rate, "/")
	fps, _ := strconv.ParseFloat(num, 64)
	if fraction {
		d, _ := strconv.ParseFloat(den, 64)
		fps /= d
	}
	for _, upTo := range []float64{20, 24, 30, 60} {
		if fps <= upTo {
			return []string{fmt.Sprint(fraction, upTo)}
		}
	}
	return []string{"higher"}
}

func hdrOf(name, transfer, more string) testmedia.Recipe {
	return testmedia.Recipe{Name: name, Args: []string{
		"-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=4.5,format=yuv420p10le", "-f", "lavfi", "-i", "sine=f=500:r=48000:d=4.5",
		"-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-c:a", "aac", "-ac", "2",
		"-x265-params", "log-level=error:colorprim=bt2020:colormatrix=bt2020nc:transfer=" + transfer + more,
	}}
}

// TestSources: the streams of awkward sources hold every rule too, in TS, in
// fragmented MP4 and in DASH. Segments are short, so that there are joins.
func TestSources(t *testing.T) {
	t.Parallel()
	for _, r := range awkward(t) {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			holdsAll(t, r, nil, "mp4:0x64::quality=3", "mp4:x:64k")
		})
	}
}

// TestHEVCSources: so do ladders of HEVC, of both codecs, and of HDR, which
// must say so.
func TestHEVCSources(t *testing.T) {
	t.Parallel()
	const hevc, h264 = "mp4:hevc_0x64::quality=3", "mp4:0x36::quality=3"
	pq := hdrOf("pq.mp4", "smpte2084", ":hdr10=1:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)")
	hlg := hdrOf("hlg.mp4", "arib-std-b67", "")
	ranged := []string{"9.16"}
	for _, test := range []struct {
		source   testmedia.Recipe
		variants []string
		must     []string // rules that apply
	}{
		{testmedia.NoAudio, []string{hevc}, nil},
		{testmedia.Portrait90, []string{hevc}, nil},
		{testmedia.OddSize, []string{hevc}, nil},
		{testmedia.VFR, []string{hevc, h264}, nil},
		{testmedia.Interlaced, []string{hevc, h264}, nil},
		{testmedia.LateAudio, []string{hevc, "mp4:x:64k"}, nil},
		{rated("24000/1001"), []string{hevc, h264, "mp4:x:64k"}, nil},
		{rated("60000/1001"), []string{hevc}, nil},
		{pq, []string{hevc, "mp4:x:64k"}, ranged},
		{pq, []string{hevc, h264}, ranged},
		{pq, []string{h264}, nil},
		{hlg, []string{hevc}, ranged},
	} {
		t.Run(test.source.Name+" "+strings.Join(test.variants, " "), func(t *testing.T) {
			t.Parallel()
			holdsAll(t, test.source, test.must, test.variants...)
		})
	}
}

// holdsAll makes every packaging of a source and checks it; the rules of must
// have to apply to HLS.
func holdsAll(t *testing.T, source testmedia.Recipe, must []string, variants ...string) {
	t.Helper()
	o := transcode.Options{Presets: quick.Presets, SegmentSeconds: 2}
	kinds := map[string]bool{}
	for _, p := range streamtest.Publish(t, clipDir(t, testmedia.Clip(t, source)), both(t, variants...), o) {
		reports, err := Stream(t.Context(), p.Root, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, rep := range reports {
			kinds[string(p.Package.Layout)+" "+rep.Kind] = true
			if !rep.OK() || rep.Passed < 8 {
				t.Error(printed(reports))
			}
			for _, res := range rep.Results {
				if rep.Kind == "hls" && slices.Contains(must, res.Rule) && res.Status != Pass {
					t.Errorf("%s: rule %s is %s", rep.Address, res.Rule, res.Status)
				}
			}
		}
	}
	if !kinds["cmaf hls"] || !kinds["cmaf dash"] {
		t.Errorf("what was checked is %v", kinds)
	}
}

// lead is how long after the start of a file its picture begins, in seconds:
// the priming of the audio encoder comes first.
func lead(t *testing.T, file string) float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), testmedia.FFmpeg(t, "ffprobe"), "-v", "error", "-allowed_extensions", "ALL", "-show_entries", "stream=codec_type,start_time", "-of", "json", file).Output()
	if err != nil { // another demuxer than that of HLS
		out, err = exec.CommandContext(t.Context(), testmedia.FFmpeg(t, "ffprobe"), "-v", "error", "-show_entries", "stream=codec_type,start_time", "-of", "json", file).Output()
	}
	var doc struct {
		Streams []struct {
			Type  string  `json:"codec_type"`
			Start float64 `json:"start_time,string"`
		}
	}
	if err := errors.Join(err, json.Unmarshal(out, &doc)); err != nil {
		t.Fatal(err)
	}
	picture, first := math.Inf(1), math.Inf(1)
	for _, s := range doc.Streams {
		first = min(first, s.Start)
		if s.Type == "video" {
			picture = min(picture, s.Start)
		}
	}
	return picture - first
}

// TestEveryFrame: each frame of the source is in the stream once and in order,
// and each beep is as far from the first picture as it was, to 10 ms.
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
					after := lead(t, file)
					got := testmedia.BeepsFrom(t, file, after)
					t.Logf("%s %s: the picture begins after %.4f s", p.Package.Layout, name, after)
					if len(got) != len(beeps) {
						t.Errorf("%s %s: %d beeps of %d", p.Package.Layout, name, len(got), len(beeps))
						continue
					}
					for i := range got {
						if math.Abs(got[i]-after-beeps[i]) > 0.010 {
							t.Errorf("%s %s: beep %d is at %.4f s, in the source at %.4f s", p.Package.Layout, name, i, got[i]-after, beeps[i])
						}
					}
				}
			}
		})
	}
}
