package transcode

import "math"

// The default maxrate is that of 1080 lines at 30 frames a second with quality
// 4, which is four times what the default ladder allows there.
const (
	maxrateTopK       = 16000
	maxrateTopPixels  = 1920 * 1080 * 30 // pixels a second
	maxrateTopQuality = 4
	maxrateLeastK     = 100
	pixelExponent     = 0.75 // larger pictures need fewer bits for a pixel
)

// defaultMaxrate is the bound in kbit/s of a stream's variant that asks for a
// quality without a maxrate. Players fill a buffer, so no variant goes without
// one; usual pictures stay far below it. Two columns of quality double the rate.
func (p *planner) defaultMaxrate(r rendition) int {
	quality := qualityOf(r.encoder.Quality, r.settings.CRF)
	pixels := float64(r.geometry.W*r.geometry.H) * fpsFloat(p.rate(r))
	k := maxrateTopK * math.Pow(pixels/maxrateTopPixels, pixelExponent) * math.Exp2((quality-maxrateTopQuality)/2)
	// Two digits are enough, and small changes of the source make no other key.
	step := math.Pow(10, math.Floor(math.Log10(max(1, k)))-1)
	return max(maxrateLeastK, int(math.Round(k/step)*step))
}

// qualityOf is where a CRF is on the scale of quality, of which scale has the CRFs of 1 to
// 5. Between two it is interpolated, and it goes on to a step beyond both ends.
func qualityOf(scale [5]int, crf int) float64 {
	at := 0
	for at < len(scale)-2 && (scale[at+1]-crf)*(scale[0]-scale[1]) > 0 {
		at++
	}
	q := float64(1+at) + float64(scale[at]-crf)/float64(scale[at]-scale[at+1])
	return min(max(q, 0), float64(len(scale)+1))
}

// withoutDefaultMaxrate is the rendition without what only variants of streams
// ask for.
func (r rendition) withoutDefaultMaxrate() rendition {
	r.settings.DefaultMaxrateK, r.notOn = 0, ""
	return r
}
