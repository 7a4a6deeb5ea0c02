package ffmpeg

import (
	"slices"
	"strings"
)

// ffmpeg must read the files that it is given and nothing else. A playlist or a
// script sent as a video would make it open the files or hosts that it names. So
// every input gets two allowlists, of protocols and of demuxers.
const (
	fileProtocols     = "file,pipe,crypto,data"
	loopbackProtocols = "http,tcp"
)

// mediaFormats are the demuxers for inputs of customers and for our own files. Not
// among them are:
//   - playlists and scripts: hls, dash, concat, imf, webm_dash_manifest, sdp,
//     ffmetadata, lists of images
//   - devices
//   - demuxers that draw text: tty, bin, xbin
//   - subtitles alone
//   - formats that accept any bytes: raw PCM, rawvideo, data
//   - formats of old games, whose decoders are hardly maintained
var mediaFormats = strings.Join([]string{
	"mov", "mp4", "matroska", "webm", "mpegts", "mpeg", "mpegvideo", "avi", "asf", "asf_o", "flv", "live_flv", "ogg", "mxf", "gxf",
	"nut", "rm", "wtv", "dv", "ivf", "yuv4mpegpipe", "lxf", "mpegtsraw", "r3d", "cine", "nsv", "dhav",
	"h261", "h263", "h264", "hevc", "vvc", "evc", "m4v", "mjpeg", "mjpeg_2000", "smjpeg", "mpjpeg", "vc1", "vc1test", "av1", "obu", "dirac", "dnxhd",
	"cavsvideo", "avs2", "avs3", "ingenient",
	"mp3", "aac", "loas", "ac3", "eac3", "ac4", "dts", "dtshd", "truehd", "mlp", "amr", "amrnb", "amrwb", "flac", "wav", "w64", "aiff", "au", "caf",
	"ape", "tta", "wv", "tak", "mpc", "mpc8", "dsf", "iff", "oma", "shn", "spdif", "voc", "xwma", "gsm", "sox", "aea", "qcp", "sbc", "aptx", "osq", "iamf",
	"gif", "apng", "image2", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif_pipe", "jpegls_pipe", "j2k_pipe",
	"jpegxl_pipe", "jpegxl_anim", "psd_pipe", "ppm_pipe", "pgm_pipe", "pbm_pipe", "pam_pipe", "dpx_pipe", "exr_pipe", "sgi_pipe", "qoi_pipe",
	"sunrast_pipe", "dds_pipe", "hdr_pipe", "pcx_pipe",
}, ",")

// probeLimits are how far ffmpeg and ffprobe look for streams in a file without an
// index. In a transport stream the audio may begin late.
var probeLimits = []string{"-probesize", "20M", "-analyzeduration", "15M"}

// allowlistInputs returns args with the allowlists before every input. They are
// options of one input, so they cannot be set once for a run. A demuxer that the
// planner forces by -f (lavfi, or concat of our own list) is allowed for that
// input. The protocols of what such an input opens are restricted all the same.
//
// The input that is served is read by its address, and only it by HTTP.
func allowlistInputs(args []string, served *Served) []string {
	out := make([]string, 0, len(args)+12)
	forced := ""
	for i, a := range args {
		if i > 0 && args[i-1] == "-i" && served != nil && a == served.Name {
			a = served.URL
		}
		switch {
		case a == "-f" && i+1 < len(args):
			forced = args[i+1]
		case a == "-i":
			protocols := fileProtocols
			if served != nil && i+1 < len(args) && args[i+1] == served.Name {
				protocols = loopbackProtocols
			}
			out = append(out, "-protocol_whitelist", protocols, "-format_whitelist", formatAllowlist(forced))
			if forced == "" {
				out = append(out, probeLimits...)
			}
			forced = ""
		}
		out = append(out, a)
	}
	return out
}

func formatAllowlist(forced string) string {
	if forced == "" || slices.Contains(strings.Split(mediaFormats, ","), forced) {
		return mediaFormats
	}
	return mediaFormats + "," + forced
}
