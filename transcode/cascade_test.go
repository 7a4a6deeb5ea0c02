package transcode

import (
	"math"
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
