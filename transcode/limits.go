package transcode

import (
	"math"
	"slices"

	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// longestEnlarged is the longest side of a picture that is enlarged as a whole. A thin line,
// of 2000x2, is not made a picture of 64,000 for it.
const longestEnlarged = 4096

// fitLimits brings a geometry within the limits of an encoder: as a whole, or each side by
// itself where that is not possible.
func fitLimits(l encoder.Limits, g geometry) geometry {
	if len(l.Sizes) > 0 {
		return fitInto(closestSize(l.Sizes, g), g)
	}
	if max(g.W, g.H) > longestEnlarged {
		l.MinW, l.MinH = max(l.MinW, l.MinBesideLong), max(l.MinH, l.MinBesideLong)
	}
	k, multiple := 1.0, max(2, l.Multiple)
	if g.W < l.MinW || g.H < l.MinH {
		k = max(float64(l.MinW)/float64(g.W), float64(l.MinH)/float64(g.H))
	}
	for _, m := range [][2]int{{l.MaxW, g.W}, {l.MaxH, g.H}} {
		if m[0] > 0 && float64(m[1])*k > float64(m[0]) {
			k = float64(m[0]) / float64(m[1])
		}
	}
	whole := g.resized(k, multiple)
	w, h := sideWithin(whole.W, l.MinW, l.MaxW, l.Forbidden, multiple), sideWithin(whole.H, l.MinH, l.MaxH, l.Forbidden, multiple)
	if w == whole.W && h == whole.H && (k <= 1 || max(w, h) <= longestEnlarged) {
		return whole
	}
	return g.stretched(sideWithin(g.W, l.MinW, l.MaxW, l.Forbidden, multiple), sideWithin(g.H, l.MinH, l.MaxH, l.Forbidden, multiple))
}

// sideWithin is the side nearest to n that is from least to most, if that is not 0, a
// multiple of multiple and none of forbidden, if that is not 0.
func sideWithin(n, least, most, forbidden, multiple int) int {
	if most == 0 {
		most = maxSide
	}
	n = max(multiple, min(max(n, least), most)/multiple*multiple)
	if forbidden > 0 && n%forbidden == 0 {
		n -= multiple
	}
	return n
}

// stretched makes w x h of a geometry. The shape that is shown stays.
func (g geometry) stretched(w, h int) geometry {
	part := func(n, of, to int) int { return max(2, even(float64(n)*float64(to)/float64(of))) }
	return geometry{
		part(g.ScaleW, g.W, w), part(g.ScaleH, g.H, h), w, h,
		g.SAR.mul(int64(g.W), int64(w)).mul(int64(h), int64(g.H)),
	}
}

// resized scales a geometry by k, with sides that are multiples of m. The shape
// that is shown stays.
func (g geometry) resized(k float64, m int) geometry {
	side := func(n int) int {
		if k == 1 && n%m == 0 {
			return n
		}
		return max(m, m*int(math.Round(float64(n)*k/float64(m))))
	}
	out := geometry{side(g.ScaleW), side(g.ScaleH), side(g.W), side(g.H), g.SAR}
	if out == g {
		return g
	}
	if !g.letterboxed() && !g.cropped() {
		out.W, out.H = out.ScaleW, out.ScaleH
		out.SAR = g.SAR.mul(int64(g.W), int64(out.W)).mul(int64(out.H), int64(g.H))
	}
	return out
}

// closestSize is the size whose area is closest to what is wanted.
func closestSize(sizes []encoder.Size, g geometry) encoder.Size {
	want := math.Log(float64(g.W * g.H))
	return slices.MinFunc(sizes, func(a, b encoder.Size) int {
		da, db := math.Abs(math.Log(float64(a.W*a.H))-want), math.Abs(math.Log(float64(b.W*b.H))-want)
		if da < db {
			return -1
		}
		return 1
	})
}

// fitInto puts the picture of g into s: with bars, or cut when g cuts.
func fitInto(s encoder.Size, g geometry) geometry {
	shape := newRatio(int64(s.SAR.Num), int64(s.SAR.Den))
	sar := shape.float()
	dar := g.SAR.float() * float64(g.ScaleW) / float64(g.ScaleH)
	fullW, fullH := even(float64(s.H)*dar/sar), even(float64(s.W)*sar/dar)
	if g.cropped() {
		return geometry{max(s.W, fullW), max(s.H, fullH), s.W, s.H, shape}
	}
	return geometry{min(s.W, fullW), min(s.H, fullH), s.W, s.H, shape}
}

// limitRate is the constant rate that r must have for l, or the rate that it has
// when that will do. countsFrames tells that the container has no time stamps.
func (p *planner) limitRate(r rendition, l encoder.Limits, countsFrames bool) format.Rational {
	if !l.Constant && !countsFrames {
		return r.fps
	}
	rate := r.fps
	if !validRate(rate) {
		rate = p.src.streamRate()
		if !validRate(rate) && (p.src.variable() || !validRate(p.src.rate())) {
			rate = nearestStandard(p.src.video)
		}
		if !validRate(rate) && p.src.startOffset(p.src.video.StartTime) > 0.001 {
			rate = p.src.rate() // what is missing at the beginning is filled
		}
	}
	has := p.src.rate()
	if validRate(rate) {
		has = rate
	}
	if best := allowedRate(l, has); best != has {
		return best
	}
	return rate
}

// allowedRate is r, or the nearest rate that l allows.
func allowedRate(l encoder.Limits, r format.Rational) format.Rational {
	if validRate(l.MaxFPS) && fpsFloat(r) > fpsFloat(l.MaxFPS)+0.001 {
		r = l.MaxFPS
	}
	if l.Rates == nil {
		return mpeg4Rate(r)
	}
	f := fpsFloat(r)
	// Frames are repeated evenly when a known rate is a multiple.
	for _, k := range []float64{1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 24, 30} {
		for _, have := range l.Rates {
			if math.Abs(fpsFloat(have)-k*f) < 0.0005*k*f {
				return have
			}
		}
	}
	for _, have := range l.Rates {
		if fpsFloat(have) >= f {
			return have
		}
	}
	return l.Rates[len(l.Rates)-1]
}

// mpeg4Rate is a rate near r whose terms fit into 16 bits, as MPEG-4 wants
// (ISO/IEC 14496-2, vop_time_increment_resolution).
func mpeg4Rate(r format.Rational) format.Rational {
	if r.Num <= math.MaxUint16 && r.Den <= math.MaxUint16 {
		return r
	}
	f := fpsFloat(r)
	if f > 65 {
		return format.Rational{Num: int(math.Round(f)), Den: 1}
	}
	if n := int(math.Round(f * 1.001)); n > 0 && n <= 65 && math.Abs(float64(n)/1.001-f) < 0.002 {
		return format.Rational{Num: n * 1000, Den: 1001}
	}
	n := int(math.Round(f * 1000))
	return format.Rational{Num: n, Den: 1000}
}
