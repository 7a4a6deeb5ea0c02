package format

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// Supported returns nil when this server makes f. Otherwise the error is a
// sentence that says what cannot be done and what can. It refuses what nobody
// can make (H.264 in WebM), and what is recognised but not encoded by this
// server, by the column Encodable of the tables.
func Supported(f Format) error {
	if err := supported(f); err != nil {
		return fmt.Errorf("format %q: %w", f.String(), err)
	}
	return nil
}

func supported(f Format) error {
	c := codec.LookupContainer(f.Container)
	if c == nil {
		return fmt.Errorf("%q is no container", clip(f.Container))
	}
	if !c.Encodable {
		return fmt.Errorf("the container %s is recognised but not encoded by this server, which encodes %s", c.Name,
			containerNames(func(c *codec.Container) bool { return c.Encodable }))
	}
	for _, t := range []struct {
		track codec.Track
		codec string
	}{{codec.Video, f.VideoCodec()}, {codec.Audio, f.AudioCodec()}} {
		if err := codecSupported(c, t.track, t.codec); err != nil {
			return err
		}
	}
	if f.Options.Frag && !c.Fragments {
		return fmt.Errorf("frag does not apply to %s: it is for %s", c.Name,
			containerNames(func(c *codec.Container) bool { return c.Fragments }))
	}
	if err := copySupported(f); err != nil {
		return err
	}
	if a := f.AudioCodec(); f.Options.Loudness != 0 && (a == "" || a == Copy) {
		return errors.New("loudness needs audio that is encoded: leave out loudness, or name an audio codec")
	}
	return settingsSupported(f)
}

// codecSupported checks a codec in its container.
func codecSupported(c *codec.Container, t codec.Track, name string) error {
	holds := c.Codecs(t)
	if name == "" || name == Copy {
		return nil
	}
	if !slices.Contains(holds, name) {
		return fmt.Errorf("%s cannot hold %s %s: it holds %s", c.Name, name, t, strings.Join(holds, ", "))
	}
	if row := codec.Lookup(t, name); row == nil || !row.Encodable {
		return fmt.Errorf("the %s codec %s is recognised but not encoded by this server, which encodes %s, copy", t, name,
			codecNames(t, func(row *codec.Codec) bool { return row.Encodable && slices.Contains(holds, row.Name) }))
	}
	return nil
}

// copySupported refuses settings that a copied track cannot follow. A bitrate
// or a quality beside copy has no effect, and is let through.
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
	c := codec.Lookup(codec.Video, f.VideoCodec())
	if c == nil {
		return nil // copied or absent: there is no encoder that could refuse
	}
	o := f.Options
	for _, s := range []struct {
		name, value string
		allowed     []string
	}{
		{"pix_fmt", o.PixFmt, c.PixFmts},
		{"vprofile", o.Profile, c.ProfileNames()},
		{"level", o.Level, c.Levels},
		{"preset", o.Preset, c.Presets},
		{"tune", o.Tune, c.Tunes},
	} {
		switch {
		case s.value == "" || slices.Contains(s.allowed, s.value):
		case len(s.allowed) == 0:
			return fmt.Errorf("%s=%s: %s has no %s", s.name, s.value, c.Name, s.name)
		default:
			return fmt.Errorf("%s=%s: %s takes %s", s.name, s.value, c.Name, strings.Join(s.allowed, ", "))
		}
	}
	switch {
	case o.CRF == 0:
	case o.Quality > 0:
		return fmt.Errorf("quality=%d and crf=%d are two ways to say the same: leave one of them out", o.Quality, o.CRF)
	case c.MaxCRF == 0:
		return fmt.Errorf("crf=%d: %s has no crf, use quality or a bitrate", o.CRF, c.Name)
	case o.CRF < c.MinCRF || o.CRF > c.MaxCRF:
		return fmt.Errorf("crf=%d: %s takes %d to %d, the lower the better", o.CRF, c.Name, c.MinCRF, c.MaxCRF)
	}
	if o.GOP > 0 && c.IntraOnly {
		return fmt.Errorf("gop=%g: each frame of %s is a keyframe, so leave out gop", o.GOP, c.Name)
	}
	if o.Quality > 0 && !c.Quality {
		return fmt.Errorf("quality=%d: %s has no quality setting, use a bitrate", o.Quality, c.Name)
	}
	if p := c.Profile(o.Profile); p != nil && o.PixFmt != "" && !p.Holds(o.PixFmt) {
		return fmt.Errorf("vprofile=%s does not take pix_fmt=%s: leave one of them out (it is about %s)", o.Profile, o.PixFmt, p.PixFmt)
	}
	return nil
}

// SupportedVariant returns nil when f can be a variant of an httpstream
// (coconut-v2.md section 5.4, and VP9 and AV1 besides): mp4 with h264, hevc, vp9, av1 or
// no video, and aac or no audio.
func SupportedVariant(f Format) error {
	if f.Container != "mp4" {
		return fmt.Errorf("variant %q: the container of a variant must be mp4, not %s", f.String(), f.Container)
	}
	for _, t := range []struct {
		track codec.Track
		codec string
	}{{codec.Video, f.VideoCodec()}, {codec.Audio, f.AudioCodec()}} {
		if row := codec.Lookup(t.track, t.codec); t.codec == "" || row != nil && row.Variant {
			continue
		}
		names := codecNames(t.track, func(c *codec.Codec) bool { return c.Variant })
		return fmt.Errorf("variant %q: the %s codec of a variant must be %s or no%s, not %s", f.String(), t.track, names, t.track, t.codec)
	}
	return Supported(f)
}
