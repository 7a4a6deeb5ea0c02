package main

import (
	"math"
	"testing"
)

// series are encodes whose quality grows by 6 dB where the rate doubles, at some
// qualities in dB.
func series(kbitAt15, cpu float64, decibels ...float64) []point {
	var list []point
	for _, db := range decibels {
		list = append(list, point{Kbit: kbitAt15 * math.Exp2((db-15)/6), CPU: cpu, SSIM: 1 - math.Pow(10, -db/10)})
	}
	return list
}

func TestRelative(t *testing.T) {
	base := series(1000, 2, 11, 15, 19)
	for _, tt := range []struct {
		name      string
		other     []point
		rate, cpu float64
	}{
		{"itself", base, 1, 1},
		{"a quarter more bits in half the time, at other qualities", series(1250, 1, 10, 12, 18), 1.25, 0.5},
		{"in any order", series(800, 4, 18, 12), 0.8, 2},
	} {
		rate, cpu, ok := relative(base, tt.other)
		if !ok || math.Abs(rate-tt.rate) > 1e-6 || math.Abs(cpu-tt.cpu) > 1e-6 {
			t.Errorf("%s: %.4f, %.4f, %v, want %.4f, %.4f", tt.name, rate, cpu, ok, tt.rate, tt.cpu)
		}
	}
	for name, other := range map[string][]point{
		"nothing":      nil,
		"one encode":   series(1000, 1, 15),
		"other ranges": series(1000, 1, 18.8, 25),
	} {
		if rate, cpu, ok := relative(base, other); ok {
			t.Errorf("%s: %.3f, %.3f", name, rate, cpu)
		}
	}
}

// A curve through points that rise neither falls nor goes beyond them in between.
func TestSplineHasNoHumps(t *testing.T) {
	points := []point{{Kbit: 100, SSIM: 0.9}, {Kbit: 110, SSIM: 0.95}, {Kbit: 900, SSIM: 0.96}, {Kbit: 1000, SSIM: 0.99}}
	s := newSpline(points, func(p point) float64 { return p.Kbit })
	last := math.Inf(-1)
	for x := s.x[0]; x <= s.x[len(s.x)-1]; x += 0.01 {
		y := s.at(x)
		if y < last-1e-9 || y > math.Log(1000)+1e-9 {
			t.Fatalf("at %.2f dB: %.4f after %.4f", x, y, last)
		}
		last = y
	}
	for i, p := range points {
		if got := s.at(s.x[i]); math.Abs(got-math.Log(p.Kbit)) > 1e-9 {
			t.Errorf("point %d: %.4f", i, got)
		}
	}
}
