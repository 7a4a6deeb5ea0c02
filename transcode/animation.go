package transcode

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
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
	gif := o.Format.Container == "gif"
	pixFmt := "yuv420p"
	if gif {
		pixFmt = "bgr0"
	}
	l, err := p.newPictureStyle(animatedResolution(p.src.frame, o), o.Image, pixFmt)
	if err != nil {
		return Result{}, err
	}
	scenes, length := p.scenes(o.Image.Scene)
	step := p.sceneStep(i, l, scenes, length)
	name := fmt.Sprintf("%sout%d.%s", p.prefix, i+1, o.Format.Extension())
	file := File{Name: name, Path: o.Path, ContentType: o.Format.ContentType()}
	if gif {
		p.gif(i, step, name)
		file.Expect = Expect{Video: true, Width: l.geometry.W, Height: l.geometry.H}
		if !p.src.still {
			file.Expect.Duration = length * float64(len(scenes))
		}
	} else {
		// -loop 0: for ever.
		step.addArgs("-c:v", "libwebp_anim", "-quality", "75", "-loop", "0", "-map_metadata", "-1", "-f", "webp", name)
		step.Files = []string{name}
		file.Animated = true
		p.addOutputStep(step)
	}
	p.fetchWatermark(l.watermark, i)
	return Result{Files: []File{file}}, nil
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

// animationRate is the frame rate of an animation, at most the source's.
func (p *planner) animationRate() format.Rational {
	rate := format.Rational{Num: animationFPS, Den: 1}
	if own := p.src.rate(); validRate(own) && fpsFloat(own) < animationFPS {
		return own
	}
	return rate
}

// sceneStep cuts the scenes out and joins them. Each is an input of its own, so
// that what lies between is not decoded.
func (p *planner) sceneStep(i int, l pictureStyle, starts []float64, length float64) Step {
	s := Step{
		ID: p.outputStepID("scenes", i, ""), Kind: StepThumbnails, Outputs: []int{i},
		Duration: timeOf(length * float64(len(starts))), Cost: 1,
	}
	rate := p.animationRate()
	frames := 1
	if !p.src.still {
		frames = max(1, int(math.Round(length*fpsFloat(rate))))
	}
	var roots []rooted
	joined := ""
	for k, start := range starts {
		var f []string
		switch {
		case p.src.still:
			s.addArgs("-i", SourceName)
		case p.src.discontinuous() && start > 0:
			// As in open: entered earlier, and cut in the graph.
			early := math.Max(0, start-preRoll)
			s.addArgs(window{offset: early, length: start - early + length}.inputArgs()...)
			f = append(f, "trim=start="+seconds(start-early))
		default:
			s.addArgs(window{offset: start, length: length}.inputArgs()...)
		}
		f = append(f, "setpts=PTS-STARTPTS")
		if !p.src.still && length*fpsFloat(rate) >= 1 {
			// Of less than a frame's time the fps filter leaves nothing.
			f = append(f, fmt.Sprintf("fps=%d/%d", rate.Num, rate.Den))
		}
		f = append(f, fmt.Sprintf("trim=end_frame=%d", frames))
		f = append(f, l.filters...)
		label := fmt.Sprintf("c%d", k+1)
		roots = append(roots, rooted{fmt.Sprintf("%d:%d", k, p.src.video.Index), &branch{filters: f, label: label}})
		joined += "[" + label + "]"
	}
	var watermarks []string
	if l.watermark.name != "" {
		watermarks = []string{l.watermark.name}
	}
	tail := &branch{filters: []string{fmt.Sprintf("concat=n=%d:v=1:a=0", len(starts))}}
	pictureStyle{watermark: l.watermark, after: l.after, geometry: l.geometry, pixFmt: l.pixFmt}.graph(tail, watermarks, len(starts), "p1")
	roots = append(roots, rooted{strings.TrimSuffix(strings.TrimPrefix(joined, "["), "]"), tail})
	s.addArgs(watermarkInputs(watermarks)...)
	s.addArgs("-filter_complex", renderAll(roots), "-map", "[p1]", "-fps_mode", "passthrough")
	return s
}

// gif adds the steps that a GIF takes: the best 256 colours can be known only
// after a look at all frames, so these wait in a lossless file meanwhile, which
// needs less memory than to hold them in a graph.
func (p *planner) gif(i int, scenes Step, name string) {
	frames, palette := fmt.Sprintf("%sscenes%d.mkv", p.prefix, i+1), fmt.Sprintf("%spalette%d.png", p.prefix, i+1)
	scenes.addArgs("-c:v", "ffv1", "-f", "matroska", frames)
	scenes.Files = []string{frames}
	colours := Step{
		ID: p.outputStepID("palette", i, ""), Kind: StepThumbnails, Needs: []string{scenes.ID}, Outputs: []int{i}, Cost: 0.3, Files: []string{palette},
		Op: Operation{FFmpeg: &FFmpeg{Args: []string{"-i", frames, "-vf", "palettegen=stats_mode=full:reserve_transparent=0", "-frames:v", "1", "-f", "image2", "-update", "1", palette}}},
	}
	// sierra2_4a spreads the error finely and, unlike Bayer's, without a
	// pattern; rectangle keeps the dither of what does not move still.
	use := Step{
		ID: p.outputStepID("gif", i, ""), Kind: StepThumbnails, Needs: []string{scenes.ID, colours.ID}, Outputs: []int{i}, Cost: 0.3, Files: []string{name},
		Op: Operation{FFmpeg: &FFmpeg{Args: []string{
			"-i", frames, "-i", palette, "-filter_complex", "[0:0][1:0]paletteuse=dither=sierra2_4a:diff_mode=rectangle[p1]",
			"-map", "[p1]", "-fps_mode", "passthrough", "-map_metadata", "-1", "-loop", "0", "-f", "gif", name,
		}}},
	}
	for _, s := range []Step{scenes, colours, use} {
		p.addOutputStep(s)
	}
}

// Animation is what an animated WebP holds.
type Animation struct {
	Width, Height int
	Frames        int
	Duration      float64 // seconds
}

// ReadAnimation reads the chunks of an animated WebP. The error says that it is
// none, or that it is damaged.
func ReadAnimation(r io.ReaderAt, size int64) (Animation, error) {
	var a Animation
	var head [24]byte
	if _, err := r.ReadAt(head[:12], 0); err != nil || string(head[:4]) != "RIFF" || string(head[8:12]) != "WEBP" {
		return a, fmt.Errorf("read animation: it is no WebP")
	}
	if want := int64(binary.LittleEndian.Uint32(head[4:])) + 8; want > size {
		return a, fmt.Errorf("read animation: it ends after %d of %d bytes", size, want)
	}
	var ms int64
	for at := int64(12); at+8 <= size; {
		if _, err := r.ReadAt(head[:8], at); err != nil {
			return a, fmt.Errorf("read animation: %w", err)
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		kind := string(head[:4])
		if at+8+length > size {
			return a, fmt.Errorf("read animation: the chunk %q is cut off", kind)
		}
		if (kind == "VP8X" && length >= 10) || (kind == "ANMF" && length >= 16) {
			n := min(16, length)
			if _, err := r.ReadAt(head[8:8+n], at+8); err != nil {
				return a, fmt.Errorf("read animation: %w", err)
			}
			switch kind {
			case "VP8X":
				a.Width, a.Height = int(uint24(head[12:]))+1, int(uint24(head[15:]))+1
			case "ANMF":
				a.Frames++
				ms += uint24(head[20:])
			}
		}
		at += 8 + length + length%2
	}
	if a.Frames == 0 {
		return a, fmt.Errorf("read animation: it has no frames")
	}
	a.Duration = float64(ms) / 1000
	return a, nil
}

func uint24(b []byte) int64 { return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 }

func timeOf(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
