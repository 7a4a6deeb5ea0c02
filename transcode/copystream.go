package transcode

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// copiedVideo is the source's video as an intermediate, for the variants of streams that
// it fits.
type copiedVideo struct {
	name, step string
	outputs    []int
}

func (v variant) isCopied() bool { return v.copied }

// copyVariants decides which variants have the source's video as it is. Of several that do,
// all have the same track, and those that then are alike become one.
// holdLast is that of variant.
func (p *planner) copyVariants(list []variant, holdLast float64, cut cadence) []variant {
	alone := true
	var fits *rendition
	for i := range list {
		v := &list[i]
		if v.video == nil {
			continue
		}
		if v.why = p.whyEncoded(v.format, codec.LookupContainer(v.format.Container), *v.video); holdLast > 0 {
			v.why = fmt.Sprintf("its sound goes on for %.1f s after the picture, whose last frame is held", holdLast)
		}
		if v.why != "" {
			alone = false
			continue
		}
		if fits == nil {
			fits = v.video
		}
		v.copied, v.video = true, fits
	}
	if fits == nil {
		return list
	}
	why := p.whyNotSegmented(cut, alone)
	var all []variant
	for _, v := range list {
		if v.copied && why != "" {
			v.copied, v.why = false, why
		}
		all = appendVariant(all, v)
	}
	return all
}

// whyNotSegmented says why the source's video, which is what a variant asks for, cannot be
// cut into segments at its keyframes. Beside variants that are encoded, it must be cut where
// they are: at the first frame of each segment's cell of the grid. alone: there are none.
func (p *planner) whyNotSegmented(cut cadence, alone bool) string {
	gops, frame := p.gops(), 1/fpsFloat(p.src.rate())
	if tag := p.src.video.CodecTag; !slices.Contains([]string{"avc1", "hvc1", "hev1", "vp09", "av01"}, tag) {
		return fmt.Sprintf("as %q it may change its parameters from frame to frame", tag)
	}
	if grid := fpsFloat(cut.grid); gops.Longest > grid+frame+gridTolerance {
		return fmt.Sprintf("its keyframes are up to %.1f s apart, and in this stream they are %.4g s apart at most", gops.Longest, grid)
	}
	segment := cut.seconds()
	start, before := gops.Keyframes[0], gops.Keyframes[0]
	for n := 1.0; ; n++ {
		want := start + n*segment
		at := sort.SearchFloat64s(gops.Keyframes, want-gridTolerance)
		end := at == len(gops.Keyframes)
		edge := p.src.videoEnd()
		if !end {
			edge = gops.Keyframes[at]
		}
		switch {
		case !alone && !end && edge-want > frame-gridTolerance, !alone && end && want < p.src.videoEnd()-frame/2:
			return fmt.Sprintf("it has no keyframe at %.1f s, where the other variants are cut", want-start)
		case alone && edge-before > segment+segmentSlack:
			return fmt.Sprintf("its keyframes make a segment of %.1f s, and %g s are aimed at", edge-before, segment)
		}
		if end {
			return ""
		}
		before = edge
	}
}

// segmentSlack is by how many seconds a segment may be longer than what is aimed at
// (streams.md rule 7.7).
const segmentSlack = 0.5

// copiedVideo registers the source's video for output i.
func (p *planner) copiedVideo(i int) *input {
	if p.copied == nil {
		p.copied = &copiedVideo{name: p.prefix + "copied." + encoder.MP4.Extension, step: p.prefix + string(StepCopy)}
	}
	p.copied.outputs = appendOnce(p.copied.outputs, i)
	return &input{name: p.copied.name, step: p.copied.step, growing: true}
}

// copyStep copies the source's video into an intermediate, which has the time line of one
// that is encoded.
func (p *planner) copyStep() Step {
	s := Step{ID: p.copied.step, Kind: StepCopy, Duration: p.length(window{}), Files: []string{p.copied.name}, Outputs: p.copied.outputs, Cost: 1}
	s.addArgs(window{}.inputArgs()...)
	s.addArgs("-map", "0:"+strconv.Itoa(p.src.video.Index), "-c", "copy")
	s.addArgs(tagArgs(codec.LookupContainer("mp4"), p.src.video.Codec)...)
	s.addArgs(fragmentFlags...)
	s.addArgs(intermediateArgs(encoder.MP4, p.copied.name)...)
	return s
}

// noteCopies says which variants are copied and why, and why the others are not. It is nil
// when nobody asked.
func (b *streamBuilder) noteCopies() *Copied {
	if !b.copies(b.params.Copy) || !slices.ContainsFunc(b.variants, func(v variant) bool { return v.video != nil }) {
		return nil
	}
	c := &Copied{}
	var encoded []string
	for _, v := range b.variants {
		switch {
		case v.copied:
			c.Video = true
			c.Audio = c.Audio || v.audio != nil && v.audio.encoder == nil
			c.Variants = append(c.Variants, v.id)
		case v.video != nil:
			encoded = append(encoded, fmt.Sprintf("%s (%s)", v.id, v.why))
		}
	}
	reason := ""
	if c.Video {
		v := b.src.video
		reason = fmt.Sprintf("Video of the variant %s copied: it is %s %s in %dx%d as asked for, with a keyframe every %.1f s or more often, at each edge of a segment.",
			strings.Join(c.Variants, " and "), v.Codec, v.Profile, v.Width, v.Height, b.gops().Longest)
	}
	if len(encoded) > 0 {
		reason = strings.TrimSpace(reason + " Variants encoded and not copied: " + strings.Join(encoded, "; ") + ".")
	}
	b.noteCopy(b.output, c, reason)
	return c
}
