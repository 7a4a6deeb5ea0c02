package encoder

import (
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// h263Sizes are the five of H.263, sub-QCIF to 16CIF, whose pixels are 12:11.
var h263Sizes = []Size{
	{128, 96, pal}, {176, 144, pal}, {352, 288, pal}, {704, 576, pal}, {1408, 1152, pal},
}

var pal = format.Rational{Num: 12, Den: 11}

// mpegRates are the frame rates of MPEG-1 and MPEG-2 (ISO/IEC 13818-2 table
// 6-4).
var mpegRates = []format.Rational{
	{Num: 24000, Den: 1001}, {Num: 24, Den: 1}, {Num: 25, Den: 1}, {Num: 30000, Den: 1001},
	{Num: 30, Den: 1}, {Num: 50, Den: 1}, {Num: 60000, Den: 1001}, {Num: 60, Den: 1},
}

// sameWords: the words of the option preset are the encoder's own.
func sameWords(name string) map[string]string {
	words := map[string]string{}
	for _, w := range codec.Lookup(codec.Video, name).Presets {
		words[w] = w
	}
	return words
}

// videos is the table of video encoders.
//
// The columns of quality are matched by eye and by measure: each gives about
// the SSIM (to 0.005) that libx264 has in its own column, on a 360p film clip
// of 3 s at preset fast: 0.924, 0.947, 0.963, 0.975, 0.983. The older codecs
// need two to four times the bits for that.
var videos = []Video{
	{
		Name: "libx264", Backend: Software, Codecs: []string{"h264"}, Intermediate: MP4,
		Preset: "fast", Presets: sameWords("h264"), Quality: [5]int{32, 29, 26, 23, 20}, Weight: 1,
		BuildDependent: true, KnowsRate: true,
		rate: vbvRate, profile: h264Profile, args: x264Args,
	},
	{
		Name: "libx265", Backend: Software, Codecs: []string{"hevc"}, Intermediate: MP4,
		Preset: "veryfast", Presets: sameWords("hevc"), Quality: [5]int{37, 34, 31, 28, 25}, Weight: 3.5,
		PassInParams: true, BuildDependent: true, KnowsRate: true, Limits: Limits{MinW: 16, MinH: 16, MinBesideLong: 32},
		rate: vbvRate, profile: hevcProfile, args: x265Args,
	},
	{
		Name: "libvpx", Backend: Software, Codecs: []string{"vp8"}, Intermediate: Matroska,
		Preset: "2", Presets: sameWords("vp8"), Quality: [5]int{39, 31, 23, 16, 10}, Weight: 2,
		Limits:    Limits{MaxW: 16382, MaxH: 16382}, // 14 bits (RFC 6386 section 9.1)
		KnowsRate: true,
		rate:      vpxRate, args: vp8Args,
	},
	{
		Name: "libvpx-vp9", Backend: Software, Codecs: []string{"vp9"}, Intermediate: Matroska,
		Preset: "3", Presets: sameWords("vp9"), Quality: [5]int{51, 45, 39, 33, 26}, Weight: 4,
		BuildDependent: true, KnowsRate: true,
		rate: vpxRate, args: vp9Args,
	},
	{
		Name: "libsvtav1", Backend: Software, Codecs: []string{"av1"}, Intermediate: MP4,
		Preset: "10", Preset7: "9", Presets: sameWords("av1"), Quality: [5]int{63, 55, 45, 34, 24}, Weight: 2,
		CountsKeyframes: true,
		Limits:          Limits{MinW: 64, MinH: 64, MaxH: 8704},
		rate:            svtRate, args: av1Args,
	},
	{
		Name: "libtheora", Backend: Software, Codecs: []string{"theora"}, Intermediate: NUT,
		Quality: [5]int{6, 7, 8, 9, 10}, Weight: 2, // the greater the better
		CountsKeyframes: true,
		Limits:          Limits{Constant: true, MinW: 18}, // FFmpeg decodes none below
		rate:            theoraRate, args: theoraArgs,
	},

	// The MPEG family counts frames in 16 bits or by a table of rates.
	{
		Name: "libxvid", Backend: Software, Codecs: []string{"xvid"}, Intermediate: MP4,
		Quality: [5]int{8, 6, 5, 3, 2}, Weight: 1,
		Limits: Limits{Constant: true, MaxW: 8190, MaxH: 8190},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		// It makes Xvid's bitstream too where that library is missing.
		Name: "mpeg4", Backend: Software, Codecs: []string{"mpeg4", "xvid"}, Intermediate: MP4,
		Quality: [5]int{8, 6, 4, 3, 2}, Weight: 0.5,
		Limits: Limits{Constant: true, MaxW: 8190, MaxH: 8190},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		Name: "mpeg1video", Backend: Software, Codecs: []string{"mpeg1video"}, Intermediate: MP4,
		Quality: [5]int{10, 7, 5, 4, 3}, Weight: 0.5,
		Limits: Limits{Constant: true, Rates: mpegRates, MaxW: 4094, MaxH: 2800},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		Name: "mpeg2video", Backend: Software, Codecs: []string{"mpeg2video"}, Intermediate: MP4,
		Quality: [5]int{10, 7, 5, 4, 3}, Weight: 0.5,
		Limits: Limits{Constant: true, Rates: mpegRates, MaxW: 16382, MaxH: 16382, Forbidden: 4096}, // ISO/IEC 13818-2 section 6.3.3
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		// Only these sizes are H.263 as 3GP players know it, and telephones
		// play no more than CIF.
		Name: "h263", Backend: Software, Codecs: []string{"h263"}, Containers: []string{"3gp"}, Intermediate: MOV,
		Quality: [5]int{8, 6, 4, 3, 2}, Weight: 0.5,
		Limits: Limits{Constant: true, MaxFPS: format.Rational{Num: 30000, Den: 1001}, Sizes: h263Sizes, PlainSizes: 3},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		// H.263+ has any size: it is what h263 means in the other containers.
		Name: "h263p", Backend: Software, Codecs: []string{"h263"}, Intermediate: MOV,
		Quality: [5]int{8, 6, 4, 3, 2}, Weight: 0.5,
		Limits: Limits{Constant: true, Multiple: 4, MaxW: 2048, MaxH: 1152},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		Name: "flv", Backend: Software, Codecs: []string{"flv"}, Intermediate: Matroska,
		Quality: [5]int{8, 6, 4, 3, 2}, Weight: 0.5,
		Limits: Limits{Constant: true},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		Name: "wmv1", Backend: Software, Codecs: []string{"wmv1"}, Intermediate: Matroska,
		Quality: [5]int{8, 6, 4, 3, 2}, Weight: 0.5,
		Limits: Limits{Constant: true},
		rate:   quantiserRate, args: mpegArgs,
	},
	{
		Name: "wmv2", Backend: Software, Codecs: []string{"wmv2"}, Intermediate: Matroska,
		Quality: [5]int{8, 6, 4, 3, 2}, Weight: 0.5,
		Limits: Limits{Constant: true},
		rate:   quantiserRate, args: mpegArgs,
	},

	// Every frame by itself.
	{
		Name: "mjpeg", Backend: Software, Codecs: []string{"mjpeg"}, Intermediate: MOV,
		Quality: [5]int{11, 8, 6, 4, 3}, Weight: 0.3,
		rate: quantiserRate, args: mjpegArgs,
	},
	{
		Name: "prores", Backend: Software, BT601: "smpte170m", Codecs: []string{"prores"}, Intermediate: MOV, Weight: 0.7,
		profile: proresProfile, args: proresArgs,
	},
	{
		Name: "prores_ks", Backend: Software, BT601: "smpte170m", Codecs: []string{"prores-ks"}, Intermediate: MOV, Weight: 3,
		profile: proresProfile, args: proresKSArgs,
	},
	{
		Name: "dnxhd", Backend: Software, Codecs: []string{"dnxhd"}, Intermediate: MOV, Weight: 0.5,
		Limits: Limits{MinW: 256, MinH: 120},
		args:   dnxhrArgs,
	},
	{Name: "qtrle", Backend: Software, Codecs: []string{"qtrle"}, Intermediate: MOV, Weight: 0.3, args: losslessArgs},
	{Name: "huffyuv", Backend: Software, Codecs: []string{"huffyuv"}, Intermediate: MOV, Weight: 0.3, args: losslessArgs},
}

// DefaultPresets are the presets used when none is asked for, by encoder.
func DefaultPresets() map[string]string {
	presets := map[string]string{}
	for _, e := range videos {
		if e.Preset != "" {
			presets[e.Name] = e.Preset
		}
	}
	return presets
}
