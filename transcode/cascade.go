package transcode

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/cmplx"
	"slices"

	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// graphOutput is a rendition with the label of the graph's output that it is
// taken from.
type graphOutput struct {
	key   rendition
	label string
}

// tree is the graph of a decode group: renditions with the same filters before
// scaling and the same frame rate share a stem, and thumbnails are taken from
// the decoded frames.
//
// Of a chunk, frames are chosen where filters have seen what is around them, and
// before anything is done that takes long. edges adds the frames at its edges.
func (p *planner) tree(videos []*renditionNode, pictures []*thumbnails, watermarks []string, c chunk, edges bool) *branch {
	type stem struct {
		preFilters string
		fps        format.Rational
		toneMap    bool
		frames     string // of a chunk: the filter that chooses its frames
		burned     int    // the track of pictures that is laid over, from 1; 0: none
	}
	stems := map[stem][]graphOutput{}
	for i, v := range videos {
		r := v.rendition()
		k := stem{r.preFilters, r.fps, r.toneMap, p.frameFilter(r, c), 0}
		if track, ok := p.burnedPicture(r); ok {
			k.burned = track + 1
		}
		stems[k] = append(stems[k], graphOutput{r, videoLabel(i)})
	}
	order := slices.SortedFunc(maps.Keys(stems), func(a, b stem) int {
		return cmp.Or(cmp.Compare(a.preFilters, b.preFilters), cmp.Compare(a.fps.Num, b.fps.Num), cmp.Compare(a.fps.Den, b.fps.Den), compareBool(a.toneMap, b.toneMap), cmp.Compare(a.frames, b.frames), cmp.Compare(a.burned, b.burned))
	})
	root := &branch{}
	root.add(p.src.sourceTags(), p.endFilter(c))
	for _, k := range order {
		node := root
		if k.burned > 0 {
			node = p.overSource(root, k.burned-1)
		}
		node = node.child(k.preFilters, p.src.fpsFilter(k.fps, c.from, slices.ContainsFunc(stems[k], p.onGrid)), k.frames)
		in := p.src.frame
		if k.preFilters != "" {
			in = frame{} // the size after these filters is not the source's
		}
		if k.toneMap {
			in = p.toSDR(node, in, stems[k])
		}
		p.cascade(node, in, stems[k], watermarks)
	}
	if edges {
		for _, e := range c.edges() {
			root.child(e.filter()).label = e.label
		}
	}
	for i, s := range pictures {
		s.style.graph(root.child(s.selectFilter()), watermarks, 1, thumbnailLabel(i))
	}
	return root
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// cascade builds the branches of one stem below root: from the largest down,
// each rendition is scaled from the next larger one instead of from the source.
// watermarks are the inputs after the source.
func (p *planner) cascade(root *branch, in frame, list []graphOutput, watermarks []string) {
	slices.SortStableFunc(list, func(a, b graphOutput) int {
		return cmp.Compare(b.key.geometry.ScaleW*b.key.geometry.ScaleH, a.key.geometry.ScaleW*a.key.geometry.ScaleH)
	})
	// A level is a node that holds the picture at one size and format.
	type level struct {
		geometry geometry
		pixFmt   string
		matrix   string
		node     *branch
	}
	var levels []level
	for _, l := range list {
		g, pixFmt := l.key.geometry, l.key.settings.PixFmt
		at := root
		w, h, options := in.W, in.H, p.scalerOptions(l.key)
		found := false
		for _, have := range slices.Backward(levels) {
			if have.pixFmt != pixFmt || have.matrix != l.key.matrix || !have.geometry.feeds(g) {
				continue
			}
			at, w, h, options = have.node, have.geometry.ScaleW, have.geometry.ScaleH, ""
			found = true
			break
		}
		scale := g.scaleFilter(w, h, options)
		if scale != "" || !found {
			at = at.child(scale)
			if !found {
				at.add("format=" + pixFmt)
			}
			levels = append(levels, level{g, pixFmt, l.key.matrix, at})
		}
		at = at.child(p.lutFilters(l.key)...)
		at.add(g.finish()...)
		at.add(p.tagFilter(l.key))
		if over := overlayOf(l.key.watermark, watermarks, 1, g, pixFmt, p.watermarkColours(l.key), p.watermarkTone(l.key)); over != nil {
			at.over = over
			at = at.child("format=" + pixFmt)
		}
		at = p.overlayLayers(at, l.key, watermarks)
		at.add(l.key.encoder.UploadFilters(pixFmt)...)
		at.label = l.label
	}
}

// onGrid is counts for an output of a graph.
func (p *planner) onGrid(o graphOutput) bool { return p.counts(o.key.encoder) }

// counts reports whether the frames have to be at the places of their rate: the encoder counts
// them. Behind the filter that keeps their phase (gridFilter) FFmpeg 7 does not
// know the rate, and encoders take a tick for a frame: a level for 90000 frames a second, and a
// tenth of the bitrate. SVT-AV1 ends. x264
// and x265 can be told the rate (encoder.Run.FPS), and libvpx needs none.
func (p *planner) counts(e *encoder.Video) bool {
	return e.Limits.Constant || p.forgetsRate() && !e.KnowsRate
}

// forgetsRate reports whether setpts forgets the frame rate (libavfilter/setpts.c of FFmpeg 7).
func (p *planner) forgetsRate() bool { return p.Capabilities.Major >= 7 }

// phase is by how many seconds the frames of the source come after the places of its
// rate r, counted from zero; 0: they are there.
func (s *source) phase(r format.Rational) float64 {
	if s.variable() {
		return s.meanPhase(r)
	}
	if s.rate() != r {
		return 0
	}
	late, frame := s.startOffset(s.video.StartTime), 1/fpsFloat(r)
	late -= math.Floor(late/frame) * frame
	if late < 0.001 || late > frame-0.001 {
		return 0
	}
	return late
}

// meanPhase is phase for frames that come irregularly, as of recorders whose clock jitters
// round the places: the mean, as of directions. 0: the frames come at all phases, or the
// first one would be before zero and many would have to move on for it.
func (s *source) meanPhase(r format.Rational) float64 {
	times := s.video.Times
	if len(times) == 0 || s.video.Rate != r {
		return 0
	}
	var mean complex128
	for _, t := range times {
		mean += cmplx.Rect(1/float64(len(times)), 2*math.Pi*t*fpsFloat(r))
	}
	const agreed = 0.5 // a jitter of a third of a frame has 0.8
	frame := 1 / fpsFloat(r)
	late := math.Mod(cmplx.Phase(mean)/(2*math.Pi)+1, 1) * frame
	if cmplx.Abs(mean) < agreed || late < 0.001 || late > frame-0.001 {
		return 0
	}
	if times[0] < late-frame/2 && (late > frame-misplaced || movedOn(times, late, frame) > len(times)/4) {
		return 0
	}
	return math.Round(late*1e6) / 1e6
}

// misplaced is by how many seconds picture and sound may be apart.
const misplaced = 0.005

// movedOn counts the frames that do not get the place next to them, of those from late on
// that are a frame apart: another has it, or it is before zero.
func movedOn(times []float64, late, frame float64) int {
	moved, free := 0, 0.0
	for _, t := range times {
		place := math.Round((t - late) / frame)
		if place < free {
			moved, place = moved+1, free
		}
		free = place + 1
	}
	return moved
}

// fpsFilter makes the frame rate constant, from the first moment of the window, or
// from the first frame that is decoded of a chunk that begins later: the places of
// the new grid are counted from zero on in either case. onGrid: the encoder counts
// frames. Else those of a regular source keep their times, and of others their phase.
// Irregular frames that would fall on the same place of the new grid each get a
// place of their own before, the next free one, so that fps repeats frames and
// drops none. (ffmpeg's setpts: PREV_OUTPTS counts in the time base of settb.)
//
// Captions in the pictures are a few bytes of a text in each of them, so they are taken out
// where frames are dropped or repeated: what is left of them would be garbled.
func (s *source) fpsFilter(r format.Rational, from int, onGrid bool) string {
	f := s.gridFilter(r, from, onGrid)
	if has := fpsFloat(s.nominalRate()); f != "" && math.Abs(fpsFloat(r)/has-1) > 0.01 {
		f += ",sidedata=mode=delete:type=A53_CC"
	}
	return f
}

// gridFilter is fpsFilter without the captions.
func (s *source) gridFilter(r format.Rational, from int, onGrid bool) string {
	if !validRate(r) {
		return ""
	}
	fps := fmt.Sprintf("fps=%d/%d", r.Num, r.Den)
	if from == 0 {
		fps += ":start_time=0"
	}
	if s.halved(r) > 0 {
		return s.partOfRate(fps, r)
	}
	if s.spreads(r) {
		fps = fmt.Sprintf(`settb=%d/%d,setpts=max(PTS\,if(isnan(PREV_OUTPTS)\,0\,PREV_OUTPTS+1)),`, r.Den, r.Num) + fps
	}
	if late := s.phase(r); late > 0 && !onGrid {
		return fmt.Sprintf("setpts=PTS-%s/TB,%s,settb=1/90000,setpts=PTS+%[1]s/TB", seconds(late), fps)
	}
	return fps
}

// nominalRate is the rate of the source where frames are not missing.
func (s *source) nominalRate() format.Rational {
	if s.variable() {
		return s.video.Rate
	}
	return s.rate()
}

// halved is half a frame of the source in ticks of 1/90000 s where its rate is brought to the
// half or less; 0: it is not. A place then shows the last frame that comes before it or at
// it, give or take that half. The nearest one would be that of the place or the one behind by
// turns: of 60 frames a second in Matroska, whose clock ticks 1000 times, frame 1 comes at
// 17 ms and 5 at 83 ms, on either side of the middle of a place of 30.
func (s *source) halved(r format.Rational) int {
	has := s.nominalRate()
	if !validRate(has) || fpsFloat(has) < 1.9*fpsFloat(r) {
		return 0
	}
	return int(math.Round(90000 / fpsFloat(has) / 2))
}

// partOfRate is the filter fps, as the comment at halved says where r is half the source's
// rate or less.
func (s *source) partOfRate(fps string, r format.Rational) string {
	if half := s.halved(r); half > 0 {
		return fmt.Sprintf("settb=1/90000,setpts=PTS-%d,%s:round=up", half, fps)
	}
	return fps
}

// spreads reports whether frames that would fall on the same place of a constant
// rate are moved on.
func (s *source) spreads(r format.Rational) bool {
	return validRate(r) && s.variable() && validRate(s.video.Rate) && fpsFloat(r) >= fpsFloat(s.video.Rate)-0.01
}
