package ffmpeg

import "github.com/copra-video/copra/transcode"

// Finding is one line about the tools.
type Finding struct {
	Name string
	OK   bool
	Note string // what it is, or what does not work without it
}

// Report says what the tools are and which of the features that matter they
// lack, with what does not work without them. It takes a toolchain that was
// opened with Options.Complete.
func (t *Toolchain) Report() []Finding {
	findings := []Finding{
		{"ffmpeg", true, t.Version() + " at " + t.ffmpeg},
		{"ffprobe", t.probeVersion == t.Version(), t.probeVersion + " at " + t.ffprobe},
	}
	if t.probeVersion != t.Version() {
		findings[1].Note += "; its version is not that of ffmpeg"
	}
	for _, r := range reportedFeatures {
		f := Finding{Name: r.kind + " " + r.name, OK: featuresOf(t.capabilities, r.kind).Has(r.name), Note: r.means}
		if !f.OK {
			f.Note = "missing: no " + r.means
		}
		findings = append(findings, f)
	}
	return findings
}

const encoder, filter, muxer = "encoder", "filter", "muxer"

func featuresOf(c transcode.Capabilities, kind string) transcode.Set {
	switch kind {
	case encoder:
		return c.Encoders
	case filter:
		return c.Filters
	default:
		return c.Muxers
	}
}

var reportedFeatures = []struct{ kind, name, means string }{
	{encoder, "libx264", "H.264"},
	{encoder, "libx265", "HEVC"},
	{encoder, "libvpx", "VP8"},
	{encoder, "libvpx-vp9", "VP9"},
	{encoder, "libsvtav1", "AV1"},
	{encoder, "aac", "AAC"},
	{encoder, "libmp3lame", "MP3"},
	{encoder, "libvorbis", "Vorbis"},
	{encoder, "libopus", "Opus"},
	{encoder, "libtheora", "Theora"},
	{encoder, "libwebp", "WebP pictures"},
	{encoder, "libwebp_anim", "animated WebP"},
	{encoder, "mjpeg", "JPEG pictures"},
	{encoder, "png", "PNG pictures"},
	{encoder, "gif", "GIF"},
	{filter, "zscale", "HDR to SDR conversion"},
	{filter, "tonemap", "HDR to SDR conversion"},
	{filter, "overlay", "watermarks"},
	{filter, "drawtext", "burnt-in text"},
	{filter, "bwdif", "deinterlacing"},
	{muxer, "mp4", "MP4"},
	{muxer, "mpegts", "MPEG-TS"},
	{muxer, "hls", "HLS segments"},
	{muxer, "webm", "WebM"},
	{muxer, "webvtt", "WebVTT subtitles"},
}
