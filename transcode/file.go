package transcode

import (
	"fmt"
	"math"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// file plans a video or audio file: output i.
func (p *planner) file(i int, o *job.Output) (Result, *job.Error) {
	f := o.Format
	m, ok := muxerFor(f.Container)
	if !ok {
		return Result{}, job.Errorf("output_format_not_valid", "The container %q is not supported yet.", f.Container)
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
	var t track
	var enc audioEncoder
	wantsAudio := f.AudioCodec() != "" && p.src.audio != nil
	if wantsAudio {
		if t, enc, err = p.fileTrack(f, w, m); err != nil {
			return Result{}, err
		}
	}
	if !wantsVideo && !wantsAudio {
		if f.AudioCodec() == "" {
			return Result{}, job.Errorf("output_format_not_valid", "The format %q has neither video nor audio.", f.String())
		}
		return Result{}, job.Errorf("output_format_not_valid", "The input has no audio, so %s cannot be made from it.", f.Container)
	}

	if t.whole != "" {
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
	p.final(p.muxStep(i, f, m, video, audio, p.rate(key), name))
	return p.published(o, name, w, Expect{Video: wantsVideo, Audio: wantsAudio, Width: key.geometry.W, Height: key.geometry.H}), nil
}

func noVideo(container string) *job.Error {
	return job.Errorf("output_format_not_valid", "The input has no video, so %s cannot be made from it; ask for an audio format such as mp3.", container)
}

// fileRendition is the rendition of a plain file.
func (p *planner) fileRendition(f format.Format, w window, v *job.VideoParams) (rendition, *job.Error) {
	prep, in, err := prepare(p.src.frame, edits{
		deinterlace: v.Deinterlace, cropW: v.CropW, cropH: v.CropH,
		transpose: v.Transpose, hflip: v.HFlip, vflip: v.VFlip, square: v.Square,
	})
	if err != nil {
		return rendition{}, err
	}
	mode := fitPad
	if v.Fit == "crop" {
		mode = fitCrop
	}
	r, err := p.newRendition(f, w, prep, fit(in, squareResolution(f.Video.Resolution, v.Square), mode))
	if err != nil {
		return r, err
	}
	r.mark = p.newMark(v.Watermark)
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

// fileTrack is the audio of a plain file.
func (p *planner) fileTrack(f format.Format, w window, m muxer) (track, audioEncoder, *job.Error) {
	if f.AudioCodec() == "copy" {
		if !m.canCopy(p.src.audio.Codec) {
			return track{}, audioEncoder{}, cannotCopy("audio", p.src.audio.Codec, f.Container)
		}
		return p.copiedTrack(w, m), audioEncoder{inter: copyContainer(p.src.audio.Codec)}, nil
	}
	t, enc, err := p.encodedTrack(f, w)
	if err == nil && m.whole && f.VideoCodec() == "" {
		t.copied, t.fill = false, 0
		t.whole, t.tags = f.Container, f.Options.Metadata != "0"
	}
	return t, enc, err
}

// encodedTrack is an audio setting that goes into an intermediate, or the
// source's own track when that satisfies it already.
func (p *planner) encodedTrack(f format.Format, w window) (track, audioEncoder, *job.Error) {
	t, enc, err := p.src.newTrack(f, w, f.AudioCodec())
	if err != nil {
		return t, enc, err
	}
	if !p.has(enc.encoder) {
		return t, enc, noEncoder(enc.encoder, t.codec)
	}
	t.fill = p.fill(w)
	if p.src.satisfied(t) {
		return p.copiedTrack(w, muxer{}), audioEncoder{inter: "mp4"}, nil
	}
	return t, enc, nil
}

// copiedTrack is the source's track as it is. An audio file of it is written
// directly.
func (p *planner) copiedTrack(w window, m muxer) track {
	t := track{window: w, stream: p.src.audio.Index, copied: true}
	if m.whole {
		t.whole, t.tags = m.container, true
	}
	return t
}

// copyContainer is the intermediate for a copied codec.
func copyContainer(codec string) string {
	switch codec {
	case "aac", "mp3", "ac3", "eac3", "alac", "mp2":
		return "mp4"
	}
	return "mkv"
}

// fill says up to where silence must be added: to the end of the video, when
// the audio ends earlier or it is not known when.
func (p *planner) fill(w window) float64 {
	if p.src.video == nil || p.src.still {
		return 0
	}
	end := p.src.videoEnd()
	if w.length > 0 {
		end = min(end, w.offset+w.length)
	}
	if a := p.src.audio; a.Duration > 0 && p.src.lead(a.StartTime)+a.Duration > end-0.05 {
		return 0
	}
	return max(0, end-w.offset)
}

// input is an intermediate and the step that makes it.
type input struct {
	name, needs string
	grows       bool // it can be read before that step has ended
}

// read makes s read an intermediate and returns the name of it for arguments.
func (s *Step) read(in *input) string {
	if in.grows {
		s.Tail = TailInput{Name: in.name, Step: in.needs}
		return StdinInput
	}
	s.Needs, s.Reads = append(s.Needs, in.needs), append(s.Reads, in.name)
	return in.name
}

// muxStep copies intermediates into the final file. rate is that of the video.
func (p *planner) muxStep(i int, f format.Format, m muxer, video, audio *input, rate format.Rational, name string) Step {
	s := Step{ID: p.finalID(StepMux, i, ""), Kind: StepMux, Files: []string{name}, Outputs: []int{i}, Cost: 0.5}
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
			end = max(end, p.src.lead(a.StartTime)+a.Duration)
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
