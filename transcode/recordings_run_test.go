package transcode

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/stream"
)

// staircase is six seconds of ten frames each, and of sound. Every second is
// brighter by 30 than the one before.
var staircase = []string{
	"-f", "lavfi", "-i", "color=black:s=64x36:r=10:d=6,geq=lum='16+floor(N/10)*30':cb=128:cr=128,format=yuv420p", "-f", "lavfi", "-i", "sine=d=6:r=48000",
}

// lumas are how bright the pictures of a file or number pattern are, in full range.
func lumas(t testing.TB, dir, name string, filters string) []float64 {
	t.Helper()
	in := []string{"-v", "error", "-i", name}
	if strings.Contains(name, "%") {
		in = append([]string{"-start_number", "1"}, in...) // picture 0 is none that was asked for
	}
	out, _ := command(t, dir, "ffmpeg", append(in, "-vf", filters+"format=gray,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-fps_mode", "passthrough", "-f", "null", "-")...)
	var all []float64
	for _, m := range brightness.FindAllStringSubmatch(out, -1) {
		y, _ := strconv.ParseFloat(m[1], 64)
		all = append(all, y)
	}
	return all
}

// shows holds pictures of the staircase against the seconds that they must show.
func shows(t testing.TB, what string, got []float64, want ...int) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d pictures, want %d", what, len(got), len(want))
		return
	}
	for i, y := range got {
		if second := y * 219 / 255 / 30; math.Abs(second-float64(want[i])) > 0.3 {
			t.Errorf("%s: picture %d shows second %.1f, want %d", what, i+1, second, want[i])
		}
	}
}

// Recordings that do not say how long they are, or whose clock began long before,
// give every output what a file with an index gives, whether pictures are found by
// seeking or taken from a decode.
func TestRecordings(t *testing.T) {
	t.Parallel()
	h264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac"}
	pictures := []string{"png path=/i_%d.png interval=2", "png path=/n_%d.png number=3", "png path=/o_%d.png offsets=0.96;1.94;4.02"}
	for name, tt := range map[string]struct {
		container, more []string
	}{
		"live WebM": {
			[]string{"-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1", "-f", "webm"},
			[]string{"png path=/s.png interval=1 sprite=3 vtt=s.vtt", "gif:64x path=/a.gif scene=1;3", "httpstream hls=/h dash=/d variants=mp4:64x::quality=1"},
		},
		"FLV from 5000 s":          {append(h264, "-output_ts_offset", "5000", "-flvflags", "no_duration_filesize", "-f", "flv"), []string{"mp4:64x:x:quality=1 path=/c.mp4 offset=1.5 duration=1"}},
		"fragments without length": {append(h264, "-movflags", "delay_moov+default_base_moof+frag_keyframe", "-f", "mp4"), []string{"mp4:64x:x:quality=1 path=/c.mp4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, append(slices.Clone(staircase), tt.container...)...)
			m := measured(t, dir)
			if math.Abs(m.Duration-6) > 0.1 {
				t.Errorf("measured as %.3f s, want 6", m.Duration)
			}
			p := runMedia(t, dir, m, fast, slices.Concat(pictures, tt.more)...)
			interval := []int{0, 2, 4}
			if name == "FLV from 5000 s" {
				interval = []int{0, 2, 5} // its keyframes, at 0, 2.5 and 5 s, are inside these cues
			}
			for i, want := range [][]int{interval, {1, 3, 5}, {0, 1, 4}} {
				shows(t, pictures[i], lumas(t, dir, fmt.Sprintf("out%d/%%05d.png", i+1), ""), want...)
			}
			if name == "FLV from 5000 s" {
				shows(t, "from 1.5 s", lumas(t, dir, p.Results[3].Files[0].Name, "fps=2,"), 1, 2)
			}
			if name != "live WebM" {
				return
			}
			shows(t, "the sprite", lumas(t, dir, p.Results[3].Files[0].Name, "untile=3x2,"), 0, 1, 2, 3, 4, 5)
			track, err := os.ReadFile(filepath.Join(dir, p.Results[3].Files[1].Name))
			const cues = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\ns.png#xywh=0,0,64,36\n\n00:00:01.000 --> 00:00:02.000\ns.png#xywh=64,0,64,36\n"
			if err != nil || !strings.HasPrefix(string(track), cues) || strings.Count(string(track), "-->") != 6 {
				t.Errorf("the track is %s, %v", track, err)
			}
			if g := probe(t, dir, p.Results[4].Files[0].Name); math.Abs(g.Duration-3) > 0.06 {
				t.Errorf("the animation lasts %.2f s, want 3", g.Duration)
			}
			for _, k := range p.Results[5].Packages {
				_, sums, err := stream.Build(os.DirFS(dir), k, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range sums {
					if math.Abs(s.Duration-6) > 0.1 {
						t.Errorf("the track %s lasts %.3f s, want 6", s.ID, s.Duration)
					}
				}
			}
		})
	}
}

// Where a tick of the source's clock is a whole frame, pictures beside an encode show what is
// on screen at their moments.
func TestPicturesOfCoarseClocks(t *testing.T) {
	t.Parallel()
	dir := clip(t, append(slices.Clone(staircase), "-c:v", "ffv1", "-c:a", "pcm_s16le", "-f", "avi")...)
	runMedia(t, dir, measured(t, dir), fast, "mp4:64x::quality=1 path=/a.mp4", "png path=/i_%d.png interval=1.9")
	shows(t, "an interval of 1.9 s", lumas(t, dir, "out2/%05d.png", ""), 0, 1, 3, 5)
}

// Of a file whose index leads nowhere, outputs that need a part of it are made by
// decoding it from its start.
func TestWithoutSeeking(t *testing.T) {
	t.Parallel()
	dir := clip(t, append(slices.Clone(staircase), "-c:v", "libx264", "-preset", "ultrafast", "-g", "250", "-c:a", "aac", "-f", "mp4")...)
	if err := testmedia.EditFile(filepath.Join(dir, SourceName), testmedia.LateSync); err != nil {
		t.Fatal(err)
	}
	o := fast
	o.NoSeek = true
	p := run(t, dir, o, "png path=/i_%d.png offsets=0.5;1.5;4.5", "gif:64x path=/a.gif scene=1;2", "mp4:64x::quality=1 path=/c.mp4 offset=1.5 duration=1")
	shows(t, "pictures", lumas(t, dir, "out1/%05d.png", ""), 0, 1, 4)
	shows(t, "an animation", lumas(t, dir, p.Results[1].Files[0].Name, "fps=1,"), 2, 3)
	shows(t, "from 1.5 s", lumas(t, dir, p.Results[2].Files[0].Name, "fps=2,"), 1, 2)
	for i, r := range Build(outputs(t, "png path=/a.png", "gif:64x path=/a.gif scene=1;2", "mp4:x path=/c.mp4 offset=1", "mp4:x path=/d.mp4"), probe(t, dir, SourceName), fast).Results {
		if want := i < 3; r.Seeks != want {
			t.Errorf("output %d seeks: %v, want %v", i, r.Seeks, want)
		}
	}
}

// In streams of slides every slide is shown from its time on, also in the first
// picture of a segment. Those on the grid of a standard rate keep their times; the
// others are moved by half a frame of 30 a second at most.
func TestStreamsOfSlides(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		times []float64
		bound float64
	}{
		"on a grid":  {[]float64{0, 2.04, 4.08, 6.04, 9.52}, 0.005},
		"off a grid": {[]float64{0, 2.04, 4.07, 6.03, 9.51}, 0.0175},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var at []string
			for _, s := range tt.times {
				at = append(at, fmt.Sprintf("eq(n,%.0f)", s*100))
			}
			dir := clip(t, "-f", "lavfi", "-i", "color=black:s=64x36:r=100:d=12,geq=lum='16+30*(gte(N,204)+gte(N,407)+gte(N,603)+gte(N,951))':cb=128:cr=128,select='"+strings.Join(at, "+")+"'",
				"-f", "lavfi", "-i", "sine=d=12:r=48000", "-fps_mode", "passthrough", "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis", "-f", "webm")
			m := measured(t, dir)
			p := runMedia(t, dir, m, Options{Presets: fast.Presets, SegmentSeconds: 2}, "httpstream hls=/h dash=/d variants=mp4:64x::quality=1")
			zero := m.Video[0].StartTime - m.StartTime
			for _, k := range p.Results[0].Packages {
				track := k.Tracks[0]
				var all []byte
				for n := 0; ; n++ {
					name := fmt.Sprintf(track.Segments, n)
					if n == 0 {
						name = track.Init
					}
					part, err := os.ReadFile(filepath.Join(dir, k.Dir, track.Dir, name))
					if err != nil && n > 0 {
						break
					}
					all = append(all, part...)
				}
				if err := os.WriteFile(filepath.Join(dir, "whole"), all, 0o600); err != nil {
					t.Fatal(err)
				}
				shown := changes(t, dir, "whole")
				for i, got := range shown {
					if want := tt.times[min(i, len(tt.times)-1)]; len(shown) != len(tt.times) || math.Abs(got-want) > tt.bound+0.001 {
						t.Errorf("%s: slides at %.3f, want %.3f (video from %.3f)", k.Layout, shown, tt.times, zero)
						break
					}
				}
			}
		})
	}
}

// changes are the times at which the picture becomes brighter, from the first on.
func changes(t testing.TB, dir, name string) []float64 {
	t.Helper()
	out, _ := command(t, dir, "ffmpeg", "-v", "error", "-copyts", "-i", name, "-map", "0:v:0", "-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-")
	var list []float64
	at, before, first := 0.0, -100.0, math.NaN()
	for line := range strings.Lines(out) {
		if m := ptsTime.FindStringSubmatch(line); m != nil {
			at, _ = strconv.ParseFloat(m[1], 64)
			if math.IsNaN(first) {
				first = at
			}
		}
		if m := brightness.FindStringSubmatch(line); m != nil {
			if y, _ := strconv.ParseFloat(m[1], 64); y > before+10 {
				list, before = append(list, at-first), y
			}
		}
	}
	return list
}

// Streams of browsers' recordings and of VFR files have the rate at which they were
// recorded, not the mean of what arrived.
func TestStreamRateOfRecordings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		"chromium-recording-vp8.webm": 30, "chromium-recording-vp8-timeslice.webm": 30, "chromium-recording-h264-slow-middle.mp4": 30, "handbrake-vfr.mp4": 30,
	} {
		m := measured(t, real(t, name))
		p := Build(outputs(t, "httpstream dash=/d variants=mp4:64x"), m, fast)
		if rate := p.Results[0].Packages[0].Tracks[0].FrameRate; math.Abs(fpsFloat(rate)-float64(want)) > 0.001 {
			t.Errorf("%s: a stream at %d/%d frames a second, want %d (FFmpeg: mean %v, nominal %v; %d frames in %.2f s)", name, rate.Num, rate.Den, want, m.Video[0].FPS, m.Video[0].BaseFPS, m.Video[0].Frames, m.Duration)
		}
	}
}
