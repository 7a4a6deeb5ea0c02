package coconut

import (
	"math"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// The bounds of the param 'segment_duration' in seconds.
const minSegment, maxSegment = 1, 10

// segments reads the params 'segment_duration' and 'gop' of an httpstream, additions to
// Coconut.
func (h hash) segments(p *job.StreamParams) {
	if v := h.get("segment_duration"); v != nil && v.kind != kindDeferred && !blank(v) {
		p.SegmentSeconds = math.Round(1000*h.number("segment_duration", 6, minSegment, maxSegment)) / 1000
	}
	gop, same := h.gop(p.Variants)
	switch seconds := p.SegmentSeconds; {
	case !same:
		h.d.refuse(h.reason, "%s is not valid: players switch between variants at keyframes, expected the same 'gop' in all of them.", h.subject("variants"))
	case seconds == 0:
	case gop == 0 && format.GOPFor(seconds) == 0:
		h.refuse("segment_duration", "seconds that equal parts of 0.5 to 2 s make up, such as 4 or 3.84")
	case gop > 0 && int(math.Round(1000*seconds))%int(math.Round(1000*gop)) != 0:
		h.d.refuse(h.reason, "%s is not valid: segments of %g s are no multiple of a 'gop' of %g s, and they begin at keyframes; expected a multiple.", h.subject("segment_duration"), seconds, gop)
	}
}

// gop reads the param 'gop' for all variants that have none of their own, and returns that
// of those with a picture; 0: none was said. same is false when they differ.
func (h hash) gop(variants []format.Format) (gop float64, same bool) {
	if v := h.get("gop"); v != nil && v.kind != kindDeferred && !blank(v) {
		all := math.Round(1000*h.number("gop", 2, format.MinGOP, format.MaxGOP)) / 1000
		for i := range variants {
			if f := &variants[i]; f.VideoCodec() != "" && f.Options.GOP == 0 {
				f.Options.GOP = all
			}
		}
	}
	first := true
	for _, f := range variants {
		if f.VideoCodec() == "" {
			continue
		}
		if !first && f.Options.GOP != gop {
			return gop, false
		}
		gop, first = f.Options.GOP, false
	}
	return gop, true
}
