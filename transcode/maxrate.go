package transcode

import (
	"cmp"
	"math"
	"slices"
)

// effectiveMaxrateK is the most that a rendition of constant quality may take, in
// kbit/s; 0: no bound.
func (r rendition) effectiveMaxrateK() int { return cmp.Or(r.maxrateK, r.defaultMaxrateK) }

// The guard is that of 1080 lines at 30 frames a second with quality 4, four
// times what the default ladder allows there.
const (
	maxrateTopK       = 16000
	maxrateTopPixels  = 1920 * 1080 * 30 // pixels a second
	maxrateTopQuality = 4
	maxrateLeastK     = 100
	pixelExponent     = 0.75 // larger pictures need fewer bits for a pixel
)

// defaultMaxrate is the ceiling of a variant that asks for a quality without a maxrate,
// in kbit/s. Players fill a buffer, so no variant goes without one; what is
// usual stays far below it. Two columns of quality double the rate.
func (p *planner) defaultMaxrate(r rendition) int {
	enc, _ := videoEncoderFor(r.codec)
	quality := 1 + slices.Index(enc.quality[:], r.crf)
	pixels := float64(r.geometry.W*r.geometry.H) * fpsFloat(p.rate(r))
	k := maxrateTopK * math.Pow(pixels/maxrateTopPixels, pixelExponent) * math.Exp2(float64(quality-maxrateTopQuality)/2)
	// Two digits are enough, and small changes of the source make no other key.
	step := math.Pow(10, math.Floor(math.Log10(max(1, k)))-1)
	return max(maxrateLeastK, int(math.Round(k/step)*step))
}

// withoutDefaultMaxrate is the key without what only variants of streams ask for.
func (r rendition) withoutDefaultMaxrate() rendition {
	r.defaultMaxrateK = 0
	return r
}

// serve lets a rendition stand for another that differs in the guard alone: a
// file has no need of one, but loses nothing by it.
func (v *renditionNode) serve(key rendition) bool {
	if v.key.withoutDefaultMaxrate() != key.withoutDefaultMaxrate() {
		return false
	}
	v.key.defaultMaxrateK = max(v.key.defaultMaxrateK, key.defaultMaxrateK)
	return true
}
