package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// The bounds of coconut-v2.md sections 4.3 and 4.4.
const (
	maxVideoK = 200000 // kbit/s
	minAudioK = 4      // AMR goes that low
	maxAudioK = 512    // kbit/s
	maxFPS    = 240
)

// sampleRates are those of coconut-v2.md section 4.4, the older ones, and the higher ones
// that encoders take.
var sampleRates = []int{8000, 11025, 12000, 16000, 22000, 22050, 24000, 32000, 44000, 44100, 48000, 88200, 96000}

var channelNames = []string{"mono", "stereo", "multi"}

// parseKbit reads "2000k" between the bounds.
func parseKbit(tok, what string, lo, hi int) (int, error) {
	digits, ok := strings.CutSuffix(tok, "k")
	n, err := strconv.Atoi(digits)
	if !ok || !isDigits(digits) || err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("%q is no %s: expected kbit/s from %dk to %dk", clip(tok), what, lo, hi)
	}
	return n, nil
}

func parseVideoK(tok string) (int, error) { return parseKbit(tok, "video bitrate", 1, maxVideoK) }

func parseAudioK(tok string) (int, error) {
	return parseKbit(tok, "audio bitrate", minAudioK, maxAudioK)
}

// parseFPS reads "25fps" or "29.97fps" and returns the number in its shortest
// form; "" for 0, the source's rate.
func parseFPS(tok string) (string, error) {
	num, ok := strings.CutSuffix(tok, "fps")
	whole, frac, dot := strings.Cut(num, ".")
	bad := !ok || !isDigits(whole) || len(whole) > 6 || dot && (!isDigits(frac) || len(frac) > 3)
	if !bad {
		v, err := strconv.ParseFloat(num, 64)
		bad = err != nil || v > maxFPS
	}
	if bad {
		return "", fmt.Errorf("%q is no frame rate: expected 0fps (as the source), 15fps, 23.98fps, 25fps, 29.97fps, 30fps, 60fps or another number up to %d with at most three decimals", clip(tok), maxFPS)
	}
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	if whole == "" && frac == "" {
		return "", nil
	}
	if whole == "" {
		whole = "0"
	}
	if frac == "" {
		return whole, nil
	}
	return whole + "." + frac, nil
}

// parseRate reads "44100hz"; 0 is the source's rate.
func parseRate(tok string) (int, error) {
	digits, ok := strings.CutSuffix(tok, "hz")
	n, err := strconv.Atoi(digits)
	if !ok || !isDigits(digits) || err != nil || n != 0 && !slices.Contains(sampleRates, n) {
		names := make([]string, len(sampleRates))
		for i, r := range sampleRates {
			names[i] = strconv.Itoa(r) + "hz"
		}
		return 0, fmt.Errorf("%q is no sample rate: expected one of %s", clip(tok), strings.Join(names, ", "))
	}
	return n, nil
}

func parseChannels(tok string) (string, error) {
	if !slices.Contains(channelNames, tok) {
		return "", fmt.Errorf("%q is no channel setting: expected one of %s", clip(tok), strings.Join(channelNames, ", "))
	}
	return tok, nil
}

// parseCodec reads the name of a codec of a track and returns its canonical form.
func parseCodec(t codec.Track, tok string) (string, error) {
	if name, ok := codecName(t, tok); ok {
		return name, nil
	}
	return "", fmt.Errorf("%q is no %s codec: expected copy, no%s or one of %s", clip(tok), t, t, codecNames(t, anyCodec))
}

func codecName(t codec.Track, tok string) (string, bool) {
	if tok == Copy {
		return Copy, true
	}
	if c := codec.Lookup(t, strings.ReplaceAll(tok, "_", "-")); c != nil {
		return c.Name, true
	}
	return "", false
}

func anyCodec(*codec.Codec) bool { return true }

// splitSpecs splits a section at its underscores and drops empty pieces. A
// codec whose name has a hyphen may be written with an underscore (amr_nb,
// pcm_s16le, prores_ks), so two neighbours that make such a name are joined.
func splitSpecs(section string, t codec.Track) []string {
	var specs []string
	for _, p := range strings.Split(section, "_") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if n := len(specs); n > 0 {
			if glued := specs[n-1] + "-" + p; codec.Lookup(t, glued) != nil {
				specs[n-1] = glued
				continue
			}
		}
		specs = append(specs, p)
	}
	return specs
}

// once remembers which kinds of spec were given, to refuse a second one.
type once map[string]string

func (o once) mark(what, tok string) error {
	if before, dup := o[what]; dup {
		return fmt.Errorf("%q and %q: the %s can be given only once", clip(before), clip(tok), what)
	}
	o[what] = tok
	return nil
}

// parseVideo reads the video section.
func parseVideo(section string) (v Video, err error) {
	specs, seen := splitSpecs(section, codec.Video), once{}
	for _, tok := range specs {
		what := ""
		switch name, isCodec := codecName(codec.Video, tok); {
		case tok == "x" || tok == "novideo":
			if len(specs) > 1 {
				return v, fmt.Errorf("%q disables the video, so nothing else can stand in the video section %q", tok, clip(section))
			}
			v.Disabled = true
		case isCodec:
			what, v.Codec = "video codec", name
		case strings.HasSuffix(tok, "fps"):
			what = "frame rate"
			v.FPS, err = parseFPS(tok)
		case looksLikeResolution(tok):
			what = "resolution"
			v.Resolution, err = parseResolution(tok)
		case startsWithDigit(tok) && strings.HasSuffix(tok, "k"):
			what = "video bitrate"
			v.BitrateK, err = parseVideoK(tok)
		default:
			return v, unknownVideoSpec(tok)
		}
		if err == nil && what != "" {
			err = seen.mark(what, tok)
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

// parseAudio reads the audio section.
func parseAudio(section string) (a Audio, err error) {
	specs, seen := splitSpecs(section, codec.Audio), once{}
	for _, tok := range specs {
		what := ""
		switch name, isCodec := codecName(codec.Audio, tok); {
		case tok == "x" || tok == "noaudio":
			if len(specs) > 1 {
				return a, fmt.Errorf("%q disables the audio, so nothing else can stand in the audio section %q", tok, clip(section))
			}
			a.Disabled = true
		case isCodec:
			what, a.Codec = "audio codec", name
		case slices.Contains(channelNames, tok):
			what, a.Channels = "channel setting", tok
		case strings.HasSuffix(tok, "hz"):
			what = "sample rate"
			a.SampleRate, err = parseRate(tok)
		case startsWithDigit(tok) && strings.HasSuffix(tok, "k"):
			what = "audio bitrate"
			a.BitrateK, err = parseAudioK(tok)
		default:
			return a, unknownAudioSpec(tok)
		}
		if err == nil && what != "" {
			err = seen.mark(what, tok)
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// unknownVideoSpec explains a token that has no place in the video section,
// the more so when it has one in another section.
func unknownVideoSpec(tok string) error {
	if isOption(tok) {
		return fmt.Errorf("%q is an option: options stand after the third colon, as in mp4:720p::%s", clip(tok), clip(tok))
	}
	if _, ok := codecName(codec.Audio, tok); ok || tok == "noaudio" || slices.Contains(channelNames, tok) || strings.HasSuffix(tok, "hz") {
		return fmt.Errorf("%q is about audio: audio specs stand after the second colon, as in mp4:720p:%s", clip(tok), clip(tok))
	}
	return fmt.Errorf("%q is no video spec: expected %s, a bitrate such as 2000k, a frame rate such as 25fps, x for no video, or a codec (copy, %s)",
		clip(tok), resolutionHelp(), codecNames(codec.Video, anyCodec))
}

func unknownAudioSpec(tok string) error {
	if isOption(tok) {
		return fmt.Errorf("%q is an option: options stand in the last section, as in mp4:720p:128k:%s", clip(tok), clip(tok))
	}
	if _, ok := codecName(codec.Video, tok); ok || tok == "novideo" || looksLikeResolution(tok) || strings.HasSuffix(tok, "fps") {
		return fmt.Errorf("%q is about video, but stands in the audio section", clip(tok))
	}
	return fmt.Errorf("%q is no audio spec: expected a bitrate such as 128k, a sample rate such as 44100hz, %s, x for no audio, or a codec (copy, %s)",
		clip(tok), strings.Join(channelNames, ", "), codecNames(codec.Audio, anyCodec))
}

// clip shortens what a user sent so that it fits into a message.
func clip(s string) string {
	const most = 48
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
