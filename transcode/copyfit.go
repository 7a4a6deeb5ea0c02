package transcode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// CopyAuto is the value of the setting and of the param copy that has video copied where
// it fits.
const CopyAuto = "auto"

// maxCopiedGOP is how many seconds keyframes of copied video may be apart: players seek
// from one to the next.
const maxCopiedGOP = 10

// copyExcess is by how much the mean bitrate of copied video may be above the bitrate that
// was asked for, and copyPeak how many times that it may have for two seconds. Encoders keep
// to a bitrate no better.
const (
	copyExcess = 1.1
	copyPeak   = 2
)

// copies reports whether an output with this param copy asks that video which fits is
// copied. A copy that failed, as one that turned out to be of another length, is followed
// by an encode.
func (p *planner) copies(param string) bool {
	if p.NoSeek {
		return false
	}
	return param == CopyAuto || param == "" && p.Copy == CopyAuto
}

// whyEncoded says why the source's video has to be encoded for a rendition, and "" when it is what was asked for already. The answer rests on what is known of the source:
// its headers, and its keyframes and bitrates as the index has them.
func (p *planner) whyEncoded(f format.Format, c *codec.Container, r rendition) string {
	v, gops := p.src.video, p.gops()
	if why := p.otherTime(r, gops); why != "" {
		return why
	}
	for _, why := range []string{p.otherPicture(r), p.otherCodec(f, c, r), p.otherRate(f, r, gops), p.otherKeyframes(f, gops)} {
		if why != "" {
			return why
		}
	}
	if p.src.variable() && c.ConstantRate {
		return fmt.Sprintf("its frames come irregularly, and %s has a constant rate", v.Codec)
	}
	return ""
}

// otherTime says what of the time line does not fit.
func (p *planner) otherTime(r rendition, gops *job.GOPs) string {
	switch {
	case r.window != window{}:
		return "a part of it is asked for, which may begin between keyframes"
	case gops == nil:
		return "where its keyframes are is not known for certain, or an edit list takes off more than what is not shown"
	case gops.Open:
		return "its GOPs are open: some frames need those before a keyframe"
	case gops.Longest > maxCopiedGOP+0.1:
		return fmt.Sprintf("its keyframes are up to %.1f s apart, and at most %d s are copied", gops.Longest, maxCopiedGOP)
	case validRate(r.fps):
		return fmt.Sprintf("its frame rate is not the %.5g frames a second that are asked for", fpsFloat(r.fps))
	}
	return ""
}

// otherPicture says what of the picture does not fit.
func (p *planner) otherPicture(r rendition) string {
	v := p.src.video
	g := r.geometry
	switch {
	case v.Rotation != 0:
		return "the file has it turned when it is shown"
	case p.src.interlaced():
		return "it is interlaced"
	case r.preFilters != "" || r.watermark != watermark{} || r.overlays != "":
		return "the picture is to be changed"
	case g.W != v.Width || g.H != v.Height || g.letterboxed() || g.cropped() || g.SAR != p.src.frame.SAR:
		return fmt.Sprintf("its size is %dx%d, and %dx%d is asked for", v.Width, v.Height, g.W, g.H)
	case v.PixFmt != r.settings.PixFmt:
		return fmt.Sprintf("its pixel format is %s, and %s is asked for", v.PixFmt, r.settings.PixFmt)
	case r.toneMap || r.matrix != "":
		return "its colours are to be converted"
	}
	return ""
}

// otherCodec says what of the codec does not fit.
func (p *planner) otherCodec(f format.Format, c *codec.Container, r rendition) string {
	v := p.src.video
	switch {
	case v.Codec != f.VideoCodec() || !c.CanCopy(v.Codec):
		return fmt.Sprintf("its codec is %s, and %s in %s is asked for", v.Codec, f.VideoCodec(), f.Container)
	case profileRank(v.Codec, v.Profile) > profileRank(v.Codec, r.settings.Profile):
		return fmt.Sprintf("its profile is %s, and %s is asked for", v.Profile, r.settings.Profile)
	case f.Options.Level != "" && levelOf(v) > askedLevel(f.Options.Level):
		return fmt.Sprintf("its level is %s, and %s is asked for", strconv.FormatFloat(levelOf(v)/10, 'f', 1, 64), strconv.FormatFloat(askedLevel(f.Options.Level)/10, 'f', 1, 64))
	}
	return ""
}

// h264Profiles are the profiles whose decoders decode those before too (ITU-T H.264 annex
// A.2; in constrained form for baseline).
var h264Profiles = [][]string{{"constrained baseline"}, {"baseline"}, {"main"}, {"high"}, {"high 10"}, {"high 4:2:2"}, {"high 4:4:4 predictive"}}

// profileRank orders profiles of H.264: a stream fits when its rank is not higher. A
// profile that is not known has the highest. Profiles of other codecs follow from the pixel
// format, which is compared too.
func profileRank(codecName, profile string) int {
	name := strings.ToLower(profile)
	switch {
	case codecName != "h264":
		return 0
	case name == "high10" || name == "high422" || name == "high444":
		name = map[string]string{"high10": "high 10", "high422": "high 4:2:2", "high444": "high 4:4:4 predictive"}[name]
	}
	at := slices.IndexFunc(h264Profiles, func(names []string) bool { return slices.Contains(names, name) })
	if at < 0 {
		return len(h264Profiles)
	}
	return at
}

// levelOf is the level of a stream in tenths, as formats write it: 31. ffprobe gives that
// of HEVC in thirtieths. Of other codecs it is none to compare: higher than all.
func levelOf(v *job.VideoStream) float64 {
	switch v.Codec {
	case "h264":
		return float64(v.Level)
	case "hevc":
		return float64(v.Level) / 3
	}
	return 1000
}

func askedLevel(level string) float64 {
	n, _ := strconv.ParseFloat(level, 64)
	return n
}

// otherRate says what of the bitrate does not fit. Of a format that asks for no bitrate
// the default is not taken for a bound: only what is unusual for its size is encoded.
func (p *planner) otherRate(f format.Format, r rendition, gops *job.GOPs) string {
	usual := r
	if usual.settings.CRF == 0 {
		usual.settings.CRF = r.encoder.Quality[maxrateTopQuality-1]
	}
	peakK, asked := p.defaultMaxrate(usual), "a usual maxrate of this size"
	if k := f.Video.BitrateK; k > 0 && r.settings.CRF == 0 {
		if mean := gops.Mean / 1000; float64(mean) > copyExcess*float64(k) {
			return fmt.Sprintf("its bitrate is %d kbit/s, and %d are asked for", mean, k)
		}
		peakK, asked = copyPeak*k, "twice the bitrate asked for"
	}
	if k := r.settings.MaxrateK; k > 0 {
		peakK, asked = k, "the maxrate asked for"
	}
	if peak := gops.Peak / 1000; peak > int64(peakK) {
		return fmt.Sprintf("its bitrate is %d kbit/s over two seconds, and %s is %d", peak, asked, peakK)
	}
	return ""
}

// planCopy plans a file whose video fits and is copied. The sound is copied where it is
// what was asked for, as in an encode.
func (p *planner) planCopy(i int, o *job.Output, c *codec.Container, audio *audioRendition) Result {
	v := p.src.video
	s := Step{ID: p.outputStepID(StepMux, i, ""), Kind: StepMux, Outputs: []int{i}, Duration: p.length(window{}), Cost: 1}
	maps := []string{"-map", "0:" + strconv.Itoa(v.Index)}
	codecs := []string{"-c", "copy"}
	sound := "there is no sound"
	switch {
	case audio == nil:
	case audio.encoder == nil:
		maps = append(maps, "-map", "0:"+strconv.Itoa(audio.stream))
		sound = "the sound is copied too"
	default:
		maps = append(maps, "-map", "0:"+strconv.Itoa(audio.stream))
		codecs = append([]string{"-c:v", "copy"}, audio.encodeArgs(p.needLoudness(&s, *audio, i))...)
		s.AudioEncodes = 1
		sound = "the sound is encoded"
	}
	name := p.outputName(i, o.Format)
	p.addCopy(i, o.Format, c, p.fileCaptions(i, o.Video.Captions, window{}), copying{step: s, maps: maps, codecs: codecs, audio: audio != nil, name: name})
	r := p.published(o, name, window{}, Expect{Video: true, Audio: audio != nil, Width: v.Width, Height: v.Height})
	r.Seeks = true // another plan may make it
	g := p.gops()
	r.Copied = &Copied{Video: true, Audio: audio != nil && audio.encoder == nil}
	rate := ""
	if g.Peak > 0 {
		rate = fmt.Sprintf("at most %d kbit/s and ", g.Peak/1000)
	}
	p.noteCopy(i, r.Copied, fmt.Sprintf("Video copied: it is %s %s in %dx%d as asked for, with %sa keyframe every %.1f s or more often; %s.",
		v.Codec, v.Profile, v.Width, v.Height, rate, g.Longest, sound))
	return r
}

// copying is a run of ffmpeg that copies the video of the source into a file.
type copying struct {
	step   Step // without arguments
	window window
	maps   []string // of the source's streams
	codecs []string
	audio  bool
	name   string // of the file
}

// addCopy adds the step of a file whose video is copied.
func (p *planner) addCopy(i int, f format.Format, c *codec.Container, texts captionInputs, k copying) {
	k.step.Files = []string{k.name}
	p.addOutputStep(outputStep{copiesSource: true, Step: texts.mux(func(texts captionInputs) Step {
		s := k.step
		s.Needs = slices.Clone(s.Needs)
		s.addArgs(k.window.inputArgs()...)
		ofTexts := texts.open(&s, 1)
		s.addArgs(k.maps...)
		s.addArgs(ofTexts...)
		s.addArgs(k.codecs...)
		s.addArgs(tagArgs(c, p.src.video.Codec)...)
		s.addArgs(rateArgs(c, p.src.rate())...)
		s.addArgs(p.metadataArgs(keepsTags(f), "0", k.audio)...)
		s.addArgs(texts.args(c)...)
		s.addArgs(muxerArgs(c, f)...)
		s.addArgs(k.name)
		return s
	})})
	p.addDuration(i, c, f, k.name)
}

// Copied is what of an output is copied from the source, where that was left to the
// planner, and why. It is a member of the output's metadata.
type Copied struct {
	Video bool `json:"video"`
	Audio bool `json:"audio"`
	// Variants are those of a stream whose video is copied.
	Variants []string `json:"variants,omitempty"`
	Reason   string   `json:"reason"` // a sentence
}

func (p *planner) noteCopy(i int, c *Copied, reason string) {
	c.Reason = reason
	p.copyNotes = append(p.copyNotes, Note{Outputs: []int{i}, Text: reason})
}
