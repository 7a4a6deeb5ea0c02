package main

import (
	"cmp"
	"math"
	"slices"
)

// point is what one encode has cost and given.
type point struct {
	Kbit float64 `json:"kbit"` // a second
	CPU  float64 `json:"cpu"`  // seconds for a second of the clip
	SSIM float64 `json:"ssim"`
}

// decibels is the SSIM on a scale on which equal steps look alike: -10 log10(1-SSIM).
func (p point) decibels() float64 { return -10 * math.Log10(math.Max(1e-9, 1-p.SSIM)) }

// leastOverlap is the range of quality in dB over which two curves are compared at least.
const leastOverlap = 0.5

// relative compares two series of encodes of a clip at several qualities: by how much
// one needs more bits and more CPU time than the base for the same SSIM, 1 for as much.
// It is the mean over the range of quality that both have, on logarithmic scales, as
// in Bjøntegaard's method. ok is false where the two have too little in common.
func relative(base, other []point) (rate, cpu float64, ok bool) {
	lo, hi := span(base)
	otherLo, otherHi := span(other)
	lo, hi = math.Max(lo, otherLo), math.Min(hi, otherHi)
	if !(hi-lo >= leastOverlap) {
		return 0, 0, false
	}
	kbit := func(p point) float64 { return p.Kbit }
	time := func(p point) float64 { return p.CPU }
	return meanRatio(base, other, kbit, lo, hi), meanRatio(base, other, time, lo, hi), true
}

// span is the range of quality of points, in decibels.
func span(points []point) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range points {
		lo, hi = math.Min(lo, p.decibels()), math.Max(hi, p.decibels())
	}
	return lo, hi
}

// steps is the number of places at which curves are compared.
const steps = 64

func meanRatio(base, other []point, value func(point) float64, lo, hi float64) float64 {
	a, b := newSpline(base, value), newSpline(other, value)
	sum := 0.0
	for i := range steps {
		at := lo + (hi-lo)*(float64(i)+0.5)/steps
		sum += b.at(at) - a.at(at)
	}
	return math.Exp(sum / steps)
}

// spline is a curve through points without humps between them: cubic pieces whose slopes
// are the harmonic means of the neighbours' (Fritsch and Butland, 1984).
type spline struct{ x, y, slope []float64 }

// newSpline is the logarithm of a value of the points over their quality.
func newSpline(points []point, value func(point) float64) spline {
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.SSIM, b.SSIM) })
	var s spline
	for _, p := range points {
		x := p.decibels()
		if n := len(s.x); n > 0 && x-s.x[n-1] < 1e-6 {
			continue
		}
		s.x, s.y = append(s.x, x), append(s.y, math.Log(math.Max(1e-9, value(p))))
	}
	n := len(s.x)
	s.slope = make([]float64, n)
	for i := range n {
		switch {
		case n < 2:
		case i == 0:
			s.slope[i] = s.secant(0)
		case i == n-1:
			s.slope[i] = s.secant(n - 2)
		default:
			if a, b := s.secant(i-1), s.secant(i); a*b > 0 {
				s.slope[i] = 2 * a * b / (a + b)
			}
		}
	}
	return s
}

// secant is the slope of the straight line from point i to the next.
func (s spline) secant(i int) float64 { return (s.y[i+1] - s.y[i]) / (s.x[i+1] - s.x[i]) }

// at is the curve's value at x, which lies between its first point and its last.
func (s spline) at(x float64) float64 {
	if len(s.x) == 1 {
		return s.y[0]
	}
	i, _ := slices.BinarySearch(s.x, x)
	i = min(max(i-1, 0), len(s.x)-2)
	h := s.x[i+1] - s.x[i]
	t := (x - s.x[i]) / h
	t2, t3 := t*t, t*t*t
	return (2*t3-3*t2+1)*s.y[i] + (t3-2*t2+t)*h*s.slope[i] + (3*t2-2*t3)*s.y[i+1] + (t3-t2)*h*s.slope[i+1]
}
