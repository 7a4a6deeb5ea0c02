package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/format"
)

// MaxStreams is the highest number of streams in an accepted input. Real
// recordings with every language and caption have far fewer.
const MaxStreams = 200

// maxFPS is the highest plausible frame rate. When ffprobe does not know the rate
// it shows the time base (1000, 90000, ...) instead.
const maxFPS = 999

// ParseMedia reads what `ffprobe -print_format json -show_streams -show_format`
// wrote. It is lenient: numbers may be strings, and members may be missing or
// malformed. A stream that cannot be decoded (unknown codec, no size, no
// channels) is not listed, but stays in Raw. The error is an *Error when the
// input is at fault.
func ParseMedia(raw []byte) (Media, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return Media{}, fmt.Errorf("parse ffprobe output: %w", err)
	}
	var doc struct {
		Streams []probeStream `json:"streams"`
		Format  probeFormat   `json:"format"`
		// Recording is not ffprobe's, see Media.Recording.
		Recording struct {
			Protocol string `json:"protocol"`
		} `json:"recording"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Media{}, fmt.Errorf("parse ffprobe output: %w", err)
	}
	if n := len(doc.Streams); n > MaxStreams {
		return Media{}, InputErrorf(InputNotValid, "holds %d streams; at most %d are accepted", n, MaxStreams)
	}
	m := Media{
		Raw:        compact.Bytes(),
		FormatName: string(doc.Format.Name),
		Recording:  doc.Recording.Protocol,
		Size:       doc.Format.Size.int(),
		BitRate:    doc.Format.BitRate.int(),
		Tags:       doc.Format.Tags.strings(),
	}
	longest, earliest := 0.0, math.Inf(1)
	for _, s := range doc.Streams {
		longest = max(longest, s.duration())
		if start, ok := s.StartTime.value(); ok {
			earliest = min(earliest, start)
		}
		switch s.Type {
		case "video":
			if v, ok := s.videoStream(); ok {
				m.Video = append(m.Video, v)
			}
		case "audio":
			if a, ok := s.audioStream(); ok {
				m.Audio = append(m.Audio, a)
			}
		case "subtitle":
			m.Subtitles = append(m.Subtitles, s.subtitleStream())
		}
	}
	m.Duration = doc.Format.Duration.positive()
	if m.Duration == 0 {
		m.Duration = longest
	}
	if start, ok := doc.Format.StartTime.value(); ok {
		m.StartTime = start
	} else if !math.IsInf(earliest, 0) {
		m.StartTime = earliest
	}
	m.durationsFromEnds()
	if played := m.playTime(); played > 0 && played < m.Duration {
		m.Duration = played
	}
	if isPictureDemuxer(m.FormatName) {
		// ffprobe shows the duration of one frame at 25 fps for a picture.
		m.Duration = 0
	}
	return m, nil
}

// durationsFromEnds subtracts the start time from durations that are end times.
// In Matroska and NUT the first timestamp may be other than 0, and the duration
// of the file is the end on that clock. So is that of a stream if it would reach
// far beyond the end of the file otherwise, or if the clock begins before 0.
func (m *Media) durationsFromEnds() {
	if m.FormatName != "nut" && !strings.Contains(m.FormatName, "matroska") || m.StartTime == 0 || m.Duration <= max(0, m.StartTime) {
		return
	}
	m.Duration -= m.StartTime
	length := func(start, d float64) float64 {
		if d > start && d > 0 && (m.StartTime < 0 || start-m.StartTime+d > m.Duration+m.StartTime/2) {
			return d - start
		}
		return d
	}
	for i, v := range m.Video {
		m.Video[i].Duration = length(v.StartTime, v.Duration)
	}
	for i, a := range m.Audio {
		m.Audio[i].Duration = length(a.StartTime, a.Duration)
	}
}

// playTime is the time from the start to the end of the last video or audio
// stream, in seconds. It is 0 when a stream has no duration. The duration of the
// file also covers subtitles and data, which may end much later.
func (m *Media) playTime() float64 {
	end := 0.0
	for _, v := range m.Video {
		if v.Duration == 0 {
			return 0
		}
		end = max(end, v.StartTime-m.StartTime+v.Duration)
	}
	for _, a := range m.Audio {
		if a.Duration == 0 {
			return 0
		}
		end = max(end, a.StartTime-m.StartTime+a.Duration)
	}
	return end
}

// isPictureDemuxer reports whether a demuxer reads single pictures: image2,
// png_pipe, jpeg_pipe and so on. ffprobe may take a JPEG whose name has no
// suffix for mjpeg.
func isPictureDemuxer(formatName string) bool {
	return formatName == "image2" || formatName == "mjpeg" || strings.HasSuffix(formatName, "_pipe")
}

// Still reports whether the file is a single picture.
func (m *Media) Still() bool { return isPictureDemuxer(m.FormatName) }

// SetFilename replaces format.filename in Raw, which is a path of this server
// that clients must not see. All other bytes stay the same. Without that member
// nothing changes.
func (m *Media) SetFilename(name string) { m.setFormat("filename", name) }

// SetSentSize replaces format.size in Raw by the size, in bytes, of what a customer
// has sent. That of a photo differs from Size, which is that of the decoded picture.
func (m *Media) SetSentSize(size int64) { m.setFormat("size", strconv.FormatInt(size, 10)) }

// setFormat replaces a text of the object format in Raw, if it is there.
func (m *Media) setFormat(key, text string) {
	from, to, ok := formatSpan(m.Raw, key)
	if !ok {
		return
	}
	var b bytes.Buffer
	b.Write(m.Raw[:from])
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return // a string always encodes
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	b.Write(m.Raw[to:])
	m.Raw = b.Bytes()
}

// formatSpan returns the byte range of the value of a member of format in raw.
func formatSpan(raw []byte, key string) (from, to int64, ok bool) {
	format, at, ok := member(raw, "format")
	if !ok {
		return 0, 0, false
	}
	value, inner, ok := member(format, key)
	if !ok {
		return 0, 0, false
	}
	from = at + inner
	return from, from + int64(len(value)), true
}

// member returns the value of key in the object raw, and the offset of its first
// byte.
func member(raw []byte, key string) (value json.RawMessage, at int64, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, 0, false
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, 0, false
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, 0, false
		}
		if k == key {
			return v, d.InputOffset() - int64(len(v)), true
		}
	}
	return nil, 0, false
}

func (s probeStream) videoStream() (VideoStream, bool) {
	if s.Disposition.has("attached_pic") || !s.hasCodec() {
		return VideoStream{}, false
	}
	v := VideoStream{
		Index: int(s.Index.int()), Codec: string(s.Codec), Profile: string(s.Profile),
		Level: int(s.Level.int()), CodecTag: string(s.Tag),
		Width: intOf(s.Width), Height: intOf(s.Height),
		SAR: s.SAR.rational(), Rotation: s.rotation(),
		PixFmt: string(s.PixFmt), BitDepth: bitDepth(string(s.PixFmt), s.RawBits.int()),
		FieldOrder: string(s.FieldOrder), FPS: s.fps(), BaseFPS: plausibleFPS(s.BaseFPS.rational()),
		BitRate: s.BitRate.int(), Duration: s.duration(), StartTime: s.startTime(), Frames: s.Frames.int(), Reorder: int(s.Reorder.int()),
		ColorSpace: s.ColorSpace.value(), ColorTransfer: s.ColorTransfer.value(),
		ColorPrimaries: s.ColorPrimaries.value(), ColorRange: s.ColorRange.value(),
		HDR: s.SideData.hdrMetadata(), DolbyOnly: s.SideData.dolbyOnly(), Default: s.Disposition.has("default"),
	}
	if v.FieldOrder == "unknown" {
		v.FieldOrder = ""
	}
	if v.SAR.Num == 0 || v.SAR.Den == 0 {
		v.SAR = format.Rational{Num: 1, Den: 1}
	}
	return v, v.Width > 0 && v.Height > 0
}

func (s probeStream) audioStream() (AudioStream, bool) {
	a := AudioStream{
		Index: int(s.Index.int()), Codec: string(s.Codec), Profile: string(s.Profile),
		SampleRate: intOf(s.SampleRate), Channels: intOf(s.Channels), ChannelLayout: s.ChannelLayout.value(),
		BitRate: s.BitRate.int(), Duration: s.duration(), StartTime: s.startTime(), Frames: s.Frames.int(),
		Language: s.language(), Title: s.Tags.get("title"), Default: s.Disposition.has("default"),
		VisualImpaired: s.Disposition.has("visual_impaired"), HearingImpaired: s.Disposition.has("hearing_impaired"), Commentary: s.Disposition.has("comment"),
	}
	return a, s.hasCodec() && a.SampleRate > 0 && a.Channels > 0
}

func (s probeStream) subtitleStream() SubtitleStream {
	return SubtitleStream{
		Index: int(s.Index.int()), Codec: string(s.Codec), Text: slices.Contains(textSubtitles, string(s.Codec)),
		Language: s.language(), Title: s.Tags.get("title"),
		Forced: s.Disposition.has("forced"), Default: s.Disposition.has("default"),
		HearingImpaired: s.Disposition.has("hearing_impaired"), Commentary: s.Disposition.has("comment"),
	}
}

// textSubtitles are the codecs that ffmpeg decodes to text, and so can convert to
// WebVTT.
var textSubtitles = []string{
	"ass", "eia_608", "jacosub", "microdvd", "mov_text", "mpl2", "pjs", "realtext", "sami", "srt", "ssa", "stl",
	"subrip", "subviewer", "subviewer1", "text", "vplayer", "webvtt",
}
