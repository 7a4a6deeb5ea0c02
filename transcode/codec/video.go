package codec

import (
	"slices"
	"strings"
)

var (
	x264Presets = strings.Fields("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo")
	vpxPresets  = strings.Fields("0 1 2 3 4 5 6 7 8") // libvpx's -cpu-used
	svtPresets  = strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11 12 13")

	h264Levels = strings.Fields("10 11 12 13 20 21 22 30 31 32 40 41 42 50 51 52 60 61 62")
	hevcLevels = strings.Fields("10 20 21 30 31 40 41 50 51 52 60 61 62") // H.265 table A.8 has no others

	yuv420 = []string{"yuv420p"}
)

// h264Profiles are the names of coconut-v2.md section 4.5, in the
// order of what they hold (H.264 annex A). "444" is read as high444.
var h264Profiles = []Profile{
	{Name: "baseline", Chroma: YUV420, Depth: 8, PixFmt: "yuv420p"},
	{Name: "main", Chroma: YUV420, Depth: 8, PixFmt: "yuv420p"},
	{Name: "high", Chroma: YUV420, Depth: 8, Mono: true, PixFmt: "yuv420p"},
	{Name: "high10", Chroma: YUV420, Depth: 10, Mono: true, PixFmt: "yuv420p10le"},
	{Name: "high422", Chroma: YUV422, Depth: 10, Mono: true, PixFmt: "yuv422p10le"},
	{Name: "high444", Chroma: YUV444, Depth: 12, Mono: true, PixFmt: "yuv444p"},
}

// hevcProfiles take the same names and add H.265's own. x265 finds the real
// profile from the pixel format.
var hevcProfiles = append(slices.Clip(h264Profiles),
	Profile{Name: "main10", Chroma: YUV420, Depth: 10, Mono: true, PixFmt: "yuv420p10le"},
	Profile{Name: "main12", Chroma: YUV420, Depth: 12, Mono: true, PixFmt: "yuv420p12le"},
)

// proresProfiles are proxy, LT, standard and HQ. 4444 has no name here: it
// follows from the pixel format.
var proresProfiles = []Profile{
	{Name: "0", Chroma: YUV422, Depth: 10, PixFmt: "yuv422p10le"},
	{Name: "1", Chroma: YUV422, Depth: 10, PixFmt: "yuv422p10le"},
	{Name: "2", Chroma: YUV422, Depth: 10, PixFmt: "yuv422p10le"},
	{Name: "3", Chroma: YUV422, Depth: 10, PixFmt: "yuv422p10le"},
}

// videoCodecs are coconut-v2.md section 4.3 with the older lists of
// that page and the additions of section 12.
var videoCodecs = []Codec{
	{
		Name: "h264", Title: "H.264", Track: Video, Encodable: true, ColourTags: true, Quality: true, MinCRF: 1, MaxCRF: 51, TwoPass: true,
		Profiles: h264Profiles, Levels: h264Levels, Presets: x264Presets, Tunes: strings.Fields("animation film grain"),
		PixFmts: strings.Fields("yuv420p yuvj420p yuv422p yuvj422p yuv444p yuvj444p nv12 nv16 nv21 yuv420p10le yuv422p10le yuv444p10le nv20le gray gray10le"),
		HDR:     true, BFrames: true, Variant: true,
	},
	{
		Name: "hevc", Aliases: []string{"h265"}, Title: "HEVC", Track: Video, Encodable: true, ColourTags: true, Quality: true, MinCRF: 1, MaxCRF: 51, TwoPass: true,
		Profiles: hevcProfiles, Levels: hevcLevels, Presets: x264Presets, Tunes: strings.Fields("animation grain"),
		PixFmts: strings.Fields("yuv420p yuvj420p yuv422p yuvj422p yuv444p yuvj444p gbrp yuv420p10le yuv422p10le yuv444p10le gbrp10le yuv420p12le yuv422p12le yuv444p12le gbrp12le gray gray10le gray12le"),
		HDR:     true, HDRPixFmt: "yuv420p10le", BFrames: true, Variant: true, CMAFOnly: true,
	},
	{
		Name: "vp8", Title: "VP8", Track: Video, Encodable: true, Quality: true, MinCRF: 4, MaxCRF: 63, TwoPass: true, Presets: vpxPresets,
		PixFmts: strings.Fields("yuv420p yuva420p"),
	},
	{
		Name: "vp9", Title: "VP9", Track: Video, Encodable: true, ColourTags: true, Quality: true, MinCRF: 1, MaxCRF: 63, TwoPass: true, Presets: vpxPresets, Tunes: strings.Fields("grain"),
		PixFmts: strings.Fields("yuv420p yuva420p yuv422p yuv440p yuv444p yuv420p10le yuv422p10le yuv440p10le yuv444p10le yuv420p12le yuv422p12le yuv440p12le yuv444p12le gbrp gbrp10le gbrp12le"),
		HDR:     true, Variant: true, CMAFOnly: true,
	},
	{
		Name: "av1", Title: "AV1", Track: Video, Encodable: true, ColourTags: true, Quality: true, MinCRF: 1, MaxCRF: 63, Presets: svtPresets, Tunes: strings.Fields("grain screen"),
		PixFmts: strings.Fields("yuv420p yuv420p10le"),
		HDR:     true, HDRPixFmt: "yuv420p10le", Variant: true, CMAFOnly: true,
	},
	{
		Name: "theora", Title: "Theora", Track: Video, Encodable: true, Quality: true, TwoPass: true,
		PixFmts: strings.Fields("yuv420p yuv422p yuv444p"),
	},
	{
		Name: "prores", Title: "ProRes", Track: Video, Encodable: true, ColourTags: true, Profiles: proresProfiles,
		PixFmts: strings.Fields("yuv422p10le yuv444p10le yuva444p10le"),
		HDR:     true, IntraOnly: true,
	},
	{
		Name: "prores-ks", FFprobe: "prores", Title: "ProRes (ks)", Track: Video, Encodable: true, ColourTags: true, Profiles: proresProfiles,
		PixFmts: strings.Fields("yuv422p10le yuv444p10le yuva444p10le"),
		HDR:     true, IntraOnly: true,
	},
	{
		Name: "dnxhd", Title: "DNxHR", Track: Video, Encodable: true,
		PixFmts: strings.Fields("yuv422p yuv422p10le yuv444p10le gbrp10le"),
		HDR:     true, HDRPixFmt: "yuv422p10le", IntraOnly: true,
	},
	{Name: "mpeg4", Title: "MPEG-4", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "xvid", FFprobe: "mpeg4", Title: "Xvid", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "flv", FFprobe: "flv1", Title: "Sorenson H.263", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "h263", Title: "H.263", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{
		Name: "mjpeg", Title: "Motion JPEG", Track: Video, Encodable: true, Quality: true,
		PixFmts:   strings.Fields("yuvj420p yuvj422p yuvj444p yuv420p yuv422p yuv444p"),
		FullRange: true, IntraOnly: true,
	},
	{Name: "mpeg1video", Title: "MPEG-1", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{
		Name: "mpeg2video", Title: "MPEG-2", Track: Video, Encodable: true, ColourTags: true, Quality: true, TwoPass: true,
		PixFmts: strings.Fields("yuv420p yuv422p"),
	},
	{Name: "wmv1", Title: "WMV 7", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{Name: "wmv2", Title: "WMV 8", Track: Video, Encodable: true, Quality: true, TwoPass: true, PixFmts: yuv420},
	{
		Name: "qtrle", Title: "QuickTime Animation", Track: Video, Encodable: true, Lossless: true,
		PixFmts: strings.Fields("rgb24 rgb555be argb gray"), IntraOnly: true,
	},
	{
		Name: "huffyuv", Title: "HuffYUV", Track: Video, Encodable: true, Lossless: true,
		PixFmts: strings.Fields("yuv422p rgb24 bgra"), IntraOnly: true,
	},
	// No container here holds RealVideo, and FFmpeg has no SVQ3 encoder. Both
	// were on Coconut's older list.
	{Name: "rv20", Title: "RealVideo 2", Track: Video, PixFmts: yuv420},
	{Name: "svq3", Title: "Sorenson Video 3", Track: Video, PixFmts: yuv420},
}
