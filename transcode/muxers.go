package transcode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// muxer is a row of the table of final containers.
type muxer struct {
	container string
	name      string // ffmpeg's -f
	args      []string
	// more are codecs, by ffprobe's names, that can be copied into it though
	// they are never encoded for it.
	more []string
	// direct: the encoder writes the finished file, because the container keeps
	// facts that an intermediate would lose (LAME's gapless header, WAV's
	// sizes, Ogg's granules).
	direct bool
}

// muxers is the table. faststart puts the index first, so that a file plays
// while it loads.
var muxers = []muxer{
	{container: "mp4", name: "mp4", args: []string{"-movflags", "+faststart"}, more: []string{"eac3", "alac"}},
	{container: "mov", name: "mov", args: []string{"-movflags", "+faststart"}, more: []string{"eac3", "alac", "png", "dvvideo"}},
	{container: "mkv", name: "matroska", more: []string{"eac3", "alac", "dts", "truehd", "ffv1"}},
	{container: "webm", name: "webm"},
	{container: "mpegts", name: "mpegts", more: []string{"eac3"}},
	{container: "avi", name: "avi", more: []string{"msmpeg4v3", "msmpeg4v2", "dvvideo", "ffv1", "h263p"}},
	{container: "asf", name: "asf", more: []string{"wmv3", "vc1", "wmav1", "wmapro", "msmpeg4v3"}},
	{container: "flv", name: "flv"},
	{container: "3gp", name: "3gp", args: []string{"-movflags", "+faststart"}},
	{container: "ogv", name: "ogg", args: oggPages, direct: true},
	{container: "aac", name: "adts"},
	{container: "mp3", name: "mp3", direct: true},
	{container: "ogg", name: "ogg", direct: true},
	{container: "wav", name: "wav", direct: true},
}

// oggPages gives each packet a page and so a time of its own: Theora leaves out
// frames that are like the one before, and readers count.
var oggPages = []string{"-page_duration", "1"}

func muxerFor(container string) (muxer, bool) {
	i := slices.IndexFunc(muxers, func(m muxer) bool { return m.container == container })
	if i < 0 {
		return muxer{}, false
	}
	return muxers[i], true
}

// outputArgs are the muxer's own arguments for a format.
func (m muxer) outputArgs(f format.Format) []string {
	args := m.args
	if f.Options.Frag && (m.container == "mp4" || m.container == "mov") {
		// A fragment a keyframe, each readable by itself; the index of the
		// whole stays empty.
		args = []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof"}
	}
	return append(slices.Clone(args), "-f", m.name)
}

// canCopy reports whether the container can carry a codec of the source,
// by ffprobe's name.
func (m muxer) canCopy(codec string) bool {
	return format.CanHold(m.container, canonicalCodec(codec)) || slices.Contains(m.more, codec)
}

// canonicalCodec turns ffprobe's name of a codec into the format package's.
func canonicalCodec(name string) string {
	switch name {
	case "flv1":
		return "flv"
	case "amr_nb":
		return "amr-nb"
	}
	return strings.ReplaceAll(name, "_", "-")
}

// videoTag is what a video track needs by its codec in this container.
func (m muxer) videoTag(codec string) []string {
	switch {
	case codec == "hevc" && (m.container == "mp4" || m.container == "mov"):
		// hvc1 is the tag that Apple's players ask for (streams.md rule 1.10).
		return []string{"-tag:v", "hvc1"}
	case m.container == "avi" && (codec == "mpeg4" || codec == "xvid"):
		// The name that most players and televisions know; and these two
		// containers have no place for headers but the frames.
		return []string{"-tag:v", "XVID", "-bsf:v", "dump_extra"}
	case m.container == "mpegts" && (codec == "mpeg4" || codec == "xvid"):
		return []string{"-bsf:v", "dump_extra"}
	}
	return nil
}

// rateArgs tell the frame rate to AVI, which has no other times. From the time
// base of the intermediate it would get hundreds of empty frames a second.
func (m muxer) rateArgs(r format.Rational) []string {
	if m.container != "avi" || !validRate(r) {
		return nil
	}
	return []string{"-r", fmt.Sprintf("%d/%d", r.Num, r.Den)}
}

func cannotCopy(kind, codec, container string) *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "The input's %s codec %s cannot be copied into %s; choose another container, or a codec to encode it with.", kind, codec, container)
}
