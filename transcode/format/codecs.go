package format

import (
	"slices"
	"strings"
)

// Track is the kind of stream that a codec makes.
type Track string

// The tracks of a file.
const (
	TrackVideo Track = "video"
	TrackAudio Track = "audio"
)

// Copy is the codec name that passes the source's stream through.
const Copy = "copy"

// Codec is one row of the table of codecs. "copy" is no row: it takes no
// settings and goes into every container.
type Codec struct {
	Name      string
	Aliases   []string // other names; a "-" in Name may always be written "_"
	Track     Track
	Encodable bool // this server encodes it
	Lossless  bool // takes no bitrate
	Quality   bool // takes the option quality
	TwoPass   bool // can be encoded in two passes

	Profiles []string // values of vprofile that it takes
	Levels   []string // values of level that it takes
	// PixFmts are the pixel formats that ffmpeg's encoder takes, the default first.
	PixFmts []string
	Presets []string // values of preset that it takes
	Rates   []int    // sample rates in Hz that it takes, ascending; nil: all
}

var (
	x264Presets = strings.Fields("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo")
	cpuUsed     = strings.Fields("0 1 2 3 4 5 6 7 8") // libvpx -cpu-used
	svtPresets  = strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11 12 13")

	// h26xProfiles are the names of coconut-v2.md section 4.5 ("444" is read as high444).
	h26xProfiles = strings.Fields("baseline main high high10 high422 high444")
	h264Levels   = strings.Fields("10 11 12 13 20 21 22 30 31 32 40 41 42 50 51 52 60 61 62")
	hevcLevels   = strings.Fields("10 20 21 30 31 40 41 50 51 52 60 61 62") // H.265 has no others
	proresLevels = strings.Fields("0 1 2 3")                                // proxy, LT, standard, HQ

	yuv420     = []string{"yuv420p"}
	mpegRates  = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
	aacRates   = []int{7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
	opusRates  = []int{8000, 12000, 16000, 24000, 48000}
	mp2Rates   = []int{16000, 22050, 24000, 32000, 44100, 48000}
	ac3Rates   = []int{32000, 44100, 48000}
	wmaRates   = []int{8000, 11025, 16000, 22050, 32000, 44100, 48000}
	amrNBRates = []int{8000}
)

// codecs is coconut-v2.md sections 4.3 and 4.4, with their older lists and the
// additions of section 12.
var codecs = []Codec{
	{Name: "h264", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true,
		Profiles: h26xProfiles, Levels: h264Levels, Presets: x264Presets,
		PixFmts: strings.Fields("yuv420p yuvj420p yuv422p yuvj422p yuv444p yuvj444p nv12 nv16 nv21 yuv420p10le yuv422p10le yuv444p10le nv20le gray gray10le")},
	{Name: "hevc", Aliases: []string{"h265"}, Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true,
		Profiles: append(slices.Clip(h26xProfiles), "main10", "main12"), Levels: hevcLevels, Presets: x264Presets,
		PixFmts: strings.Fields("yuv420p yuvj420p yuv422p yuvj422p yuv444p yuvj444p gbrp yuv420p10le yuv422p10le yuv444p10le gbrp10le yuv420p12le yuv422p12le yuv444p12le gbrp12le gray gray10le gray12le")},
	{Name: "vp8", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, Presets: cpuUsed,
		PixFmts: strings.Fields("yuv420p yuva420p")},
	{Name: "vp9", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, Presets: cpuUsed,
		PixFmts: strings.Fields("yuv420p yuva420p yuv422p yuv440p yuv444p yuv420p10le yuv422p10le yuv440p10le yuv444p10le yuv420p12le yuv422p12le yuv440p12le yuv444p12le gbrp gbrp10le gbrp12le")},
	{Name: "av1", Track: TrackVideo, Encodable: true, Quality: true, Presets: svtPresets,
		PixFmts: strings.Fields("yuv420p yuv420p10le")},
	{Name: "theora", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true,
		PixFmts: strings.Fields("yuv420p yuv422p yuv444p")},
	{Name: "prores", Track: TrackVideo, Encodable: true, Profiles: proresLevels,
		PixFmts: strings.Fields("yuv422p10le yuv444p10le yuva444p10le")},
	{Name: "prores-ks", Track: TrackVideo, Encodable: true, Profiles: proresLevels,
		PixFmts: strings.Fields("yuv422p10le yuv444p10le yuva444p10le")},
	{Name: "dnxhd", Track: TrackVideo, Encodable: true,
		PixFmts: strings.Fields("yuv422p yuv422p10le yuv444p10le gbrp10le")},
	{Name: "mpeg4", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "xvid", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "flv", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "h263", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "mjpeg", Track: TrackVideo, Encodable: true, Quality: true,
		PixFmts: strings.Fields("yuvj420p yuvj422p yuvj444p yuv420p yuv422p yuv444p")},
	{Name: "mpeg1video", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "mpeg2video", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true,
		PixFmts: strings.Fields("yuv420p yuv422p")},
	{Name: "wmv1", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "wmv2", Track: TrackVideo, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "qtrle", Track: TrackVideo, Encodable: true, Lossless: true,
		PixFmts: strings.Fields("rgb24 rgb555be argb gray")},
	{Name: "huffyuv", Track: TrackVideo, Encodable: true, Lossless: true,
		PixFmts: strings.Fields("yuv422p rgb24 bgra")},
	// No container here holds RealVideo, and ffmpeg has no SVQ3 encoder; both
	// were on Coconut's older list.
	{Name: "rv20", Track: TrackVideo, PixFmts: yuv420},
	{Name: "svq3", Track: TrackVideo, PixFmts: yuv420},

	{Name: "aac", Track: TrackAudio, Encodable: true, Rates: aacRates},
	{Name: "mp3", Track: TrackAudio, Encodable: true, Rates: mpegRates},
	{Name: "vorbis", Track: TrackAudio, Encodable: true},
	{Name: "opus", Track: TrackAudio, Encodable: true, Rates: opusRates},
	{Name: "ac3", Track: TrackAudio, Encodable: true, Rates: ac3Rates},
	{Name: "flac", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "mp2", Track: TrackAudio, Encodable: true, Rates: mp2Rates},
	{Name: "amr-nb", Track: TrackAudio, Encodable: true, Rates: amrNBRates},
	{Name: "wmav2", Track: TrackAudio, Encodable: true, Rates: wmaRates},
	{Name: "pcm-s16le", Aliases: []string{"pcm"}, Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-s24le", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-s32le", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-f32le", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-f64le", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-u8", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-alaw", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-mulaw", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-s16be", Track: TrackAudio, Encodable: true, Lossless: true},
	{Name: "pcm-s24be", Track: TrackAudio, Encodable: true, Lossless: true},
}

// Codecs returns the table of codecs, for documentation and tests.
func Codecs() []Codec { return slices.Clone(codecs) }

// LookupCodec finds a codec of a track by its name or an alias. "copy" is in
// no row and not found.
func LookupCodec(t Track, name string) (Codec, bool) {
	c := codec(t, name)
	if c == nil {
		return Codec{}, false
	}
	return *c, true
}

// codec is LookupCodec without the copy; nil when there is none.
func codec(t Track, name string) *Codec {
	for i := range codecs {
		if c := &codecs[i]; c.Track == t && (c.Name == name || slices.Contains(c.Aliases, name)) {
			return c
		}
	}
	return nil
}

// codecNames lists the codecs of a track that want lets through.
func codecNames(t Track, want func(*Codec) bool) string {
	var names []string
	for i := range codecs {
		if codecs[i].Track == t && want(&codecs[i]) {
			names = append(names, codecs[i].Name)
		}
	}
	return strings.Join(names, ", ")
}
