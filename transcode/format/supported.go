package format

import (
	"fmt"
	"slices"
	"strings"
)

// Supported returns nil when this server makes f, else a sentence that says
// what it cannot do and what it can. There are two sorts: what nobody can make
// (H.264 in WebM), and what is recognised but not encoded by this server, by
// the flag Encodable of the tables.
func Supported(f Format) error {
	if err := supported(f); err != nil {
		return fmt.Errorf("format %q: %w", f.String(), err)
	}
	return nil
}

func supported(f Format) error {
	c := container(f.Container)
	if c == nil {
		return fmt.Errorf("%q is no container", clip(f.Container))
	}
	if !c.Encodable {
		return fmt.Errorf("the container %s is recognised but not encoded by this server, which encodes %s", c.Name,
			containerNames(func(c *Container) bool { return c.Encodable }))
	}
	for _, t := range []struct {
		track Track
		codec string
	}{{TrackVideo, f.VideoCodec()}, {TrackAudio, f.AudioCodec()}} {
		if err := codecSupported(c, t.track, t.codec); err != nil {
			return err
		}
	}
	if f.Options.Frag && !c.Fragments {
		return fmt.Errorf("frag does not apply to %s: it is for %s", c.Name,
			containerNames(func(c *Container) bool { return c.Fragments }))
	}
	if err := copySupported(f); err != nil {
		return err
	}
	return settingsSupported(f)
}

// codecSupported checks a codec in its container.
func codecSupported(c *Container, t Track, name string) error {
	if name == "" || name == Copy {
		return nil
	}
	if !slices.Contains(c.codecs(t), name) {
		return fmt.Errorf("%s cannot hold %s %s: it holds %s", c.Name, name, t, strings.Join(c.codecs(t), ", "))
	}
	if row := codec(t, name); row == nil || !row.Encodable {
		return fmt.Errorf("the %s codec %s is recognised but not encoded by this server, which encodes %s, copy", t, name,
			codecNames(t, func(row *Codec) bool { return row.Encodable && slices.Contains(c.codecs(t), row.Name) }))
	}
	return nil
}

// copySupported refuses what a copied track cannot show. A bitrate or a
// quality beside copy is only without effect.
func copySupported(f Format) error {
	if f.VideoCodec() == Copy && (!f.Video.Resolution.IsZero() || f.Video.FPS != "") {
		return fmt.Errorf("copy keeps the video as it is, so %q cannot be applied: leave out copy or the resolution and frame rate",
			joinSpecs(f.Video.Resolution.String(), f.Video.FPS))
	}
	if f.AudioCodec() == Copy && (f.Audio.SampleRate != 0 || f.Audio.Channels != "") {
		return fmt.Errorf("copy keeps the audio as it is, so %q cannot be applied: leave out copy or the sample rate and channels",
			joinSpecs(number(f.Audio.SampleRate, "hz"), f.Audio.Channels))
	}
	return nil
}

// settingsSupported checks the options that depend on the video codec.
func settingsSupported(f Format) error {
	c := codec(TrackVideo, f.VideoCodec())
	if c == nil {
		return nil // copied or absent: there is no encoder that could refuse
	}
	o := f.Options
	for _, s := range []struct {
		name, value string
		allowed     []string
	}{
		{"pix_fmt", o.PixFmt, c.PixFmts},
		{"vprofile", o.Profile, c.Profiles},
		{"level", o.Level, c.Levels},
		{"preset", o.Preset, c.Presets},
	} {
		switch {
		case s.value == "" || slices.Contains(s.allowed, s.value):
		case len(s.allowed) == 0:
			return fmt.Errorf("%s=%s: %s has no %s", s.name, s.value, c.Name, s.name)
		default:
			return fmt.Errorf("%s=%s: %s takes %s", s.name, s.value, c.Name, strings.Join(s.allowed, ", "))
		}
	}
	if strings.HasPrefix(c.Name, "prores") && o.Profile != "" && strings.Contains(o.PixFmt, "444") {
		return fmt.Errorf("vprofile=%s is 4:2:2 in %s and does not take pix_fmt=%s: leave one of them out", o.Profile, c.Name, o.PixFmt)
	}
	if o.Quality > 0 && !c.Quality {
		return fmt.Errorf("quality=%d: %s has no quality setting, use a bitrate", o.Quality, c.Name)
	}
	if b, ok := profileBounds[o.Profile]; ok && !b.takes(o.PixFmt) {
		return fmt.Errorf("vprofile=%s does not take pix_fmt=%s: leave one of them out (it is about %s)", o.Profile, o.PixFmt, b.usual)
	}
	return nil
}

// bounds are what a profile of H.264 or H.265 can carry at most. Encoders fail
// when the pixel format is beyond it.
type bounds struct {
	chroma, depth int    // 420, 422 or 444; bits
	usual         string // the pixel format that the profile is about
}

var profileBounds = map[string]bounds{
	"baseline": {420, 8, "yuv420p"},
	"main":     {420, 8, "yuv420p"},
	"high":     {420, 8, "yuv420p"},
	"high10":   {420, 10, "yuv420p10le"},
	"main10":   {420, 10, "yuv420p10le"},
	"main12":   {420, 12, "yuv420p12le"},
	"high422":  {422, 10, "yuv422p10le"},
	"high444":  {444, 12, "yuv444p"},
}

// takes reports whether a pixel format, "" being the usual one, is within b.
func (b bounds) takes(pixFmt string) bool {
	if pixFmt == "" {
		return true
	}
	chroma, depth := 420, 8
	switch {
	case strings.Contains(pixFmt, "444"), strings.HasPrefix(pixFmt, "gbr"):
		chroma = 444
	case strings.Contains(pixFmt, "422"), pixFmt == "nv16", pixFmt == "nv20le":
		chroma = 422
	}
	switch {
	case strings.HasSuffix(pixFmt, "12le"):
		depth = 12
	case strings.HasSuffix(pixFmt, "10le"), pixFmt == "nv20le":
		depth = 10
	}
	return chroma <= b.chroma && depth <= b.depth
}

// SupportedVariant returns nil when f can be a variant of an httpstream
// (coconut-v2.md section 5.4): mp4 with h264, hevc or no video, and aac or no audio.
func SupportedVariant(f Format) error {
	v, a := f.VideoCodec(), f.AudioCodec()
	switch {
	case f.Container != "mp4":
		return fmt.Errorf("variant %q: the container of a variant must be mp4, not %s", f.String(), f.Container)
	case v != "" && v != "h264" && v != "hevc":
		return fmt.Errorf("variant %q: the video codec of a variant must be h264, hevc or novideo, not %s", f.String(), v)
	case a != "" && a != "aac":
		return fmt.Errorf("variant %q: the audio codec of a variant must be aac or noaudio, not %s", f.String(), a)
	}
	return Supported(f)
}
