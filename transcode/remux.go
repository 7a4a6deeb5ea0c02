package transcode

import (
	"strconv"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// planRemux plans an output whose video is copied from the source.
//
// A copy can begin only at a keyframe: with an offset it begins at the last one
// before the offset. MP4 and MOV say so in their edit list, and players start
// at the offset; in other containers up to a keyframe's distance more is seen.
func (p *planner) planRemux(i int, o *job.Output, c *codec.Container, w window) (Result, *job.Error) {
	f := o.Format
	v := p.src.video
	if v == nil {
		return Result{}, noVideo(f.Container)
	}
	if !c.CanCopy(v.Codec) {
		return Result{}, cannotCopy("video", v.Codec, f.Container)
	}
	if err := p.noCaptionsIn(c, o.Video.Captions); err != nil {
		return Result{}, err
	}
	s := Step{ID: p.outputStepID(StepMux, i, ""), Kind: StepMux, Outputs: []int{i}, Duration: p.length(w), Cost: 1}
	maps := []string{"-map", "0:" + strconv.Itoa(v.Index)}
	codecs := []string{"-c", "copy"}
	audio := f.AudioCodec() != "" && p.src.audio != nil
	if audio {
		switch copyable := c.CanCopy(p.src.audio.Codec); {
		case f.AudioCodec() == format.Copy && !copyable:
			return Result{}, cannotCopy("audio", p.src.audio.Codec, f.Container)
		case copyable && (f.AudioCodec() == format.Copy || !asksAudio(f)):
			maps = append(maps, "-map", "0:"+strconv.Itoa(p.src.audio.Index))
		default:
			t, err := p.src.newAudioRendition(f, w)
			if err != nil {
				return Result{}, err
			}
			if !p.has(t.encoder.Name) {
				return Result{}, noEncoder(t.encoder.Name, t.encoder.Codec)
			}
			// Encoded here, from the same input: only so do both have the same
			// zero when the copy begins before the offset.
			maps = append(maps, "-map", "0:"+strconv.Itoa(t.stream))
			codecs = append([]string{"-c:v", "copy"}, t.encodeArgs(p.needLoudness(&s, t, i))...)
			s.AudioEncodes = 1
		}
	}
	name := p.outputName(i, f)
	p.addCopy(i, f, c, p.fileCaptions(i, o.Video.Captions, w), copying{step: s, window: w, maps: maps, codecs: codecs, audio: audio, name: name})
	r := p.published(o, name, w, Expect{Video: true, Audio: audio})
	if w != (window{}) {
		r.Files[0].Expect.Duration = 0 // where the keyframes lie is not known
	}
	return r, nil
}

// OnlyCopies reports whether all outputs copy the video of the source. Then it does not matter
// when its frames come. Outputs that are nil are not made.
func OnlyCopies(outputs []*job.Output) bool {
	made := false
	for _, o := range outputs {
		if o == nil {
			continue
		}
		if o.Type != job.TypeVideo || o.Format.VideoCodec() != format.Copy {
			return false
		}
		made = true
	}
	return made
}

// asksAudio reports whether the format says anything of the audio's encoding;
// "mp4:copy" alone means the audio too. A loudness needs an encode.
func asksAudio(f format.Format) bool {
	return f.Audio != format.Audio{} || f.Options.Loudness != 0
}
