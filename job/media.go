package job

import (
	"encoding/json"

	"github.com/copra-video/copra/transcode/format"
)

// Media is what ffprobe found in a file. Raw is its JSON, {"streams": [...],
// "format": {...}}, untouched but for format.filename, as clients get it.
type Media struct {
	Raw        json.RawMessage
	FormatName string  // ffprobe's, "mov,mp4,m4a,3gp,3g2,mj2"
	Duration   float64 // seconds; 0: unknown (a single picture)
	StartTime  float64 // seconds; of the earliest stream
	Size       int64   // bytes
	BitRate    int64   // bit/s
	Video      []VideoStream
	Audio      []AudioStream
	Subtitles  []SubtitleStream
	Tags       map[string]string
}

// VideoStream is one video stream; attached pictures (cover art) are left out.
type VideoStream struct {
	Index          int // in the file
	Codec          string
	Profile        string
	Level          int
	CodecTag       string
	Width, Height  int             // as coded, before rotation
	SAR            format.Rational // sample aspect ratio; 1:1 when unknown
	Rotation       int             // degrees clockwise to turn for display: 0, 90, 180, 270
	PixFmt         string
	BitDepth       int
	FieldOrder     string          // "progressive", "tt", ...; "" unknown
	FPS            format.Rational // avg_frame_rate, else r_frame_rate; 0/1 unknown
	BaseFPS        format.Rational // r_frame_rate: differs from FPS when the rate varies
	BitRate        int64
	Duration       float64
	StartTime      float64
	Frames         int64 // 0: unknown
	ColorSpace     string
	ColorTransfer  string // "smpte2084" (PQ), "arib-std-b67" (HLG), "bt709", ...
	ColorPrimaries string
	ColorRange     string      // "tv", "pc"
	HDR            HDRMetadata // of HDR
	Default        bool
}

// HDRMetadata is what an HDR stream says of its light (SMPTE ST 2086 and CTA-861.3).
type HDRMetadata struct {
	Red, Green, Blue, White    [2]float64 // chromaticities x, y of the mastering display
	MinLuminance, MaxLuminance float64    // its luminance in cd/m2; both 0: not said
	MaxCLL, MaxFALL            int        // brightest pixel and brightest frame in cd/m2; 0: not said
}

// HasMasteringDisplay reports whether the mastering display is described.
func (l HDRMetadata) HasMasteringDisplay() bool { return l.MaxLuminance > 0 && l.White != [2]float64{} }

// AudioStream is one audio stream.
type AudioStream struct {
	Index         int
	Codec         string
	Profile       string // "LC", "HE-AAC", "HE-AACv2"
	SampleRate    int
	Channels      int
	ChannelLayout string
	BitRate       int64
	Duration      float64
	StartTime     float64
	Frames        int64  // packets; 0: unknown
	Language      string // ISO 639-2 tag, "" unknown
	Title         string
	Default       bool
	// VisualImpaired audio describes the picture, HearingImpaired audio has its
	// speech made clear, Commentary is about the film. These are ffprobe's
	// dispositions of those names ("comment" for the last).
	VisualImpaired, HearingImpaired, Commentary bool
}

// SubtitleStream is one subtitle stream. Text says that it can become WebVTT.
type SubtitleStream struct {
	Index    int
	Codec    string
	Text     bool
	Language string
	Title    string
	Forced   bool
	Default  bool
	// HearingImpaired subtitles name sounds too, Commentary is about the film.
	HearingImpaired, Commentary bool
}
