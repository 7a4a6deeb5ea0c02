package transcode

import (
	"fmt"
	"math"

	"github.com/copra-video/copra/job"
)

// Pictures that no encode over the same window makes are taken in the way that decodes
// least: by seeking to each, from the keyframes of the whole in one run of ffmpeg, or from
// one decode of all frames.

// maxSeeks is up to how many pictures are found by seeking where it is not known where
// the keyframes are. seekBatch is how many one ffmpeg finds, which opens the source once
// for each.
const (
	maxSeeks  = 100
	seekBatch = 10
)

// What the ways cost, in pixels decoded. Measured with H.264: to start ffmpeg or to open
// an input once more takes as long as to decode five frames of 1080p, and a keyframe as
// long as two other frames.
const (
	startCost      = 10e6
	keyframeFrames = 2
)

// thumbnailSteps make pictures that no encode over the same window makes.
func (p *planner) thumbnailSteps(t *thumbnails) []Step {
	watermarks := watermarkNames(nil, []*thumbnails{t})
	byKeyframes, bySeeking, ok := p.pictureWays(t)
	if !ok {
		return []Step{p.decodeThumbnailsStep(t, watermarks)}
	}
	var steps []Step
	if len(byKeyframes) > 0 {
		steps = append(steps, p.keyframesStep(t, byKeyframes, watermarks))
	}
	for len(bySeeking) > 0 {
		batch := bySeeking[:min(seekBatch, len(bySeeking))]
		bySeeking = bySeeking[len(batch):]
		steps = append(steps, p.seekThumbnailsStep(t, batch, len(steps)+1, watermarks))
	}
	return steps
}

// pictureWays says which pictures are taken from one run over the keyframes, and which by
// seeking. ok is false when all are taken from one decode.
func (p *planner) pictureWays(t *thumbnails) (byKeyframes, bySeeking []int, ok bool) {
	all := make([]int, len(t.times))
	for k := range all {
		all[k] = k
	}
	gops := p.gops()
	switch {
	case p.NoSeek:
		return nil, nil, false
	case t.still || gops == nil:
		return nil, all, len(all) <= maxSeeks
	}
	frame := float64(p.src.video.Width * p.src.video.Height)
	second := frame * fpsFloat(p.src.rate())
	var seeks, others float64 // the cost of seeking to all, and to those without a keyframe
	var keyed, rest []int
	for k := range all {
		cost := startCost + keyframeFrames*frame
		if _, ok := p.keyframeOf(t, k); ok {
			keyed = append(keyed, k)
		} else {
			if at := gops.Before(t.shown[k]); at >= 0 {
				cost += second * (t.shown[k] - gops.Keyframes[at])
			}
			rest = append(rest, k)
			others += cost
		}
		seeks += cost
	}
	decode := startCost + second*p.src.videoEnd()
	keyframes := startCost + keyframeFrames*frame*float64(len(gops.Keyframes)) + others
	switch {
	// FFmpeg's decoder of H.264 loses most keyframes that are no IDR pictures when it gets
	// nothing else; after a seek it shows them. Where GOPs are open, they are such. Where
	// only the frames themselves tell, the step fails, and all is decoded.
	case len(keyed) > 0 && !gops.Open && keyframes < min(seeks, decode):
		return keyed, rest, true
	default:
		return nil, all, seeks < decode
	}
}

// gops is where the source can be entered; nil when that is not known.
func (p *planner) gops() *job.GOPs {
	if p.src.still || p.src.discontinuous() || !validRate(p.src.rate()) {
		return nil
	}
	return p.src.video.GOPs
}

// keyframeOf is the first keyframe within the cue of picture k, in seconds from the start
// of the source.
func (p *planner) keyframeOf(t *thumbnails, k int) (at float64, ok bool) {
	gops := p.gops()
	if gops == nil || !t.cues {
		return 0, false
	}
	next := gops.Before(t.cueStart(k)) + 1
	if next == len(gops.Keyframes) || gops.Keyframes[next] >= t.cueStart(k+1) {
		return 0, false
	}
	return gops.Keyframes[next], true
}

// cueStart is from when on frames belong to cue k: a time shortly before its moment, since
// containers round times.
func (t *thumbnails) cueStart(k int) float64 { return t.moment(k) - 2*timeRounding }

// keyframesStep takes pictures from the keyframes of the source, the first of each cue.
// They get the numbers of their cues as times, and image2 names files by these
// (-frame_pts), because there may be cues without a keyframe.
func (p *planner) keyframesStep(t *thumbnails, pictures []int, watermarks []string) Step {
	last := pictures[len(pictures)-1]
	cue := func(time string) string {
		return fmt.Sprintf("floor((%s-%s)/%s)", time, seconds(t.cueStart(0)), seconds(t.interval))
	}
	tree := &branch{}
	tree.add(fmt.Sprintf("select='lt(t,%s)*(isnan(prev_selected_t)+gt(%s,%s))'", seconds(t.cueStart(last+1)), cue("t"), cue("prev_selected_t")), p.src.sourceTags())
	t.style.graph(tree, watermarks, 1, thumbnailLabel(0))
	numbered := tree
	for len(numbered.next) > 0 {
		numbered = numbered.next[len(numbered.next)-1]
	}
	numbered.add(fmt.Sprintf("setpts=(%s+1)/TB", cue("T")), "settb=1")
	s := Step{
		ID: t.id, Kind: StepThumbnails, Dirs: []string{t.dir}, Outputs: []int{t.output},
		Duration: timeOf(float64(last + 1)), Cost: p.decodeCost(window{}) / math.Max(1, p.src.videoEnd()/float64(len(p.gops().Keyframes))),
	}
	if p.src.isFormat("mov") {
		s.addArgs("-discard:v", "nokey") // frames that are not decoded are not read either
	}
	s.addArgs("-skip_frame:v", "nokey", "-i", SourceName)
	s.addArgs(watermarkInputs(watermarks)...)
	s.addArgs("-filter_complex", render(p.videoInput(), tree), "-map", "["+thumbnailLabel(0)+"]", "-fps_mode", "passthrough", "-enc_time_base", "1/1")
	s.addArgs(t.encode...)
	s.addArgs("-map_metadata", "-1", "-f", t.muxer, "-frame_pts", "1", t.pattern())
	for _, k := range pictures {
		s.Files = append(s.Files, t.name(k+1))
	}
	return s
}
