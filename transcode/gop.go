package transcode

import (
	"fmt"
	"math"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// gridOf is the distance of keyframes that a format asks for, which has three decimals at
// most; that of all where it asks for none.
func gridOf(gop float64) format.Rational {
	if gop <= 0 {
		return encoder.DefaultGrid
	}
	g := newRatio(int64(math.Round(gop*1000)), 1000)
	return format.Rational{Num: int(g.num), Den: int(g.den)}
}

// cadence is where the variants of a stream have keyframes and are cut: a grid that all of
// them share, and a number of its cells.
type cadence struct {
	grid  format.Rational
	cells int // in a segment
}

// seconds is the length of a segment. It is rounded down, since a muxer that looks for a
// keyframe a moment too late finds the next one.
func (c cadence) seconds() float64 {
	return math.Floor(fpsFloat(c.grid)*float64(c.cells)*1e6+1e-3) / 1e6
}

// cadenceOf is the cadence that a stream asks for. A segment that does not hold a whole number of
// GOPs has the number that is nearest.
func (p *planner) cadenceOf(params *job.StreamParams) cadence {
	gop, want := 0.0, params.SegmentSeconds
	for _, f := range params.Variants {
		if f.VideoCodec() != "" && f.Options.GOP > 0 {
			gop = f.Options.GOP
		}
	}
	switch {
	case want == 0:
		want = p.SegmentSeconds
	case gop == 0:
		gop = format.GOPFor(want)
	}
	c := cadence{grid: gridOf(gop)}
	c.cells = max(1, int(math.Ceil(want/fpsFloat(c.grid)-0.5)))
	return c
}

// countable is the cadence for encoders that are told a number of frames instead of times:
// cells that last so many frames of each. Where a cell is no whole number of frames, as at
// 29.97 a second, it is brought to the nearest, and the other variants follow.
func (p *planner) countable(c cadence, list []variant) (cadence, *job.Error) {
	for _, v := range list {
		if v.video == nil || !v.video.encoder.CountsKeyframes {
			continue
		}
		rate := p.rate(*v.video)
		frames := max(1, math.Round(fpsFloat(c.grid)*fpsFloat(rate)))
		g := newRatio(int64(frames)*int64(rate.Den), int64(rate.Num))
		c.grid = format.Rational{Num: int(g.num), Den: int(g.den)}
		break
	}
	for _, v := range list {
		if v.video == nil || !v.video.encoder.CountsKeyframes {
			continue
		}
		if frames := fpsFloat(c.grid) * fpsFloat(p.rate(*v.video)); math.Abs(frames-math.Round(frames)) > 1e-4 {
			return c, job.Errorf(job.OutputFormatNotValid, "The variants in AV1 have frame rates that cannot have keyframes at the same times, %.5g among them; give them one rate, or rates of which one is a multiple of the other.", fpsFloat(p.rate(*v.video)))
		}
	}
	return c, nil
}

// align gives all variants the keyframes of a cadence.
func align(list []variant, c cadence) {
	for i, v := range list {
		if v.video != nil && v.video.grid != c.grid {
			r := *v.video
			r.grid = c.grid
			list[i].video = &r
		}
	}
}

// otherKeyframes says why the keyframes of the source are not those that were asked for.
func (p *planner) otherKeyframes(f format.Format, gops *job.GOPs) string {
	if want := f.Options.GOP; want > 0 && gops.Longest > want+1/fpsFloat(p.src.rate())+gridTolerance {
		return fmt.Sprintf("its keyframes are up to %.1f s apart, and %g s are asked for", gops.Longest, want)
	}
	return ""
}
