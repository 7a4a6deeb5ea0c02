package transcode

import (
	"slices"

	"github.com/copra-video/copra/transcode/format"
)

// videoEncoders is the table of video codecs.
//
// The columns of quality are matched by eye and by measure: each gives about
// the SSIM (to 0.005) that libx264 has in its own column, on a 360p film clip
// of 3 s at preset fast: 0.924, 0.947, 0.963, 0.975, 0.983. The older codecs
// need two to four times the bits for that.
var videoEncoders = []videoEncoder{
	{
		codec: "h264", encoder: "libx264", intermediate: "mp4", preset: "fast", weight: 1,
		quality: [5]int{32, 29, 26, 23, 20},
		args:    x264Args,
	},
	{
		codec: "hevc", encoder: "libx265", intermediate: "mp4", preset: "fast", weight: 4, passInParams: true,
		quality: [5]int{37, 34, 31, 28, 25},
		limits:  limits{minW: 16, minH: 16},
		args:    x265Args,
	},
	{
		codec: "vp8", encoder: "libvpx", intermediate: "mkv", preset: "2", weight: 2,
		quality: [5]int{39, 31, 23, 16, 10},
		args:    vp8Args,
	},
	{
		codec: "vp9", encoder: "libvpx-vp9", intermediate: "mkv", preset: "2", weight: 4,
		quality: [5]int{51, 45, 39, 33, 26},
		args:    vp9Args,
	},
	{
		codec: "av1", encoder: "libsvtav1", intermediate: "mp4", preset: "8", weight: 3,
		quality: [5]int{63, 55, 45, 34, 24},
		limits:  limits{minW: 64, minH: 64, maxH: 8704},
		args:    av1Args,
	},
	{
		codec: "theora", encoder: "libtheora", intermediate: "nut", weight: 2,
		quality: [5]int{6, 7, 8, 9, 10}, // the greater the better
		limits:  limits{constant: true},
		args:    theoraArgs,
	},

	// The MPEG family counts frames in 16 bits or by a table of rates.
	{
		codec: "mpeg4", encoder: "mpeg4", intermediate: "mp4", weight: 0.5,
		quality: [5]int{8, 6, 4, 3, 2},
		limits:  limits{constant: true, maxW: 8190, maxH: 8190},
		args:    mpegArgs,
	},
	{
		codec: "xvid", encoder: "libxvid", intermediate: "mp4", weight: 1,
		quality: [5]int{8, 6, 5, 3, 2},
		limits:  limits{constant: true, maxW: 8190, maxH: 8190},
		args:    mpegArgs,
	},
	{
		codec: "mpeg1video", encoder: "mpeg1video", intermediate: "mp4", weight: 0.5,
		quality: [5]int{10, 7, 5, 4, 3},
		limits:  limits{constant: true, rates: mpegRates, maxW: 4094, maxH: 2800},
		args:    mpegArgs,
	},
	{
		codec: "mpeg2video", encoder: "mpeg2video", intermediate: "mp4", weight: 0.5,
		quality: [5]int{10, 7, 5, 4, 3},
		limits:  limits{constant: true, rates: mpegRates},
		args:    mpegArgs,
	},
	{
		// Only these sizes are H.263 as 3GP players know it.
		codec: "h263", encoder: "h263", intermediate: "mov", weight: 0.5,
		quality: [5]int{8, 6, 4, 3, 2},
		limits:  limits{constant: true, maxFPS: format.Rational{Num: 30000, Den: 1001}, sizes: h263Sizes},
		args:    mpegArgs,
	},
	{
		// H.263+ has any size: what h263 is in the other containers.
		codec: "h263p", encoder: "h263p", intermediate: "mov", weight: 0.5,
		quality: [5]int{8, 6, 4, 3, 2},
		limits:  limits{constant: true, multiple: 4, maxW: 2048, maxH: 1152},
		args:    mpegArgs,
	},
	{
		codec: "flv", encoder: "flv", intermediate: "mkv", weight: 0.5,
		quality: [5]int{8, 6, 4, 3, 2},
		limits:  limits{constant: true},
		args:    mpegArgs,
	},
	{
		codec: "wmv1", encoder: "wmv1", intermediate: "mkv", weight: 0.5,
		quality: [5]int{8, 6, 4, 3, 2},
		limits:  limits{constant: true},
		args:    mpegArgs,
	},
	{
		codec: "wmv2", encoder: "wmv2", intermediate: "mkv", weight: 0.5,
		quality: [5]int{8, 6, 4, 3, 2},
		limits:  limits{constant: true},
		args:    mpegArgs,
	},

	// Every frame by itself.
	{
		codec: "mjpeg", encoder: "mjpeg", intermediate: "mov", weight: 0.3,
		quality: [5]int{11, 8, 6, 4, 3},
		args:    mjpegArgs,
	},
	{
		codec: "prores", encoder: "prores", intermediate: "mov", weight: 0.7,
		args: proresArgs,
	},
	{
		codec: "prores-ks", encoder: "prores_ks", intermediate: "mov", weight: 3,
		args: proresKSArgs,
	},
	{
		codec: "dnxhd", encoder: "dnxhd", intermediate: "mov", weight: 0.5,
		limits: limits{minW: 256, minH: 120},
		args:   dnxhrArgs,
	},
	{codec: "qtrle", encoder: "qtrle", intermediate: "mov", weight: 0.3, args: losslessArgs},
	{codec: "huffyuv", encoder: "huffyuv", intermediate: "mov", weight: 0.3, args: losslessArgs},
}

func videoEncoderFor(codec string) (videoEncoder, bool) {
	i := slices.IndexFunc(videoEncoders, func(e videoEncoder) bool { return e.codec == codec })
	if i < 0 {
		return videoEncoder{}, false
	}
	return videoEncoders[i], true
}
