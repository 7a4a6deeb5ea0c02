package transcode

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// TestCadence: what a stream asks for of segments and GOPs, and what it gets.
func TestCadence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		segment      float64
		variants     string
		fps          format.Rational
		grid         format.Rational
		wantSegments float64
	}{
		{"the default", 0, "mp4:240p", format.Rational{Num: 30000, Den: 1001}, format.Rational{Num: 2, Den: 1}, 6},
		{"segments", 4, "mp4:240p", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 2, Den: 1}, 4},
		{"odd segments", 5, "mp4:240p", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 5, Den: 4}, 5},
		{"one second", 1, "mp4:240p", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 1, Den: 1}, 1},
		{"television", 3.84, "mp4:240p", format.Rational{Num: 50, Den: 1}, format.Rational{Num: 48, Den: 25}, 3.84},
		{"a GOP", 0, "mp4:240p::gop=4", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 4, Den: 1}, 4},
		{"a short GOP", 0, "mp4:x:64k;mp4:240p::gop=0.5", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 1, Den: 2}, 6},
		{"both", 3, "mp4:240p::gop=1", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 1, Den: 1}, 3},
		{"an encoder that counts frames", 0, "mp4:240p;mp4:av1_240p", format.Rational{Num: 30000, Den: 1001}, format.Rational{Num: 1001, Den: 500}, 6.006},
		{"one that has no need to", 4, "mp4:240p;mp4:av1_240p", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 2, Den: 1}, 4},
		{"sound alone", 4, "mp4:x:64k", format.Rational{Num: 25, Den: 1}, format.Rational{Num: 2, Den: 1}, 4},
	} {
		m := film(1280, 720)
		m.Video[0].FPS, m.Video[0].BaseFPS = tt.fps, tt.fps
		o := output(t, "httpstream hls=/hls variants="+tt.variants)
		o.Stream.SegmentSeconds = tt.segment
		p := newPlanner(newSource(m), Options{SegmentSeconds: defaultSegmentSeconds}, "", 1)
		list, cut, err := p.variants(o.Stream)
		if err != nil || cut.grid != tt.grid || cut.seconds() != tt.wantSegments {
			t.Errorf("%s: a grid of %v and segments of %g s, %v", tt.name, cut.grid, cut.seconds(), err)
		}
		for _, v := range list {
			if v.video != nil && v.video.grid != tt.grid {
				t.Errorf("%s: the variant %s has the grid %v", tt.name, v.id, v.video.grid)
			}
		}
	}
}

// TestCountedFrames: two rates of encoders that count frames need keyframes at the same times.
func TestCountedFrames(t *testing.T) {
	t.Parallel()
	for variants, want := range map[string]string{
		"mp4:av1_240p_30fps;mp4:av1_360p_60fps":              "",
		"mp4:av1_240p;mp4:av1_360p_25fps":                    "give them one rate",
		"mp4:240p_25fps;mp4:av1_360p;mp4:hevc_480p_23.98fps": "",
	} {
		m := film(1280, 720)
		m.Video[0].FPS, m.Video[0].BaseFPS = format.Rational{Num: 30000, Den: 1001}, format.Rational{Num: 30000, Den: 1001}
		p := Build(outputs(t, "httpstream dash=/dash variants="+variants), m, Options{})
		if err := p.Results[0].Err; want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Message, want)) {
			t.Errorf("%s: %v", variants, err)
		}
	}
}

// TestKeyframesInArguments: files and variants tell encoders of their grid, and share an
// encode when it is the same.
func TestKeyframesInArguments(t *testing.T) {
	t.Parallel()
	stream := output(t, "httpstream hls=/hls variants=mp4:240p::gop=0.5,crf=30")
	p := Build(append(outputs(t, "mp4:240p::gop=0.5,crf=30 path=/a.mp4", "mp4:240p::crf=30 path=/b.mp4", "mp4:240p_700k::crf=30 path=/c.mp4"), stream), film(1280, 720), Options{})
	if video, _ := encodes(p); video != 3 {
		t.Errorf("%d encodes, expected 3:\n%s", video, show(p))
	}
	args := show(p)
	for _, want := range []string{"floor((t+0.0005)*2/1)", "floor((t+0.0005)/2)", "-g\n    15\n", "-g\n    60\n", "-crf\n    30\n", "-maxrate\n    700k\n"} {
		if !strings.Contains(args, want) {
			t.Errorf("the arguments have no %q:\n%s", want, args)
		}
	}
}

// TestChunksOnAGrid: chunks are made where a keyframe is due at each of their edges.
func TestChunksOnAGrid(t *testing.T) {
	t.Parallel()
	for gop, want := range map[string]bool{"1": true, "0.5": true, "2": true, "1.5": false, "4": false, "10": true} {
		p := newPlanner(newSource(film(1280, 720)), Options{ChunkSeconds: 10}, "", 1)
		r, err := p.newRendition(output(t, "mp4:240p::gop="+gop).Format, window{}, "", geometry{W: 426, H: 240})
		if err != nil {
			t.Fatal(err)
		}
		if why := p.notCut(r); (why == "") != want {
			t.Errorf("a GOP of %s s: %q", gop, why)
		}
		if want && gop == "0.5" {
			if got := p.keyframes(r, p.chunks[1]); len(got) != 24 || got[0] > 8 || got[0] < 7.9 || got[4] > 10 || got[4] < 9.9 {
				t.Errorf("keyframes of the second chunk are at %v", got)
			}
		}
		if want && gop == "10" { // its warm-up begins between two keyframes
			if got := p.keyframes(r, p.chunks[1]); len(got) != 2 || got[0] < 7.9 || got[0] > 8 || got[1] < 9.9 || got[1] > 10 {
				t.Errorf("keyframes of the second chunk are at %v", got)
			}
		}
	}
}

// TestCRFOfFormats: a CRF is between those of quality, and other settings do not fit it.
func TestCRFOfFormats(t *testing.T) {
	t.Parallel()
	for crf, want := range map[int]float64{32: 1, 29: 2, 20: 5, 26: 3, 1: 6, 51: 0, 28: 2 + 1.0/3} {
		if got := qualityOf([5]int{32, 29, 26, 23, 20}, crf); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("a CRF of %d is the quality %g, expected %g", crf, got, want)
		}
	}
	m := film(1280, 720)
	m.Video[0].GOPs = &job.GOPs{Longest: 2, Keyframes: []float64{0}}
	p := newPlanner(newSource(m), Options{}, "", 1)
	if why := p.otherKeyframes(output(t, "mp4:::gop=1").Format, m.Video[0].GOPs); !strings.Contains(why, "2.0 s apart, and 1 s") {
		t.Errorf("keyframes every 2 s are copied where 1 s is asked for: %q", why)
	}
	card := Options{Encoder: EncoderChoice{Use: "nvenc"}, Capabilities: Capabilities{Devices: []DeviceEncoder{{Encoder: "h264_nvenc", Device: "0", Depth: 8, Works: true}}}}
	for option, why := range map[string]string{"crf=23": "a crf is on the scale of the software", "tune=film": "only the software has a tune"} {
		plan := Build(outputs(t, "mp4:720p::"+option+" path=/a.mp4"), film(1280, 720), card)
		if !slices.ContainsFunc(plan.Notes, func(n Note) bool { return strings.Contains(n.Text, why) }) {
			t.Errorf("%s on a device has the notes %v", option, plan.Notes)
		}
	}
}
