package transcode

import (
	"fmt"
	"math"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// planFile plans a video or audio file: output i.
func (p *planner) planFile(i int, o *job.Output) (Result, *job.Error) {
	f := o.Format
	m, ok := muxerFor(f.Container)
	if !ok {
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The container %q is not supported yet.", f.Container)
	}
	w, err := newWindow(o.Video.Offset, o.Video.Duration, p.src.Duration)
	if err != nil {
		return Result{}, err
	}
	if f.VideoCodec() == "copy" {
		return p.remux(i, o, m, w)
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
	}
	var t audioRendition
	var enc audioEncoder
	wantsAudio := f.AudioCodec() != "" && p.src.audio != nil
	if wantsAudio {
		if t, enc, err = p.fileAudio(f, w, m); err != nil {
			return Result{}, err
		}
	}
	if !wantsVideo && !wantsAudio {
		if f.AudioCodec() == "" {
			return Result{}, job.Errorf(job.OutputFormatNotValid, "The format %q has neither video nor audio.", f.String())
		}
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The input has no audio, so %s cannot be made from it.", f.Container)
	}

	if t.directContainer != "" {
		node := p.audio(t, enc, i)
		return p.published(o, node.name, w, Expect{Audio: true}), nil
	}
	var video, audio *input
	if wantsVideo {
		v := p.video(key, i)
		video = &input{name: v.name, needs: v.needs}
	}
	if wantsAudio {
		a := p.audio(t, enc, i)
		audio = &input{name: a.name, needs: a.id}
	}
	name := fmt.Sprintf("%sout%d.%s", p.prefix, i+1, f.Extension())
	p.addOutputStep(p.muxStep(i, f, m, video, audio, p.rate(key), name))
	return p.published(o, name, w, Expect{Video: wantsVideo, Audio: wantsAudio, Width: key.geometry.W, Height: key.geometry.H}), nil
}

func noVideo(container string) *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "The input has no video, so %s cannot be made from it; ask for an audio format such as mp3.", container)
}

// fileRendition is the rendition of a plain file.
func (p *planner) fileRendition(f format.Format, w window, v *job.VideoParams) (rendition, *job.Error) {
	preFilters, in, err := prepare(p.src.frame, edits{
		deinterlace: v.Deinterlace, cropW: v.CropW, cropH: v.CropH,
		transpose: v.Transpose, hflip: v.HFlip, vflip: v.VFlip, square: v.Square,
	})
	if err != nil {
		return rendition{}, err
	}
	mode := fitLetterbox
	if v.Fit == "crop" {
		mode = fitCrop
	}
	r, err := p.newRendition(f, w, preFilters, fit(in, squareResolution(f.Video.Resolution, v.Square), mode))
	if err != nil {
		return r, err
	}
	r.watermark = p.newWatermark(v.Watermark)
	return r, nil
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
func (p *planner) fileAudio(f format.Format, w window, m muxer) (audioRendition, audioEncoder, *job.Error) {
	if f.AudioCodec() == "copy" {
		if !m.canCopy(p.src.audio.Codec) {
			return audioRendition{}, audioEncoder{}, cannotCopy("audio", p.src.audio.Codec, f.Container)
		}
		return p.passthroughAudio(w, m), audioEncoder{intermediate: passthroughContainer(p.src.audio.Codec)}, nil
	}
	t, enc, err := p.encodedAudio(f, w)
	if err == nil && m.direct && f.VideoCodec() == "" {
		t.passthrough, t.padTo = false, 0
		t.directContainer, t.keepTags = f.Container, f.Options.Metadata != "0"
	}
	return t, enc, err
}

// encodedAudio is an audio setting that goes into an intermediate, or the
// source's own track when that satisfies it already.
func (p *planner) encodedAudio(f format.Format, w window) (audioRendition, audioEncoder, *job.Error) {
	t, enc, err := p.src.newAudioRendition(f, w, f.AudioCodec())
	if err != nil {
		return t, enc, err
	}
	if !p.has(enc.encoder) {
		return t, enc, noEncoder(enc.encoder, t.codec)
	}
	t.padTo = p.audioPadTo(w)
	if p.src.canPassThrough(t) {
		return p.passthroughAudio(w, muxer{}), audioEncoder{intermediate: "mp4"}, nil
	}
	return t, enc, nil
}

// passthroughAudio is the source's track as it is. An audio file of it is written
// directly.
func (p *planner) passthroughAudio(w window, m muxer) audioRendition {
	t := audioRendition{window: w, stream: p.src.audio.Index, passthrough: true}
	if m.direct {
		t.directContainer, t.keepTags = m.container, true
	}
	return t
}

// passthroughContainer is the intermediate for a copied codec.
func passthroughContainer(codec string) string {
	switch codec {
	case "aac", "mp3", "ac3", "eac3", "alac", "mp2":
		return "mp4"
	}
	return "mkv"
}

// audioPadTo says up to where silence must be added: to the end of the video, when
// the audio ends earlier or it is not known when.
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
	name, needs string
	growing     bool // it can be read before that step has ended
}

// read makes s read an intermediate and returns the name of it for arguments.
func (s *Step) read(in *input) string {
	if in.growing {
		s.Tail = TailInput{Name: in.name, Step: in.needs}
		return StdinInput
	}
	s.Needs, s.Reads = append(s.Needs, in.needs), append(s.Reads, in.name)
	return in.name
}

// muxStep copies intermediates into the final file. rate is that of the video.
func (p *planner) muxStep(i int, f format.Format, m muxer, video, audio *input, rate format.Rational, name string) Step {
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
	tags := f.Options.Metadata != "0"
	if tags {
		s.addArgs("-i", SourceName)
	}
	s.addArgs(maps...)
	s.addArgs("-c", "copy")
	if video != nil {
		s.addArgs(m.videoTag(f.VideoCodec())...)
		s.addArgs(m.rateArgs(rate)...)
	}
	s.addArgs(p.tagArgs(tags, fmt.Sprint(n), audio != nil)...)
	s.addArgs(m.outputArgs(f)...)
	s.addArgs(name)
	return s
}

// tagArgs keep the source's tags, read from the given input, or strip them. The
// language of the audio is no tag to strip. Chapters would become a track of
// their own in MP4.
func (p *planner) tagArgs(keep bool, from string, audio bool) []string {
	args := []string{"-map_metadata", "-1"}
	if keep {
		args = []string{"-map_metadata", from + ":g"}
	}
	args = append(args, "-map_chapters", "-1")
	if audio && p.src.audio != nil && known(p.src.audio.Language) && p.src.audio.Language != "und" {
		args = append(args, "-metadata:s:a:0", "language="+p.src.audio.Language)
	}
	return args
}

// published is the result of a file.
func (p *planner) published(o *job.Output, name string, w window, e Expect) Result {
	end := 0.0
	if e.Video {
		end = p.src.videoEnd()
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
