package transcode

import (
	"math"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// A recording of 30 frames a second that leaves some out and whose clock jitters by 12 ms
// keeps its phase in streams: else picture and sound are apart by up to half a frame.
func TestPhaseOfIrregularFrames(t *testing.T) {
	thirty := format.Rational{Num: 30, Den: 1}
	for _, tt := range []struct {
		late, jitter float64 // seconds, 0 to jitter
		want         float64
	}{
		{0.009, 0.012, 0.015}, {0.025, 0, 0.025}, {0, 0, 0}, {0.040, 0.006, 0.043 - 1.0/30},
		{0, 1.0 / 30, 0}, // no phase is more frequent than others
		{-0.004, 0, 0},   // the first frame would be before zero
	} {
		var times []float64
		for n := range 240 {
			if n%7 != 3 {
				times = append(times, max(0, float64(n)/30+tt.late+tt.jitter*float64(n*37%100)/99))
			}
		}
		s := newSource(job.Media{Duration: 8, Video: []job.VideoStream{{Width: 160, Height: 90, Rate: thirty, Irregular: true, Times: times}}})
		if got := s.phase(thirty); math.Abs(got-tt.want) > 0.001 {
			t.Errorf("late by %.3f s, jitter %.3f s: phase %.4f, want %.4f", tt.late, tt.jitter, got, tt.want)
		}
	}
}

// A source whose first frames come earlier than all others, as those before zero of
// Matroska, has the phase of the others, unless that moves most frames to another place.
func TestPhaseBehindTheFirstFrames(t *testing.T) {
	rate := format.Rational{Num: 25, Den: 1}
	for _, tt := range []struct {
		early, hole int // frames at the phase 0, and where a frame is missing
		want        float64
	}{{1, 1, 0.021}, {13, 13, 0.021}, {13, 90, 0}} {
		var times []float64
		for n := range 100 {
			switch {
			case n < tt.early:
				times = append(times, float64(n)*0.04)
			case n < tt.hole:
				times = append(times, float64(n)*0.04-0.019)
			default:
				times = append(times, float64(n)*0.04+0.021)
			}
		}
		s := newSource(job.Media{Duration: 8, Video: []job.VideoStream{{Width: 160, Height: 90, Rate: rate, Irregular: true, Times: times}}})
		if got := s.phase(rate); math.Abs(got-tt.want) > 0.002 {
			t.Errorf("%+v: phase %.4f", tt, got)
		}
	}
}

// TestRateOfIrregularFrames: an encoder knows the frame rate where FFmpeg 7 forgets it, behind
// the filter that keeps the phase of irregular frames; or it gets none with a phase.
func TestRateOfIrregularFrames(t *testing.T) {
	m := film(160, 90)
	m.Duration = 8
	v := &m.Video[0]
	v.Rate, v.Irregular, v.Duration = format.Rational{Num: 30, Den: 1}, true, 8
	for n := range 240 {
		if n%7 != 3 {
			v.Times = append(v.Times, float64(n)/30+0.009+0.012*float64(n*37%100)/99)
		}
	}
	for _, c := range []struct {
		line  string
		major int
		want  string // of phase, and of fps=30/1 of the encoder
	}{
		{"mp4:30fps path=/a.mp4", 5, "phase"}, {"mp4:30fps path=/a.mp4", 7, "phase rate"}, {"mp4:hevc_30fps path=/a.mp4", 7, "phase rate"},
		{"webm:30fps path=/a.webm", 7, "phase"}, {"mp4:av1_30fps path=/a.mp4", 5, "phase"}, {"mp4:av1_30fps path=/a.mp4", 7, ""},
	} {
		p := Build([]*job.Output{output(t, c.line)}, m, Options{Capabilities: Capabilities{Major: c.major}})
		var got []string
		for _, s := range p.Steps {
			if s.VideoEncodes == 0 {
				continue
			}
			args := strings.Join(s.Op.FFmpeg.Args, " ")
			if strings.Contains(args, "settb=1/90000,setpts=PTS+") {
				got = append(got, "phase")
			}
			if strings.Contains(args, "-params fps=30/1") || strings.Contains(args, ":fps=30/1") {
				got = append(got, "rate")
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s with FFmpeg %d: %q, want %q", c.line, c.major, got, c.want)
		}
	}
}
