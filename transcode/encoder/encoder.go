// Package encoder is the table of encoders: which program encodes a codec, with
// which arguments, and within which limits. It is pure data and functions from
// data to FFmpeg's arguments.
//
// A row is a codec and a backend. Every codec has a software row; a hardware
// encoder is another row for the same codec, with its own arguments, limits,
// quality scale and names of presets.
package encoder

import (
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// Backend is what does the encoding: the CPU, or a kind of device.
type Backend string

// The backends.
const (
	Software Backend = "software"
)

// KeyframeSeconds is the grid of keyframes where none was asked for. There is one at
// each multiple of it, and nowhere else, in plain files as in streams: so one encode
// serves both, and segments of a multiple of it can be cut without encoding again
// (streams.md rule 1.13).
const KeyframeSeconds = 2

// DefaultGrid is KeyframeSeconds as a fraction.
var DefaultGrid = format.Rational{Num: KeyframeSeconds, Den: 1}

// Video is a row of the table of video encoders. Rows are compared by their
// address: a rendition names its encoder by a pointer to the row.
type Video struct {
	Name    string // FFmpeg's
	Backend Backend
	// Codecs are the codecs that it makes, by the names of package codec. The
	// first row of the table that makes a codec is preferred.
	Codecs []string
	// Containers are those that it encodes for; nil: all.
	Containers []string
	// Depths are the bits of a sample that the encoder of a device takes.
	Depths []int

	Intermediate *Intermediate
	Preset       string // when none is asked for
	// Preset7 takes its place from FFmpeg 7 on, whose distributions have a library with other
	// numbers; "": the same.
	Preset7 string
	// Presets are the encoder's presets by the words of the option preset.
	Presets map[string]string
	// Quality is what the encoder is told for quality 1 to 5: a CRF, or a
	// quantiser.
	Quality [5]int
	Weight  float64 // time for a pixel, in that of libx264 fast
	// PassInParams: the pass is told through the encoder's own parameters, not
	// by FFmpeg's -pass.
	PassInParams bool
	// BuildDependent: its pixel formats depend on how its library was built,
	// above all on the bit depths that it has. FFmpeg asks such a library when
	// it starts (libavcodec/libx264.c, libx265.c, libvpxenc.c). The lists of all
	// others stand in FFmpeg's sources and have been the same since FFmpeg 5.1.
	BuildDependent bool
	// KnowsRate: it can be told the frame rate, or needs none.
	KnowsRate bool
	// CountsKeyframes: it is told the distance of keyframes only, and counts it
	// from its first frame.
	CountsKeyframes bool
	// BT601 is the only name that it knows of the matrix BT.601; "": all.
	BT601  string
	Limits Limits

	rate    func(Settings) Rate
	profile func(pixFmt, asked string) (string, *job.Error)
	args    func(Settings, Rate, Run) []string
}

// Settings are what a rendition asks of its encoder. They are comparable, since
// they are part of the key by which renditions are shared.
type Settings struct {
	CRF      int // constant quality, on the scale of the encoder; 0: BitrateK
	BitrateK int // kbit/s to aim at
	MaxrateK int // kbit/s not to exceed; 0: not asked for
	// DefaultMaxrateK bounds a constant quality that has no MaxrateK, in
	// kbit/s; 0: no bound.
	DefaultMaxrateK int
	Profile         string // as the encoder knows it
	Level           string // "31"
	// Small: the frames and their rate are within level 1 of H.264 (ITU-T H.264 table A-1).
	Small     bool
	Narrow    bool // the frames are less than 64 wide
	PixFmt    string
	Preset    string // as the encoder knows it
	Tune      string // word of the option tune
	NoBFrames bool
}

// EffectiveMaxrateK is the bound of a constant quality in kbit/s; 0: none.
func (s Settings) EffectiveMaxrateK() int {
	if s.MaxrateK > 0 {
		return s.MaxrateK
	}
	return s.DefaultMaxrateK
}

// Run is what the arguments depend on besides the settings.
type Run struct {
	// FPS is the frame rate, for x264 and x265, where FFmpeg does not know it; the
	// zero value: it does.
	FPS format.Rational
	GOP int // frames in a cell of the grid, rounded up
	// Grid is the distance of keyframes in seconds; the zero value is DefaultGrid.
	Grid format.Rational
	// BitrateK replaces that of the settings, in kbit/s; 0: it does not. What bounds the
	// rate stays.
	BitrateK int
	// Resumes: the encode goes on where another has ended.
	Resumes bool
	// Keyframes are the times from which on the next frame is a keyframe, in
	// seconds; nil: the grid, counted from the first frame.
	Keyframes []float64
	Pass      int    // 1 or 2; 0: a single pass
	Stats     string // name of the pass log
	HDR       *HDR   // what an HDR source says of its light; nil: the output is SDR
}

// Args are the arguments that encode with the settings, from the preset on;
// "-c:v" is not among them.
func (e *Video) Args(s Settings, r Run) []string {
	rate := e.Rate(s)
	rate.Resumes = r.Resumes
	if r.BitrateK > 0 {
		rate.BitrateK = r.BitrateK
	}
	args := e.args(s, rate, r)
	if r.Pass > 0 && !e.PassInParams {
		args = append(args, "-pass", number(r.Pass), "-passlogfile", r.Stats)
	}
	return args
}

// Rate is the rate control that the settings mean for this encoder.
func (e *Video) Rate(s Settings) Rate {
	if e.rate == nil {
		return Rate{}
	}
	return e.rate(s)
}

// Profile is the profile to tell the encoder: the one asked for, or what the
// pixel format needs. The error says that they do not agree.
func (e *Video) Profile(pixFmt, asked string) (string, *job.Error) {
	if e.profile == nil {
		return "", nil
	}
	return e.profile(pixFmt, asked)
}

// PresetFor is the encoder's preset for a word, or its default when it does not
// know the word. major is the version of FFmpeg; 0: not known.
func (e *Video) PresetFor(word string, major int) string {
	if p, ok := e.Presets[word]; ok {
		return p
	}
	if major >= 7 && e.Preset7 != "" {
		return e.Preset7
	}
	return e.Preset
}

// Codec is the row of the codec that the encoder is named after.
func (e *Video) Codec() *codec.Codec { return codec.Lookup(codec.Video, e.Codecs[0]) }

// makes reports whether the encoder makes a codec for a container.
func (e *Video) makes(name, container string) bool {
	return slices.Contains(e.Codecs, name) && (e.Containers == nil || slices.Contains(e.Containers, container))
}

// ForVideo lists the encoders of a codec in a container, the preferred one
// first.
func ForVideo(name, container string) []*Video {
	var list []*Video
	for i := range videos {
		if videos[i].makes(name, container) {
			list = append(list, &videos[i])
		}
	}
	return list
}

// VideoNames lists FFmpeg's names of the video encoders that want lets through.
func VideoNames(want func(*Video) bool) []string {
	var names []string
	for i := range videos {
		if want(&videos[i]) {
			names = append(names, videos[i].Name)
		}
	}
	return names
}

// Names lists FFmpeg's names of the encoders of a codec, the preferred one
// first.
func Names(c *codec.Codec) []string {
	if a := ForAudio(c.Name); c.Track == codec.Audio && a != nil {
		return []string{a.Name}
	}
	return VideoNames(func(e *Video) bool { return c.Track == codec.Video && slices.Contains(e.Codecs, c.Name) })
}

// Intermediate is the container of a file with a single track, in which tracks
// wait for the muxers.
type Intermediate struct {
	Extension string
	Muxer     string // FFmpeg's
	// Tailable: it can be written so that it is read while it grows.
	Tailable bool
	// Joinable: files of chunks, written with PieceArgs, can be joined.
	Joinable  bool
	PieceArgs []string
}

// The intermediates. MP4 and Matroska keep a late start, the delay of B-frames
// and the priming of audio codecs exactly; NUT, and AAC in Matroska, do not.
// Theora leaves out frames that are like the one before, and its times pass
// into Ogg only from NUT.
var (
	MP4      = &Intermediate{Extension: "mp4", Muxer: "mp4", Tailable: true, Joinable: true, PieceArgs: fragmentPieces}
	MOV      = &Intermediate{Extension: "mov", Muxer: "mov", Joinable: true, PieceArgs: fragmentPieces}
	Matroska = &Intermediate{Extension: "mkv", Muxer: "matroska", Joinable: true, PieceArgs: clusterPieces}
	NUT      = &Intermediate{Extension: "nut", Muxer: "nut"}
)

// fragmentPieces write a fragment for each keyframe, with times that count from the
// start of the whole (frag_discont) and offsets that hold wherever it is moved to.
// clusterPieces write a cluster for each frame; its time counts from there anyway.
var (
	fragmentPieces = []string{"-movflags", "+frag_keyframe+delay_moov+frag_discont+default_base_moof"}
	clusterPieces  = []string{"-cluster_time_limit", "0"}
)

// Limits are what an encoder cannot do, so that a request is brought within
// them instead of failing. The zero value has none.
type Limits struct {
	MinW, MinH int // the picture is enlarged to these
	MaxW, MaxH int // and made smaller to these, at most to 16384
	// MinBesideLong is the least side beside one of more than 4096; 0: as of all.
	MinBesideLong int
	Multiple      int // sides are multiples of it; 0: of 2
	Forbidden     int // no side may be a multiple of it; 0: any may
	// Sizes are the only ones that it encodes, ascending; nil: any.
	Sizes []Size
	// PlainSizes is how many of them may be chosen when no size is asked for;
	// 0: all.
	PlainSizes int
	// Constant: frames are counted, so they must come regularly and from the
	// beginning on.
	Constant bool
	Rates    []format.Rational // frame rates that it knows, ascending; nil: any
	MaxFPS   format.Rational
}

// Size is a frame size with the shape of its pixels.
type Size struct {
	W, H int
	SAR  format.Rational
}
