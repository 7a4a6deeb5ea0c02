package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// FromHash reads the `format` hash of coconut-v2.md section 4.6. key is the key of the
// outputs map, "avi" or "avi:240p": the hash replaces its specs, and only the
// container counts. Values may be numbers or strings, as JSON decodes them
// (float64, json.Number, string, bool); null and "" mean not said.
//
// A track that is disabled (false, "x", "novideo", "noaudio") drops the other
// members about it: hashes are often made by programs that fill in defaults.
func FromHash(key string, h map[string]any) (Format, error) {
	f, err := fromHash(key, h)
	if err != nil {
		return Format{}, fmt.Errorf("format of %q: %w", clip(key), err)
	}
	return f, nil
}

func fromHash(key string, h map[string]any) (Format, error) {
	name, _, _ := strings.Cut(strings.ToLower(key), ":")
	f, c, err := newFormat(strings.TrimSpace(name))
	if err != nil {
		return Format{}, err
	}
	for _, m := range slices.Sorted(maps.Keys(h)) { // sorted: the same error each time
		if err := setMember(&f, c, m, h[m]); err != nil {
			return Format{}, err
		}
	}
	if f.Video.Disabled {
		f.Video = Video{Disabled: true}
	}
	if f.Audio.Disabled {
		f.Audio = Audio{Disabled: true}
	}
	if c.Kind == KindAudio {
		f.Video = Video{} // disabling what is not there says nothing
	}
	return f, f.check(c)
}

// member is one row of the members that are not options.
type member struct {
	name  string
	track codec.Track
	set   func(f *Format, tok string) error
}

var members = []member{
	{"resolution", codec.Video, func(f *Format, tok string) (err error) {
		f.Video.Resolution, err = parseResolution(roundNumbers(tok))
		return err
	}},
	{"video_codec", codec.Video, func(f *Format, tok string) (err error) {
		f.Video.Disabled, f.Video.Codec, err = codecMember(codec.Video, tok)
		return err
	}},
	{"video_bitrate", codec.Video, func(f *Format, tok string) (err error) {
		f.Video.BitrateK, err = parseVideoK(withSuffix(roundNumbers(tok), "k"))
		return err
	}},
	{"fps", codec.Video, func(f *Format, tok string) (err error) {
		f.Video.FPS, err = parseFPS(roundFPS(tok))
		return err
	}},
	{"audio_codec", codec.Audio, func(f *Format, tok string) (err error) {
		f.Audio.Disabled, f.Audio.Codec, err = codecMember(codec.Audio, tok)
		return err
	}},
	{"audio_bitrate", codec.Audio, func(f *Format, tok string) (err error) {
		f.Audio.BitrateK, err = parseAudioK(withSuffix(roundNumbers(tok), "k"))
		return err
	}},
	{"sample_rate", codec.Audio, func(f *Format, tok string) (err error) {
		f.Audio.SampleRate, err = parseRate(withSuffix(roundNumbers(tok), "hz"))
		return err
	}},
	{"audio_channel", codec.Audio, func(f *Format, tok string) (err error) {
		switch tok {
		case "1":
			tok = "mono"
		case "2":
			tok = "stereo"
		}
		f.Audio.Channels, err = parseChannels(tok)
		return err
	}},
}

// HashMembers returns the names of the members that the hash of a format may have.
func HashMembers(k Kind) []string {
	var names []string
	for _, m := range members {
		if takes(k, m.track, m.name) {
			names = append(names, m.name)
		}
	}
	if k == KindVideo || k == KindAudio {
		for _, o := range options {
			names = append(names, o.name)
		}
	}
	return names
}

// UnknownMemberError is the error for a member that no format has.
type UnknownMemberError struct {
	Name string
	kind Kind
}

func (e *UnknownMemberError) Error() string {
	return fmt.Sprintf("%q is not known: expected %s", clip(e.Name), memberNames(e.kind))
}

// memberNames returns HashMembers for a message.
func memberNames(k Kind) string {
	if names := HashMembers(k); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "no format hash"
}

// takes reports whether a container of kind k has a use for a member.
func takes(k Kind, t codec.Track, name string) bool {
	switch k {
	case KindVideo:
		return true
	case KindAudio:
		return t == codec.Audio
	case KindImage, KindAnimated:
		return name == "resolution"
	case KindStream:
	}
	return false
}

func setMember(f *Format, c *codec.Container, name string, value any) error {
	tok, err := scalar(value)
	if err != nil {
		return fmt.Errorf("%s: %w", clip(name), err)
	}
	for _, m := range members {
		if m.name != name {
			continue
		}
		novideo := name == "video_codec" && (tok == "false" || tok == "x" || tok == "novideo")
		switch {
		case tok == "" || c.Kind == KindAudio && novideo:
			return nil
		case !takes(c.Kind, m.track, name):
			return fmt.Errorf("%s does not apply to %s, which takes %s", name, c.Name, memberNames(c.Kind))
		}
		if err := m.set(f, tok); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	row := optionOf(name)
	if row == nil {
		return &UnknownMemberError{name, c.Kind}
	}
	if tok == "" {
		return nil
	}
	if c.Kind != KindVideo && c.Kind != KindAudio {
		return fmt.Errorf("%s does not apply to %s, which takes %s", name, c.Name, memberNames(c.Kind))
	}
	return row.apply(&f.Options, optionToken(name, tok))
}

// optionToken turns a JSON value into what the option of a string would hold.
func optionToken(name, tok string) string {
	switch name {
	case "maxrate":
		return withSuffix(roundNumbers(tok), "k")
	case "quality", "crf":
		return roundNumbers(tok)
	case "metadata":
		switch tok {
		case "true":
			return "1"
		case "false":
			return "0"
		}
	}
	return tok
}

// scalar prints a JSON scalar as a token; null is "".
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		if len(v) > maxLength {
			return "", errors.New("the value is too long")
		}
		return strings.ToLower(strings.TrimSpace(v)), nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return strings.ToLower(v.String()), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", errors.New("the value must be a string or a number")
}

// codecMember reads video_codec or audio_codec, which may also switch the track off.
func codecMember(t codec.Track, tok string) (disabled bool, name string, err error) {
	switch tok {
	case "false", "x", "no" + string(t):
		return true, "", nil
	case "true":
		return false, "", nil
	}
	name, err = parseCodec(t, tok)
	return false, name, err
}

// roundFPS adds the unit and rounds to the three decimals of a frame rate:
// "{% input.fps %}" gives "29.97002997002997".
func roundFPS(tok string) string {
	num := strings.TrimSuffix(tok, "fps")
	if v, err := strconv.ParseFloat(num, 64); err == nil && v >= 0 && v <= maxFPS {
		num = strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
	}
	return num + "fps"
}

// withSuffix adds the unit to a bare number.
func withSuffix(tok, unit string) string {
	if strings.HasSuffix(tok, unit) {
		return tok
	}
	return tok + unit
}

// roundNumbers rounds the decimal fractions in a token: "{% input.width / 3 %}x"
// gives "426.6666666666667x".
func roundNumbers(tok string) string {
	var out strings.Builder
	for tok != "" {
		n := 0
		for n < len(tok) && (tok[n] >= '0' && tok[n] <= '9' || tok[n] == '.') {
			n++
		}
		if n == 0 {
			out.WriteByte(tok[0])
			tok = tok[1:]
			continue
		}
		if v, err := strconv.ParseFloat(tok[:n], 64); err == nil && strings.Contains(tok[:n], ".") && v < 1e9 {
			out.WriteString(strconv.FormatFloat(math.Round(v), 'f', -1, 64))
		} else {
			out.WriteString(tok[:n])
		}
		tok = tok[n:]
	}
	return out.String()
}
