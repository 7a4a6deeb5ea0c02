package transcode

import (
	"fmt"
	"math"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

const (
	// animationFPS is the rate of animations: a GIF counts in hundredths of a
	// second, and ten frames are a whole number of them.
	animationFPS = 10
	// maxAnimatedWidth is the documented bound.
	maxAnimatedWidth = 500
)

// planAnimation plans a gif or webp_anim: output i. Scenes are the middles of as
// many equal parts of the film, as single pictures are.
func (p *planner) planAnimation(i int, o *job.Output) (Result, *job.Error) {
	if p.src.video == nil {
		return Result{}, noPicture()
	}
	enc := encoder.ForImage(o.Format.Container)
	style, err := p.newPictureStyle(animatedResolution(p.src.frame, o), o.Image, enc.PixelFormat(false))
	if err != nil {
		return Result{}, err
	}
	scenes, length := p.scenes(o.Image.Scene)
	step := p.sceneStep(i, style, scenes, length)
	name := p.outputName(i, o.Format)
	file := File{Name: name, Path: o.Path, ContentType: o.Format.ContentType()}
	if enc.Unreadable {
		file.Check = CheckAnimation
	} else {
		file.Expect = Expect{Video: true, Width: style.geometry.W, Height: style.geometry.H}
		if !p.src.still {
			file.Expect.Duration = length * float64(len(scenes))
		}
	}
	if enc.Palette {
		p.addGIF(i, step, name)
	} else {
		step.addArgs(enc.CodecArgs()...)
		step.addArgs("-map_metadata", "-1", "-f", enc.Muxer, name)
		step.Files = []string{name}
		p.addOutputStep(outputStep{Step: step})
	}
	p.fetchWatermark(style.watermark, i)
	return Result{Files: []File{file}, Seeks: !p.NoSeek && scenes[len(scenes)-1] > 0}, nil
}

// animatedResolution keeps what was not asked for exactly within the bound.
func animatedResolution(src frame, o *job.Output) format.Resolution {
	r := squareResolution(o.Format.Video.Resolution, o.Image.Square)
	if r.Width > 0 && r.Name == "" {
		return r
	}
	if o.Image.Transpose != nil {
		src = frame{src.H, src.W, ratio{src.SAR.den, src.SAR.num}}
	}
	wide := src.dar().float()
	if o.Image.Square {
		wide = 1
	}
	height := float64(src.H)
	if r.Height > 0 {
		height = float64(r.Height)
	}
	return format.Resolution{Width: max(1, min(maxAnimatedWidth, int(math.Round(height*wide))))}
}

// scenes are the moments at which scenes begin, and how long each lasts: less
// than asked for when they would overlap.
func (p *planner) scenes(s *job.Scene) (starts []float64, length float64) {
	n, length := 1, 5.0
	if s != nil {
		n, length = max(1, s.Number), s.Duration
	}
	end := p.src.videoEnd()
	if p.src.still || end <= 0 {
		return []float64{0}, length
	}
	part := end / float64(n)
	length = min(length, part)
	for k := range n {
		start := (float64(k)+0.5)*part - length/2
		starts = append(starts, math.Max(0, math.Round(start*1e3)/1e3))
	}
	return starts, length
}

// animationRate is the frame rate of an animation, at most the source's. Slides
// are repeated, since their scenes are seldom a whole number of slides.
func (p *planner) animationRate() format.Rational {
	rate := format.Rational{Num: animationFPS, Den: 1}
	if own := p.src.rate(); validRate(own) && fpsFloat(own) < animationFPS && !p.src.slow() {
		return own
	}
	return rate
}

// sceneStep cuts the scenes out and joins them. Each scene is an input of its
// own, so that what lies between is not decoded.
func (p *planner) sceneStep(i int, style pictureStyle, starts []float64, length float64) Step {
	s := Step{
		ID: p.outputStepID("scenes", i, ""), Kind: StepThumbnails, Outputs: []int{i},
		Duration: timeOf(length * float64(len(starts))), Cost: 1,
	}
	var roots []rooted
	var labels []string
	for k, start := range starts {
		in, filters := p.openScene(start, length)
		s.addArgs(in...)
		label := fmt.Sprintf("c%d", k+1)
		labels = append(labels, label)
		roots = append(roots, rooted{[]string{fmt.Sprintf("%d:%d", k, p.src.video.Index)}, &branch{filters: append(filters, style.filters...), label: label}})
	}
	var watermarks []string
	if style.watermark != (watermark{}) {
		watermarks = []string{style.watermark.name}
	}
	joined := &branch{filters: []string{fmt.Sprintf("concat=n=%d:v=1:a=0", len(starts))}}
	style.filters = nil
	style.graph(joined, watermarks, len(starts), thumbnailLabel(0))
	roots = append(roots, rooted{labels, joined})
	s.addArgs(watermarkInputs(watermarks)...)
	s.addArgs("-filter_complex", renderAll(roots), "-map", "["+thumbnailLabel(0)+"]", "-fps_mode", "passthrough")
	return s
}

// openScene returns the arguments that open the source at a scene, and the
// filters that make its frames.
func (p *planner) openScene(start, length float64) (in, filters []string) {
	rate := p.animationRate()
	frames := 1
	if !p.src.still {
		frames = max(1, int(math.Round(length*fpsFloat(rate))))
	}
	if tags := p.src.sourceTags(); tags != "" {
		filters = append(filters, tags)
	}
	switch {
	case p.src.still:
		in = []string{"-i", SourceName}
	case p.src.slow():
		return p.openSlides(start, length, frames)
	case p.entry(start) < start:
		// As in openSource: entered earlier, and cut in the graph.
		early := p.entry(start)
		in = window{offset: early, length: start - early + length}.inputArgs()
		filters = append(filters, "trim=start="+seconds(start-early))
	default:
		in = window{offset: start, length: length}.inputArgs()
	}
	filters = append(filters, "setpts=PTS-STARTPTS")
	if !p.src.still && length*fpsFloat(rate) >= 1 {
		// The fps filter leaves nothing of less than a frame's time.
		filters = append(filters, fmt.Sprintf("fps=%d/%d", rate.Num, rate.Den))
	}
	return in, append(filters, fmt.Sprintf("trim=end_frame=%d", frames))
}

// openSlides is openScene where the frame on screen when a scene begins may have
// come long before, and the last one stays for long.
func (p *planner) openSlides(start, length float64, frames int) (in, filters []string) {
	before := p.src.longestGap() + slowGap
	early := math.Round(1e3*p.entry(math.Max(0, start-before))) / 1e3
	rate := p.animationRate()
	return window{offset: early, length: start - early + length}.inputArgs(), []string{
		fmt.Sprintf("fps=%d/%d:start_time=0", rate.Num, rate.Den),
		"tpad=stop_mode=clone:stop_duration=" + seconds(start-early+length),
		"trim=start=" + seconds(start-early), "setpts=PTS-STARTPTS", fmt.Sprintf("trim=end_frame=%d", frames),
	}
}

// addGIF adds the steps that a GIF takes. The best 256 colours are known only
// after a look at all frames. Meanwhile the frames wait in a lossless file, which
// needs less memory than to hold them in a graph.
func (p *planner) addGIF(i int, scenes Step, name string) {
	frames, palette := fmt.Sprintf("%sscenes%d.mkv", p.prefix, i+1), fmt.Sprintf("%spalette%d.png", p.prefix, i+1)
	scenes.addArgs("-c:v", "ffv1", "-f", "matroska", frames)
	scenes.Files = []string{frames}
	colours := Step{ID: p.outputStepID("palette", i, ""), Kind: StepThumbnails, Needs: []string{scenes.ID}, Outputs: []int{i}, Cost: 0.3, Files: []string{palette}}
	colours.addArgs("-i", frames, "-vf", "palettegen=stats_mode=full:reserve_transparent=0", "-frames:v", "1", "-f", "image2", "-update", "1", palette)
	// sierra2_4a spreads the error finely and, unlike Bayer's, without a
	// pattern; rectangle keeps the dither of what does not move still.
	use := Step{ID: p.outputStepID("gif", i, ""), Kind: StepThumbnails, Needs: []string{scenes.ID, colours.ID}, Outputs: []int{i}, Cost: 0.3, Files: []string{name}}
	use.addArgs("-i", frames, "-i", palette, "-filter_complex", "[0:0][1:0]paletteuse=dither=sierra2_4a:diff_mode=rectangle[p1]",
		"-map", "[p1]", "-fps_mode", "passthrough", "-map_metadata", "-1", "-loop", "0", "-f", "gif", name)
	for _, s := range []Step{scenes, colours, use} {
		p.addOutputStep(outputStep{Step: s})
	}
}

func timeOf(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
