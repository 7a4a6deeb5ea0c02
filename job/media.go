package job

import (
	"encoding/json"

	"github.com/copra-video/copra/transcode/format"
)

// Media is what ffprobe found in a file. Raw is its JSON, {"streams": [...],
// "format": {...}}, as clients get it: only format.filename is replaced.
type Media struct {
	Raw        json.RawMessage
	FormatName string  // the demuxer in ffprobe's words, such as "mov,mp4,m4a,3gp,3g2,mj2"
	Duration   float64 // seconds; 0: unknown (a single picture)
	StartTime  float64 // seconds; of the earliest stream
	Size       int64   // bytes
	BitRate    int64   // bit/s
	Video      []VideoStream
	Audio      []AudioStream
	Subtitles  []SubtitleStream
	Tags       map[string]string
	// Recording is the protocol, "hls" or "dash", of an input that is a playlist or manifest;
	// "": it is none.
	Recording string
	// Restart is that of Timeline, where the file was measured.
	Restart float64
	// Cut is after how many seconds a file of sound ends whose header claims more; 0: it
	// does not, or was not measured.
	Cut float64
}

// VideoStream is one video stream. Attached pictures (cover art) are not listed.
type VideoStream struct {
	Index         int // in the file
	Codec         string
	Profile       string
	Level         int
	CodecTag      string
	Width, Height int             // as coded, before rotation
	SAR           format.Rational // sample aspect ratio; 1:1 when unknown
	Rotation      int             // degrees to turn clockwise for display: 0, 90, 180, 270
	PixFmt        string
	BitDepth      int
	FieldOrder    string          // "progressive", "tt", ...; "" unknown
	FPS           format.Rational // avg_frame_rate, else r_frame_rate; 0/1 unknown
	BaseFPS       format.Rational // r_frame_rate: differs from FPS when the rate varies
	BitRate       int64
	Duration      float64
	StartTime     float64
	Frames        int64 // 0: unknown
	// Reorder is how many frames a picture is decoded before it is shown, at most.
	Reorder int
	// Rate, Irregular, LongestGap and Times are those of StreamTimeline, where the
	// file was measured: the nominal frame rate, whether frames are not all the same
	// time apart, for how many seconds one is shown at most, and when each begins,
	// in seconds from the start of the file.
	Rate       format.Rational
	Irregular  bool
	LongestGap float64
	Times      []float64
	// GOPs is where it can be entered; nil: not known.
	GOPs           *GOPs
	ColorSpace     string
	ColorTransfer  string // "smpte2084" (PQ), "arib-std-b67" (HLG), "bt709", ...
	ColorPrimaries string
	ColorRange     string      // "tv", "pc"
	HDR            HDRMetadata // of HDR
	// DolbyOnly is the profile of Dolby Vision without a base that others show right, as
	// profile 5; 0: it is none.
	DolbyOnly int
	Default   bool
}

// HDRMetadata is the static metadata of an HDR stream: the mastering display (SMPTE
// ST 2086) and the content light level (CTA-861.3).
type HDRMetadata struct {
	Red, Green, Blue, White    [2]float64 // chromaticities x, y of the mastering display
	MinLuminance, MaxLuminance float64    // of the mastering display in cd/m2; both 0: unknown
	MaxCLL, MaxFALL            int        // brightest pixel and brightest frame average in cd/m2; 0: unknown
}

// HasMasteringDisplay reports whether the mastering display is known.
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

// SubtitleStream is one subtitle stream. Text: it can be converted to WebVTT.
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
