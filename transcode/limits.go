package transcode

import (
	"math"
	"slices"

	"github.com/copra-video/copra/transcode/format"
)

// limits are what an encoder cannot do, so that a request is brought within
// them instead of failing.
type limits struct {
	minW, minH int // the picture is enlarged to these; 0: none
	maxW, maxH int // and made smaller to these
	multiple   int // sides are multiples of it; 0: of 2
	sizes      []size
	// constant: frames are counted, so they must come regularly and from the
	// beginning on.
	constant bool
	rates    []format.Rational // frame rates that it knows; nil: any
	maxFPS   format.Rational   // zero: none
}

// size is a frame size with the shape of its pixels, when nothing else can be
// encoded.
type size struct {
	W, H int
	SAR  ratio
}

// h263Sizes are the five of H.263, sub-QCIF to 16CIF, whose pixels are 12:11.
var h263Sizes = []size{
	{128, 96, ratio{12, 11}}, {176, 144, ratio{12, 11}}, {352, 288, ratio{12, 11}},
	{704, 576, ratio{12, 11}}, {1408, 1152, ratio{12, 11}},
}

// mpegRates are the frame rates of MPEG-1 and MPEG-2, ascending.
var mpegRates = []format.Rational{
	{Num: 24000, Den: 1001}, {Num: 24, Den: 1}, {Num: 25, Den: 1}, {Num: 30000, Den: 1001},
	{Num: 30, Den: 1}, {Num: 50, Den: 1}, {Num: 60000, Den: 1001}, {Num: 60, Den: 1},
}

// fit brings g within the limits.
func (l limits) fit(g geometry) geometry {
	if len(l.sizes) > 0 {
		return l.closestSize(g).fitInto(g)
	}
	k := 1.0
	if g.W < l.minW || g.H < l.minH {
		k = max(float64(l.minW)/float64(g.W), float64(l.minH)/float64(g.H))
	}
	for _, m := range [][2]int{{l.maxW, g.W}, {l.maxH, g.H}} {
		if m[0] > 0 && float64(m[1])*k > float64(m[0]) {
			k = float64(m[0]) / float64(m[1])
		}
	}
	return g.resized(k, max(2, l.multiple))
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

// closestSize is the size whose area is nearest to what is wanted.
func (l limits) closestSize(g geometry) size {
	want := math.Log(float64(g.W * g.H))
	return slices.MinFunc(l.sizes, func(a, b size) int {
		da, db := math.Abs(math.Log(float64(a.W*a.H))-want), math.Abs(math.Log(float64(b.W*b.H))-want)
		if da < db {
			return -1
		}
		return 1
	})
}

// fitInto puts the picture of g into s: with bars, or cut when g cuts.
func (s size) fitInto(g geometry) geometry {
	sar := s.SAR.float()
	dar := g.SAR.float() * float64(g.ScaleW) / float64(g.ScaleH)
	fullW, fullH := even(float64(s.H)*dar/sar), even(float64(s.W)*sar/dar)
	if g.cropped() {
		return geometry{max(s.W, fullW), max(s.H, fullH), s.W, s.H, s.SAR}
	}
	return geometry{min(s.W, fullW), min(s.H, fullH), s.W, s.H, s.SAR}
}

// limitRate is the constant rate that r must have for l, or the one that it has
// when that will do. avi tells that the container counts frames too.
func (p *planner) limitRate(r rendition, l limits, avi bool) format.Rational {
	if !l.constant && !avi {
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
	if best := l.rate(has); best != has {
		return best
	}
	return rate
}

// rate is r, or the nearest that l allows.
func (l limits) rate(r format.Rational) format.Rational {
	if validRate(l.maxFPS) && fpsFloat(r) > fpsFloat(l.maxFPS)+0.001 {
		r = l.maxFPS
	}
	if l.rates == nil {
		return mpeg4Rate(r)
	}
	f := fpsFloat(r)
	// Frames are repeated evenly when a known rate is a multiple.
	for _, k := range []float64{1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 24, 30} {
		for _, have := range l.rates {
			if math.Abs(fpsFloat(have)-k*f) < 0.0005*k*f {
				return have
			}
		}
	}
	for _, have := range l.rates {
		if fpsFloat(have) >= f {
			return have
		}
	}
	return l.rates[len(l.rates)-1]
}

// mpeg4Rate is a rate near r whose terms fit into 16 bits, as MPEG-4 wants.
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
