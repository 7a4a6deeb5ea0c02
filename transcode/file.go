package transcode

import (
	"fmt"
	"math"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// planFile plans a video or audio file: output i.
func (p *planner) planFile(i int, o *job.Output) (Result, *job.Error) {
	f := o.Format
	c := codec.LookupContainer(f.Container)
	if c == nil || c.Muxer == "" {
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The container %q is not supported yet.", f.Container)
	}
	w, err := newWindow(o.Video.Offset, o.Video.Duration, p.src.Duration)
	if err != nil {
		return Result{}, err
	}
	if f.VideoCodec() == format.Copy {
		return p.planRemux(i, o, c, w)
	}
	wantsVideo := f.VideoCodec() != ""
	if wantsVideo && p.src.video == nil {
		return Result{}, noVideo(f.Container)
	}
	var key rendition
	if wantsVideo {
		if key, err = p.fileRendition(f, w, o.Video); err != nil {
			return Result{}, err
		}
		if err := p.noMetrics(o.Video.QualityMetrics); err != nil {
			return Result{}, err
		}
	}
	var t audioRendition
	wantsAudio := f.AudioCodec() != "" && p.src.audio != nil
	if wantsAudio {
		if t, err = p.fileAudio(f, w, c); err != nil {
			return Result{}, err
		}
	}
	if !wantsVideo && !wantsAudio {
		if f.AudioCodec() == "" {
			return Result{}, job.Errorf(job.OutputFormatNotValid, "The format %q has neither video nor audio.", f.String())
		}
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The input has no audio, so %s cannot be made from it.", f.Container)
	}

	if err := p.noCaptionsIn(c, o.Video.Captions); err != nil {
		return Result{}, err
	}
	why := ""
	if wantsVideo && p.copies(o.Video.Copy) {
		var sound *audioRendition
		if wantsAudio {
			sound = &t
		}
		if why = p.whyEncoded(f, c, key); why == "" {
			return p.planCopy(i, o, c, sound), nil
		}
	}
	if t.direct != nil {
		node := p.audio(t, i)
		r := p.published(o, node.name, w, Expect{Audio: true})
		r.Seeks = !p.NoSeek && w.offset > 0
		return r, nil
	}
	var video, audio *input
	var quality []QualityFigures
	if wantsVideo {
		v := p.video(key, i)
		video = &input{name: v.name, step: v.step}
		if o.Video.QualityMetrics {
			quality = []QualityFigures{p.measureQuality(v, "")}
		}
	}
	if wantsAudio {
		a := p.audio(t, i)
		audio = &input{name: a.name, step: a.id}
	}
	name := p.outputName(i, f)
	p.addOutputStep(outputStep{Step: p.fileCaptions(i, o.Video.Captions, w).mux(func(texts captionInputs) Step {
		return p.muxStep(i, f, c, video, audio, texts, p.rate(key), name)
	})})
	p.addDuration(i, c, f, name)
	r := p.published(o, name, w, Expect{Video: wantsVideo, Audio: wantsAudio, Width: key.geometry.W, Height: key.geometry.H})
	r.Seeks, r.Quality = !p.NoSeek && w.offset > 0, quality
	if why != "" {
		r.Copied = &Copied{Audio: wantsAudio && t.encoder == nil}
		p.noteCopy(i, r.Copied, "Video encoded and not copied: "+why+".")
	}
	return r, nil
}

// outputName is the name of a finished file in the work directory.
func (p *planner) outputName(i int, f format.Format) string {
	return fmt.Sprintf("%sout%d.%s", p.prefix, i+1, f.Extension())
}

func noVideo(container string) *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "The input has no video, so %s cannot be made from it; ask for an audio format such as mp3.", container)
}

// fileRendition is the rendition of a plain file.
func (p *planner) fileRendition(f format.Format, w window, v *job.VideoParams) (rendition, *job.Error) {
	filters, in, err := preFilters(p.src.frame, edits{
		deinterlace: v.Deinterlace, cropW: v.CropW, cropH: v.CropH,
		transpose: v.Transpose, hflip: v.HFlip, vflip: v.VFlip, square: v.Square,
	})
	if err != nil {
		return rendition{}, err
	}
	r, err := p.newRendition(f, w, filters, fit(in, squareResolution(f.Video.Resolution, v.Square), fitModeOf(v.Fit)))
	if err != nil {
		return r, err
	}
	r.watermark = p.newWatermark(v.Watermark)
	r.overlays, err = p.newOverlays(v.Overlay, v.Burn, r)
	return r, err
}

// plainRate drops a wanted rate that the source has anyway, so that such a file
// shares its encode with others.
func (p *planner) plainRate(fps format.Rational) format.Rational {
	if validRate(fps) && !p.src.variable() && p.src.rate() == fps && !validRate(p.src.streamRate()) {
		return format.Rational{}
	}
	return fps
}

// fileAudio is the audio of a plain file.
func (p *planner) fileAudio(f format.Format, w window, c *codec.Container) (audioRendition, *job.Error) {
	var t audioRendition
	if f.AudioCodec() == format.Copy {
		if !c.CanCopy(p.src.audio.Codec) {
			return t, cannotCopy("audio", p.src.audio.Codec, f.Container)
		}
		t = p.passthroughAudio(w)
	} else {
		var err *job.Error
		if t, err = p.encodedAudio(f, w); err != nil {
			return t, err
		}
	}
	if f.VideoCodec() == "" {
		t.padTo = 0 // there is no picture whose end it has to reach
		if c.DirectAudio {
			t.direct, t.keepTags = c, keepsTags(f)
		}
	}
	return t, nil
}

// encodedAudio is an audio rendition that goes into an intermediate, or the
// source's own track when that is the same already.
func (p *planner) encodedAudio(f format.Format, w window) (audioRendition, *job.Error) {
	t, err := p.src.newAudioRendition(f, w)
	if err != nil {
		return t, err
	}
	if !p.has(t.encoder.Name) {
		return t, noEncoder(t.encoder.Name, t.encoder.Codec)
	}
	t.padTo = p.src.file.end
	if t.file == "" {
		t.padTo = p.audioPadTo(w)
	}
	if p.src.canPassThrough(t) {
		return p.passthroughAudio(w), nil
	}
	return t, nil
}

// passthroughAudio is the source's track as it is.
func (p *planner) passthroughAudio(w window) audioRendition {
	return audioRendition{window: w, stream: p.src.audio.Index}
}

// audioIntermediate is the container in which an audio rendition waits.
func (p *planner) audioIntermediate(key audioRendition) *encoder.Intermediate {
	if key.encoder != nil {
		return key.encoder.Intermediate
	}
	for _, a := range p.src.Audio {
		if row := codec.Probed(a.Codec); a.Index == key.stream && row != nil && row.MP4Timeline {
			return encoder.MP4
		}
	}
	return encoder.Matroska
}

// audioPadTo says up to where silence must be added: to the end of the video,
// when the audio ends earlier or its end is not known.
func (p *planner) audioPadTo(w window) float64 {
	if p.src.video == nil || p.src.still {
		return 0
	}
	end := p.src.videoEnd()
	if w.length > 0 {
		end = min(end, w.offset+w.length)
	}
	if a := p.src.audio; a.Duration > 0 && p.src.startOffset(a.StartTime)+a.Duration > end-0.05 {
		return 0
	}
	return max(0, end-w.offset)
}

// input is an intermediate and the step that makes it.
type input struct {
	name, step string
	growing    bool // it can be read before that step has ended
}

// read makes s read an intermediate and returns the name of it for arguments.
func (s *Step) read(in *input) string {
	if in.growing {
		s.Tail = TailInput{Name: in.name, Step: in.step}
		return StdinInput
	}
	s.Needs, s.Reads = append(s.Needs, in.step), append(s.Reads, in.name)
	return in.name
}

// muxStep copies intermediates into the final file. rate is that of the video.
func (p *planner) muxStep(i int, f format.Format, c *codec.Container, video, audio *input, texts captionInputs, rate format.Rational, name string) Step {
	s := Step{ID: p.outputStepID(StepMux, i, ""), Kind: StepMux, Files: []string{name}, Outputs: []int{i}, Cost: 0.5}
	// Each input would be shifted to zero by itself; copyts leaves audio and
	// video where their encoders put them.
	s.addArgs("-copyts")
	var maps []string
	n := 0
	for _, in := range []struct {
		*input
		kind string
	}{{video, "v"}, {audio, "a"}} {
		if in.input == nil {
			continue
		}
		s.addArgs("-i", s.read(in.input))
		maps = append(maps, "-map", fmt.Sprintf("%d:%s:0", n, in.kind))
		n++
	}
	maps = append(maps, texts.open(&s, n)...)
	n += len(texts.names)
	if keepsTags(f) {
		s.addArgs("-i", SourceName)
	}
	s.addArgs(maps...)
	s.addArgs("-c", "copy")
	if video != nil {
		s.addArgs(tagArgs(c, f.VideoCodec())...)
		s.addArgs(rateArgs(c, rate)...)
	}
	if audio != nil {
		s.addArgs(primingArgs(c)...)
	}
	s.addArgs(p.metadataArgs(keepsTags(f), fmt.Sprint(n), audio != nil)...)
	s.addArgs(texts.args(c)...)
	s.addArgs(muxerArgs(c, f)...)
	s.addArgs(name)
	return s
}

// published is the result of a file.
func (p *planner) published(o *job.Output, name string, w window, e Expect) Result {
	end := 0.0
	if e.Video {
		end = p.src.videoEnd()
		if p.src.slow() {
			e.Slack = p.src.longestGap() // how long the last slide stays, containers do not agree
		}
	}
	if e.Audio {
		if a := p.src.audio; a.Duration > 0 {
			end = max(end, p.src.startOffset(a.StartTime)+a.Duration)
		} else {
			end = max(end, p.src.Duration)
		}
	}
	if w.length > 0 {
		end = min(end, w.offset+w.length)
	}
	if !p.src.still {
		e.Duration = math.Round(1e6*max(0, end-w.offset)) / 1e6
	}
	return Result{Files: []File{{Name: name, Path: o.Path, ContentType: o.Format.ContentType(), Expect: e}}}
}
