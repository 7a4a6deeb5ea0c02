package format

import (
	"github.com/copra-video/copra/transcode/codec"
)

// This file answers what a format means: what was asked for, with the defaults
// of the container, the codec and the named definition filled in.

// DefaultLadder is the ladder of an httpstream without variants
// (coconut-v2.md section 5.4).
var DefaultLadder = []string{
	"mp4:x:64k",
	"mp4:240p::quality=4,maxrate=400k",
	"mp4:360p::quality=4,maxrate=1000k",
	"mp4:480p::quality=4,maxrate=1500k",
	"mp4:720p::quality=4,maxrate=2000k",
	"mp4:1080p::quality=4,maxrate=4000k",
	"mp4:2160p::quality=4,maxrate=8000k",
}

// defaultVideoK is the video bitrate when neither it nor a named definition is
// given.
const defaultVideoK = 1000

// containerRow returns the row of f's container. It is empty for a zero Format,
// so that the methods need no nil checks.
func (f Format) containerRow() *codec.Container {
	if c := codec.LookupContainer(f.Container); c != nil {
		return c
	}
	return &codec.Container{}
}

// videoRow returns the row of f's video codec; nil when there is no video or it
// is copied.
func (f Format) videoRow() *codec.Codec { return codec.Lookup(codec.Video, f.VideoCodec()) }

// audioRow returns the row of f's audio codec; nil when there is no audio or it
// is copied.
func (f Format) audioRow() *codec.Codec { return codec.Lookup(codec.Audio, f.AudioCodec()) }

// Kind returns what the container holds.
func (f Format) Kind() Kind { return f.containerRow().Kind }

// VideoCodec returns the codec of the video track: "copy", a name of the codec
// table, or "" when there is no such track.
func (f Format) VideoCodec() string {
	c := f.containerRow()
	switch {
	case c.Kind != KindVideo || f.Video.Disabled:
		return ""
	case f.Video.Codec != "":
		return f.Video.Codec
	}
	return c.VideoCodec
}

// AudioCodec returns the codec of the audio track: "copy", a name of the codec
// table, or "" when there is no such track.
func (f Format) AudioCodec() string {
	c := f.containerRow()
	switch {
	case c.Kind != KindVideo && c.Kind != KindAudio || f.Audio.Disabled:
		return ""
	case f.Audio.Codec != "":
		return f.Audio.Codec
	}
	return c.AudioCodec
}

// VideoBitrateK returns the video bitrate in kbit/s: the one given, that of the
// named definition, or 1000. It is 0 when quality decides or the codec takes
// none.
func (f Format) VideoBitrateK() int {
	c := f.videoRow()
	switch {
	case c == nil || c.Lossless || f.ConstantQuality():
		return 0
	case f.Video.BitrateK > 0:
		return f.Video.BitrateK
	}
	if d := definitionOf(f.Video.Resolution.Name); d != nil {
		return d.bitrateK
	}
	return defaultVideoK
}

// AudioBitrateK returns the audio bitrate in kbit/s, which is the container's
// default when none was given. It is 0 when the track is copied, lossless or
// absent.
func (f Format) AudioBitrateK() int {
	c := f.audioRow()
	switch {
	case c == nil || c.Lossless:
		return 0
	case f.Audio.BitrateK > 0:
		return f.Audio.BitrateK
	}
	return f.containerRow().AudioBitrateK
}

// AudioRate returns the sample rate in Hz; 0 for the source's. A rate that the
// codec does not take (22000, or 44100 with opus) becomes the next higher one
// that it takes, or its highest.
func (f Format) AudioRate() int {
	c := f.audioRow()
	if c == nil || f.Audio.SampleRate == 0 {
		return 0
	}
	return c.RateFor(f.Audio.SampleRate)
}

// Quality returns 1 to 5 when quality decides instead of a bitrate, else 0.
func (f Format) Quality() int {
	if c := f.videoRow(); c != nil && c.Quality {
		return f.Options.Quality
	}
	return 0
}

// ConstantQuality reports whether a quality or a CRF decides instead of a bitrate.
func (f Format) ConstantQuality() bool { return f.Quality() > 0 || f.CRF() > 0 }

// CRF returns the constant quality on the codec's own scale; 0 when none was given.
func (f Format) CRF() int {
	if c := f.videoRow(); c != nil && c.MaxCRF > 0 {
		return f.Options.CRF
	}
	return 0
}

// MaxrateK returns the bound of the bitrate in kbit/s; 0 when none was given. Beside a
// CRF a bitrate is that bound.
func (f Format) MaxrateK() int {
	if f.Options.MaxrateK == 0 && f.CRF() > 0 {
		return f.Video.BitrateK
	}
	return f.Options.MaxrateK
}

// TwoPass reports whether to encode in two passes. A constant quality has no
// use for a first pass.
func (f Format) TwoPass() bool {
	c := f.videoRow()
	return f.Options.TwoPass && c != nil && c.TwoPass && !f.ConstantQuality()
}

// PixFmt returns the pixel format to encode: the one given, else the one that
// vprofile is about, else the codec's usual one. It is "" without an encoded
// video track.
func (f Format) PixFmt() string {
	c := f.videoRow()
	switch {
	case c == nil:
		return ""
	case f.Options.PixFmt != "":
		return f.Options.PixFmt
	}
	if p := c.Profile(f.Options.Profile); p != nil {
		return p.PixFmt
	}
	return c.PixFmts[0]
}

// Extension returns the usual extension of a file, without the dot.
func (f Format) Extension() string {
	if f.Alias == "wmv" {
		return "wmv"
	}
	return f.containerRow().Extension
}

// ContentType returns the media type of a file.
func (f Format) ContentType() string {
	c := f.containerRow()
	if f.Video.Disabled && c.AudioType != "" {
		return c.AudioType
	}
	return c.ContentType
}
