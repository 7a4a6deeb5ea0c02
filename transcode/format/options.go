package format

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// option is one row of the options of coconut-v2.md sections 4.5 and 12, in canonical order.
type option struct {
	name string
	flag bool   // takes no value, or 0 or 1
	help string // what values it takes
	set  func(o *Options, value string) bool
	get  func(o Options) string // "" when not said; "1" for a flag that is on
}

// The values of vprofile, level, preset and tune over all codecs. Which of them a
// codec takes is in its row.
var (
	profileNames = union((*codec.Codec).ProfileNames)
	levelNames   = union(func(c *codec.Codec) []string { return c.Levels })
	presetNames  = union(func(c *codec.Codec) []string { return c.Presets })
	tuneNames    = union(func(c *codec.Codec) []string { return c.Tunes })
	pixFmtNames  = union(func(c *codec.Codec) []string { return c.PixFmts })
)

// wordsHelp says which words which codecs take: a list of names once, and numbers as
// a range.
func wordsHelp(what string, of func(*codec.Codec) []string) string {
	codecs := map[string][]string{} // by words
	var order []string
	for _, c := range codec.Codecs() {
		list := of(c)
		if len(list) == 0 {
			continue
		}
		words := strings.Join(list, ", ")
		if isDigits(list[0]) {
			words = list[0] + " to " + list[len(list)-1]
		}
		if codecs[words] == nil {
			order = append(order, words)
		}
		codecs[words] = append(codecs[words], c.Name)
	}
	for i, words := range order {
		order[i] = words + " for " + strings.Join(codecs[words], " and ")
	}
	return what + ": " + strings.Join(order, "; ")
}

var options = []option{
	{name: "quality", help: "1 to 5, 5 being the best",
		set: func(o *Options, v string) bool {
			if len(v) != 1 || v < "1" || v > "5" {
				return false
			}
			o.Quality = int(v[0] - '0')
			return true
		},
		get: func(o Options) string { return number(o.Quality, "") }},
	{name: "maxrate", help: "kbit/s from 1k to 200000k",
		set: func(o *Options, v string) (ok bool) {
			n, err := parseVideoK(v)
			o.MaxrateK = n
			return err == nil
		},
		get: func(o Options) string { return number(o.MaxrateK, "k") }},
	{name: "vprofile", help: strings.Join(profileNames, ", "),
		set: func(o *Options, v string) bool {
			if v == "444" { // the short form of coconut-v2.md section 4.5
				v = "high444"
			}
			o.Profile = v
			return slices.Contains(profileNames, v)
		},
		get: func(o Options) string { return o.Profile }},
	{name: "level", help: strings.Join(levelNames, ", "),
		set: func(o *Options, v string) bool {
			if len(v) == 3 && v[1] == '.' { // "3.1"
				v = v[:1] + v[2:]
			}
			o.Level = v
			return slices.Contains(levelNames, v)
		},
		get: func(o Options) string { return o.Level }},
	{name: "pix_fmt", help: "a pixel format such as yuv420p, yuv422p or yuva444p10le",
		set: func(o *Options, v string) bool {
			o.PixFmt = v
			return slices.Contains(pixFmtNames, v)
		},
		get: func(o Options) string { return o.PixFmt }},
	{name: "2pass", flag: true,
		set: func(o *Options, v string) bool { return setFlag(&o.TwoPass, v) },
		get: func(o Options) string { return flag(o.TwoPass) }},
	{name: "frag", flag: true,
		set: func(o *Options, v string) bool { return setFlag(&o.Frag, v) },
		get: func(o Options) string { return flag(o.Frag) }},
	{name: "metadata", help: "0 (drop the source's tags) or 1 (keep them)",
		set: func(o *Options, v string) bool {
			o.Metadata = v
			return v == "0" || v == "1"
		},
		get: func(o Options) string { return o.Metadata }},
	{name: "force_sdr", flag: true,
		set: func(o *Options, v string) bool { return setFlag(&o.ForceSDR, v) },
		get: func(o Options) string { return flag(o.ForceSDR) }},
	{name: "preset", help: wordsHelp("an encoder preset", func(c *codec.Codec) []string { return c.Presets }),
		set: func(o *Options, v string) bool {
			o.Preset = v
			return slices.Contains(presetNames, v)
		},
		get: func(o Options) string { return o.Preset }},
	{name: "tune", help: wordsHelp("a kind of pictures", func(c *codec.Codec) []string { return c.Tunes }),
		set: func(o *Options, v string) bool {
			o.Tune = v
			return slices.Contains(tuneNames, v)
		},
		get: func(o Options) string { return o.Tune }},
	{name: "loudness", help: "LUFS from -40 to -5, such as -14 or -23",
		set: func(o *Options, v string) bool {
			n, err := strconv.ParseFloat(v, 64)
			o.Loudness = math.Round(10*n) / 10
			return err == nil && strings.Trim(v, "-.0123456789") == "" && n >= -40 && n <= -5
		},
		get: func(o Options) string {
			if o.Loudness == 0 {
				return ""
			}
			return strconv.FormatFloat(o.Loudness, 'f', -1, 64)
		}},
	{name: "crf", help: "1 to 63, on the scale of the codec",
		set: func(o *Options, v string) (ok bool) {
			n, err := strconv.Atoi(v)
			o.CRF = n
			return err == nil && isDigits(v) && n >= 1 && n <= 63
		},
		get: func(o Options) string { return number(o.CRF, "") }},
	{name: "gop", help: fmt.Sprintf("seconds from %g to %g, such as 2 or 0.5", MinGOP, float64(MaxGOP)),
		set: func(o *Options, v string) bool {
			n, err := strconv.ParseFloat(v, 64)
			o.GOP = math.Round(1000*n) / 1000
			return err == nil && strings.Trim(v, ".0123456789") == "" && n >= MinGOP && n <= MaxGOP
		},
		get: func(o Options) string {
			if o.GOP == 0 {
				return ""
			}
			return strconv.FormatFloat(o.GOP, 'f', -1, 64)
		}},
	{name: "encoder", help: "what encodes the video: " + strings.Join(Encoders, ", "),
		set: func(o *Options, v string) bool {
			o.Encoder = v
			return slices.Contains(Encoders, v)
		},
		get: func(o Options) string { return o.Encoder }},
}

// Encoders are the words for what encodes: auto takes a device where it is good
// enough, hardware any device, and the last three are kinds of device.
var Encoders = []string{"auto", "software", "hardware", "nvenc", "qsv", "vaapi"}

func setFlag(to *bool, v string) bool {
	*to = v == "1" || v == "true"
	return *to || v == "0" || v == "false"
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

func number(n int, suffix string) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + suffix
}

func optionOf(name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

// isOption reports whether a token of another section would be an option.
func isOption(tok string) bool {
	name, _, hasValue := strings.Cut(tok, "=")
	return hasValue || optionOf(name) != nil
}

func optionNames() string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
		if !o.flag {
			names[i] += "="
		}
	}
	return strings.Join(names, ", ")
}

// unglue protects the underscores inside option names: no value holds one, so
// every other underscore separates options, as Coconut's page says, while all
// of its examples use commas.
var unglue = strings.NewReplacer("pix_fmt", "pix\x00fmt", "force_sdr", "force\x00sdr", "_", ",")

// parseOptions reads the options section.
func parseOptions(section string) (o Options, err error) {
	seen := once{}
	for _, tok := range strings.Split(unglue.Replace(section), ",") {
		tok = strings.TrimSpace(strings.ReplaceAll(tok, "\x00", "_"))
		if tok == "" {
			continue
		}
		name, value, hasValue := strings.Cut(tok, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		row := optionOf(name)
		if row == nil {
			return o, fmt.Errorf("%q is no option: expected %s", clip(tok), optionNames())
		}
		if row.flag && !hasValue {
			value = "1"
		}
		if err := seen.mark("option "+name, tok); err != nil {
			return o, err
		}
		if err := row.apply(&o, value); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (row *option) apply(o *Options, value string) error {
	if row.set(o, value) {
		return nil
	}
	help := row.help
	if row.flag {
		help = "no value, or 0 or 1"
	}
	return fmt.Errorf("%q is no value of the option %s: expected %s", clip(value), row.name, help)
}

// String prints the options as parseOptions reads them.
func (o Options) String() string {
	var out []string
	for _, row := range options {
		switch v := row.get(o); {
		case v == "":
		case row.flag:
			out = append(out, row.name)
		default:
			out = append(out, row.name+"="+v)
		}
	}
	return strings.Join(out, ",")
}
