package transcode

import (
	"fmt"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// muxerArgs are the muxer's own arguments for a format.
func muxerArgs(c *codec.Container, f format.Format) []string {
	args := c.MuxerArgs
	if f.Options.Frag && c.Fragments {
		// A fragment for each keyframe, each readable by itself. The index is
		// written with the first one (delay_moov), for only then is it known
		// what its edit lists have to take off. With an empty index at the
		// start there are none: the picture begins late and the sound has a
		// hole after its priming.
		args = []string{"-movflags", "+frag_keyframe+delay_moov+default_base_moof"}
	}
	return append(slices.Clone(args), "-f", c.Muxer)
}

// addDuration adds a step that writes into the header of a fragmented MP4 how long
// it lasts. FFmpeg writes the header first, and players would have to read the
// whole file.
func (p *planner) addDuration(i int, c *codec.Container, f format.Format, name string) {
	if !f.Options.Frag || !c.Fragments {
		return
	}
	s := Step{ID: p.outputStepID(StepDuration, i, ""), Kind: StepDuration, Needs: []string{p.outputStepID(StepMux, i, "")}, Files: []string{name}, Outputs: []int{i}, Cost: 0.1}
	s.Op.WriteDuration = &WriteDuration{Name: name}
	p.addOutputStep(outputStep{Step: s})
}

// tagArgs are what the muxer must be told about a video codec.
func tagArgs(c *codec.Container, videoCodec string) []string {
	tag := c.Tags[videoCodec]
	var args []string
	if tag.FourCC != "" {
		args = append(args, "-tag:v", tag.FourCC)
	}
	if tag.RepeatHeaders {
		args = append(args, "-bsf:v", "dump_extra")
	}
	return args
}

// rateArgs tell the frame rate to a container that has no other times. From the
// time base of the intermediate it would get hundreds of empty frames a second.
func rateArgs(c *codec.Container, r format.Rational) []string {
	if !c.ConstantRate || !validRate(r) {
		return nil
	}
	return []string{"-r", fmt.Sprintf("%d/%d", r.Num, r.Den)}
}

// primingArgs drop the priming of an audio encoder, which begins before zero, for
// a container that has no times: it could only be made room for by a shift of the
// whole, which repeats the first frame. Packets are dropped whole, so the sound
// is at most half a packet off, and what lies in the first packet fades in.
func primingArgs(c *codec.Container) []string {
	if !c.ConstantRate {
		return nil
	}
	return []string{"-bsf:a", "noise=drop='lt(pts+duration/2,0)'", "-avoid_negative_ts", "disabled"}
}

// metadataArgs keep the source's tags, read from the given input, or strip them.
// The language of the audio is not a tag to strip. Chapters would become a track
// of their own in MP4.
func (p *planner) metadataArgs(keep bool, from string, audio bool) []string {
	args := []string{"-map_metadata", "-1"}
	if keep {
		args = []string{"-map_metadata", from + ":g"}
	}
	args = append(args, "-map_chapters", "-1")
	if audio && p.src.audio != nil && knownLanguage(p.src.audio.Language) != "" {
		args = append(args, "-metadata:s:a:0", "language="+p.src.audio.Language)
	}
	return args
}

func keepsTags(f format.Format) bool { return f.Options.Metadata != "0" }

func cannotCopy(kind, codec, container string) *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "The input's %s codec %s cannot be copied into %s; choose another container, or a codec to encode it with.", kind, codec, container)
}
