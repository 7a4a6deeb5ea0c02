package format

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// maxLength bounds a format string; the longest sensible one is half of it.
const maxLength = 256

// Parse reads a format string. It says only whether the string is well formed;
// whether this server can make it is asked of Supported. The text of an error
// names the token that is wrong and what would be right.
func Parse(s string) (Format, error) {
	f, err := parse(s)
	if err != nil {
		return Format{}, fmt.Errorf("format %q: %w", clip(s), err)
	}
	return f, nil
}

func parse(s string) (Format, error) {
	if len(s) > maxLength {
		return Format{}, fmt.Errorf("it is %d bytes long, at most %d are accepted", len(s), maxLength)
	}
	sections := strings.Split(strings.ToLower(s), ":")
	for i := range sections {
		sections[i] = strings.TrimSpace(sections[i])
	}
	f, c, err := newFormat(sections[0])
	if err != nil {
		return Format{}, err
	}
	rest := sections[1:]
	for len(rest) > 0 && rest[len(rest)-1] == "" {
		rest = rest[:len(rest)-1]
	}
	shape := shapes[c.Kind]
	if len(rest) > len(shape.sections) {
		return Format{}, fmt.Errorf("%q has no place: %s is written %s", clip(strings.Join(rest[len(shape.sections):], ":")), c.Name, shape.help)
	}
	for i, section := range rest {
		if err := shape.sections[i](&f, section); err != nil {
			return Format{}, err
		}
	}
	return f, f.check(c)
}

// newFormat resolves the name of a container.
func newFormat(name string) (Format, *codec.Container, error) {
	c := codec.LookupContainer(name)
	if c == nil {
		return Format{}, nil, fmt.Errorf("%q is no container: expected one of %s", clip(name),
			containerNames(func(*codec.Container) bool { return true }))
	}
	f := Format{Container: c.Name}
	if name != c.Name {
		f.Alias = name
	}
	return f, c, nil
}

// shapes tells which sections follow a container of each kind.
var shapes = map[Kind]struct {
	help     string
	sections []func(*Format, string) error
}{
	KindVideo:    {"container:video:audio:options", []func(*Format, string) error{videoSection, audioSection, optionsSection}},
	KindAudio:    {"container:audio:options, for it holds no video", []func(*Format, string) error{audioSection, optionsSection}},
	KindImage:    {"container:resolution", []func(*Format, string) error{imageSection}},
	KindAnimated: {"container:resolution", []func(*Format, string) error{imageSection}},
	KindStream:   {"without specs, which belong into its variants", nil},
}

func videoSection(f *Format, s string) (err error) {
	f.Video, err = parseVideo(s)
	return err
}

func audioSection(f *Format, s string) (err error) {
	f.Audio, err = parseAudio(s)
	return err
}

func optionsSection(f *Format, s string) (err error) {
	f.Options, err = parseOptions(s)
	return err
}

func imageSection(f *Format, s string) (err error) {
	f.Video.Resolution, err = parseResolution(s)
	return err
}

// check holds what concerns more than one token.
func (f Format) check(c *codec.Container) error {
	switch {
	case c.Kind == KindAudio && f.Audio.Disabled:
		return fmt.Errorf("%s holds only audio, which cannot be disabled", c.Name)
	case f.Video.Disabled && f.Audio.Disabled:
		return errors.New("video and audio are both disabled, so nothing is left")
	case c.MaxWidth > 0 && f.Video.Resolution.Width > c.MaxWidth:
		return fmt.Errorf("%q is too wide: %s is at most %d pixels wide", f.Video.Resolution, c.Name, c.MaxWidth)
	}
	return nil
}

// String prints f in canonical form: resolution_bitrate_codec_fps, then
// codec_bitrate_rate_channels, then the options in the order of coconut-v2.md section 4.5.
// Parse reads it back to an equal Format.
func (f Format) String() string {
	name := f.Container
	if f.Alias != "" {
		name = f.Alias
	}
	sections := []string{name}
	switch f.Kind() {
	case KindVideo:
		sections = append(sections, f.Video.String(), f.Audio.String(), f.Options.String())
	case KindAudio:
		sections = append(sections, f.Audio.String(), f.Options.String())
	case KindImage, KindAnimated:
		sections = append(sections, f.Video.Resolution.String())
	case KindStream:
	}
	return strings.TrimRight(strings.Join(sections, ":"), ":")
}

// String prints the video section.
func (v Video) String() string {
	if v.Disabled {
		return "x"
	}
	fps := v.FPS
	if fps != "" {
		fps += "fps"
	}
	return joinSpecs(v.Resolution.String(), number(v.BitrateK, "k"), v.Codec, fps)
}

// String prints the audio section.
func (a Audio) String() string {
	if a.Disabled {
		return "x"
	}
	return joinSpecs(a.Codec, number(a.BitrateK, "k"), number(a.SampleRate, "hz"), a.Channels)
}

func joinSpecs(specs ...string) string {
	var said []string
	for _, s := range specs {
		if s != "" {
			said = append(said, s)
		}
	}
	return strings.Join(said, "_")
}

// FPSRational returns the exact frame rate; zero for the source's.
func (f Format) FPSRational() Rational {
	switch f.Video.FPS {
	case "", "0":
		return Rational{}
	case "23.98", "23.976":
		return Rational{24000, 1001}
	case "29.97":
		return Rational{30000, 1001}
	case "47.95", "47.952":
		return Rational{48000, 1001}
	case "59.94":
		return Rational{60000, 1001}
	case "119.88":
		return Rational{120000, 1001}
	}
	whole, frac, _ := strings.Cut(f.Video.FPS, ".")
	num, err := strconv.Atoi(whole + frac)
	if err != nil {
		return Rational{}
	}
	den := 1
	for range len(frac) {
		den *= 10
	}
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return Rational{num / max(a, 1), den / max(a, 1)}
}
