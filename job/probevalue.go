package job

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/format"
)

// probeFormat and probeStream are the members of ffprobe's JSON that are used.
type probeFormat struct {
	Name      text   `json:"format_name"`
	Duration  number `json:"duration"`
	StartTime number `json:"start_time"`
	Size      number `json:"size"`
	BitRate   number `json:"bit_rate"`
	Tags      tags   `json:"tags"`
}

type probeStream struct {
	Index          number       `json:"index"`
	Type           text         `json:"codec_type"`
	Codec          text         `json:"codec_name"`
	Profile        text         `json:"profile"`
	Level          number       `json:"level"`
	Tag            text         `json:"codec_tag_string"`
	Width          number       `json:"width"`
	Height         number       `json:"height"`
	SAR            text         `json:"sample_aspect_ratio"`
	PixFmt         text         `json:"pix_fmt"`
	RawBits        number       `json:"bits_per_raw_sample"`
	FieldOrder     text         `json:"field_order"`
	Reorder        number       `json:"has_b_frames"`
	AvgFPS         text         `json:"avg_frame_rate"`
	BaseFPS        text         `json:"r_frame_rate"`
	SampleRate     number       `json:"sample_rate"`
	Channels       number       `json:"channels"`
	ChannelLayout  text         `json:"channel_layout"`
	BitRate        number       `json:"bit_rate"`
	Duration       number       `json:"duration"`
	StartTime      number       `json:"start_time"`
	Frames         number       `json:"nb_frames"`
	ColorSpace     text         `json:"color_space"`
	ColorTransfer  text         `json:"color_transfer"`
	ColorPrimaries text         `json:"color_primaries"`
	ColorRange     text         `json:"color_range"`
	Disposition    flags        `json:"disposition"`
	Tags           tags         `json:"tags"`
	SideData       sideDataList `json:"side_data_list"`
}

func (s probeStream) hasCodec() bool {
	return s.Codec != "" && s.Codec != "unknown" && s.Codec != "none"
}

func (s probeStream) startTime() float64 {
	f, _ := s.StartTime.value()
	return f
}

// duration is the duration of the stream in seconds. Matroska has it in a tag.
func (s probeStream) duration() float64 {
	if d := s.Duration.positive(); d > 0 {
		return d
	}
	return parseClock(s.Tags.get("DURATION"))
}

// language is the language tag; "" for the codes that mean unknown.
func (s probeStream) language() string {
	switch l := s.Tags.get("language"); l {
	case "und", "unk", "mis", "zxx":
		return ""
	default:
		return l
	}
}

// rotation is the angle in degrees by which to turn the picture clockwise for
// display, to the nearest quarter turn. ffprobe's side data has the angle
// counterclockwise, and the tag of old files clockwise.
func (s probeStream) rotation() int {
	for _, d := range s.SideData {
		if r, ok := d.Rotation.value(); ok {
			return quarterTurn(-r)
		}
	}
	if r, err := strconv.ParseFloat(s.Tags.get("rotate"), 64); err == nil {
		return quarterTurn(r)
	}
	return 0
}

func quarterTurn(degrees float64) int {
	if math.IsNaN(degrees) || math.Abs(degrees) > 1e6 {
		return 0
	}
	q := int(math.Round(degrees/90)) % 4
	return (q + 4) % 4 * 90
}

// fps is the average frame rate. It is the base rate when there is no plausible
// average, or when the two differ by less than half of the difference between 30
// and 29.97: then the average is the base rate, rounded by the container's clock.
func (s probeStream) fps() format.Rational {
	avg, base := plausibleFPS(s.AvgFPS.rational()), plausibleFPS(s.BaseFPS.rational())
	if avg.Num == 0 {
		return base
	}
	if base.Num == 0 {
		return avg
	}
	a, b := float64(avg.Num)/float64(avg.Den), float64(base.Num)/float64(base.Den)
	if math.Abs(a-b)/b < 0.0005 {
		return base
	}
	return avg
}

func plausibleFPS(r format.Rational) format.Rational {
	if r.Num <= 0 || r.Den <= 0 || float64(r.Num)/float64(r.Den) > maxFPS {
		return format.Rational{Num: 0, Den: 1}
	}
	return r
}

// text is a JSON string. Any other JSON value is read as "".
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// value is the text; "" for the words by which ffprobe says that it is unknown.
func (t text) value() string {
	if t == "unknown" || t == "N/A" || t == "reserved" {
		return ""
	}
	return string(t)
}

// rational reads "a/b" or "a:b". Anything else is 0/1.
func (t text) rational() format.Rational {
	zero := format.Rational{Num: 0, Den: 1}
	a, b, ok := strings.Cut(strings.Replace(string(t), ":", "/", 1), "/")
	if !ok {
		return zero
	}
	num, err := strconv.ParseInt(a, 10, 32)
	if err != nil {
		return zero
	}
	den, err := strconv.ParseInt(b, 10, 32)
	if err != nil || num <= 0 || den <= 0 {
		return zero
	}
	return format.Rational{Num: int(num), Den: int(den)}
}

// number is a JSON number, or a string that holds one. Anything else, such as
// "N/A", is no value.
type number struct {
	f  float64
	ok bool
}

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		*n = number{f, true}
	}
	return nil
}

func (n number) value() (float64, bool) { return n.f, n.ok }

// positive is the value if it is a plausible duration in seconds, else 0.
func (n number) positive() float64 {
	const century = 100 * 366 * 24 * 3600
	if n.f > 0 && n.f < century {
		return n.f
	}
	return 0
}

// int is the value without its fraction. Negative values, and those beyond the
// exact integers of a float64, are 0.
func (n number) int() int64 {
	if n.f < 0 || n.f > 1<<53 {
		return 0
	}
	return int64(n.f)
}

// intOf is the value if it fits into an int of 32 bits, else 0.
func intOf(n number) int {
	if v := n.int(); v <= math.MaxInt32 {
		return int(v)
	}
	return 0
}

// flags is ffprobe's disposition object: names with 0 or 1.
type flags map[string]number

func (f *flags) UnmarshalJSON(b []byte) error {
	var m map[string]number
	if json.Unmarshal(b, &m) == nil {
		*f = m
	}
	return nil
}

func (f flags) has(name string) bool { return f[name].f != 0 }

// tags is ffprobe's tags object. Containers differ in the case of the names.
type tags map[string]text

func (t *tags) UnmarshalJSON(b []byte) error {
	var m map[string]text
	if json.Unmarshal(b, &m) == nil {
		*t = m
	}
	return nil
}

func (t tags) get(name string) string {
	if v, ok := t[name]; ok {
		return string(v)
	}
	for k, v := range t {
		if strings.EqualFold(k, name) {
			return string(v)
		}
	}
	return ""
}

func (t tags) strings() map[string]string {
	if len(t) == 0 {
		return nil
	}
	m := make(map[string]string, len(t))
	for k, v := range t {
		m[k] = string(v)
	}
	return m
}

// parseClock reads "HH:MM:SS.fraction" as seconds. Anything else is 0.
func parseClock(s string) float64 {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0
	}
	total := 0.0
	for _, p := range parts {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || f < 0 {
			return 0
		}
		total = total*60 + f
	}
	return number{total, true}.positive()
}

// bitDepth is the number of bits of one component of a pixel format. ffmpeg's
// names have it at the end (yuv420p10le, p010le, gray12le, x2rgb10le), or have
// the bits of a whole pixel (rgb48, rgba64). raw is bits_per_raw_sample.
func bitDepth(pixFmt string, raw int64) int {
	name := strings.TrimSuffix(strings.TrimSuffix(pixFmt, "le"), "be")
	if d, ok := depthsByName[name]; ok {
		return d
	}
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	prefix := strings.TrimSuffix(name, digits)
	if strings.HasSuffix(prefix, "p") || strings.HasPrefix(prefix, "gray") || prefix == "x2rgb" || prefix == "x2bgr" || prefix == "gbrapf" {
		if len(digits) == 3 { // p010, p216, p410: the first digit is the subsampling
			digits = digits[1:]
		}
		if d, err := strconv.Atoi(digits); err == nil && d >= 8 && d <= 32 {
			return d
		}
	}
	if raw >= 8 && raw <= 32 {
		return int(raw)
	}
	return 8
}

// depthsByName has the bit depths that a name does not end with.
var depthsByName = map[string]int{
	"rgb48": 16, "bgr48": 16, "rgba64": 16, "bgra64": 16, "ayuv64": 16, "ya16": 16,
	"y210": 10, "y212": 12, "xv30": 10, "xv36": 12, "xyz12": 12, "v30x": 10, "nv20": 10,
	"gbrpf32": 32, "gbrapf32": 32, "grayf32": 32,
}
