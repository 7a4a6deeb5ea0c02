package format

import (
	"slices"
	"strings"
)

// Container is one row of the table of containers.
type Container struct {
	Name      string
	Aliases   []string // other names that a request may use
	Kind      Kind
	Extension string // of a file, without the dot
	// ContentType is the media type of a file; AudioType that of one whose
	// video is disabled, when it has its own.
	ContentType, AudioType string
	// VideoCodec and AudioCodec are the codecs used when none is named.
	VideoCodec, AudioCodec string
	// AudioBitrateK is the audio bitrate used when none is given.
	AudioBitrateK int
	// VideoCodecs and AudioCodecs are those that can be muxed into it and that
	// players of the container expect. Measured with ffmpeg 5.1: each pair was
	// written and read back without a complaint.
	VideoCodecs, AudioCodecs []string
	MaxWidth                 int  // of the picture, in pixels; 0: the general bound
	Fragments                bool // takes the option frag
	Encodable                bool // this server makes it
}

// pcmWAV is the PCM family as WAV stores it (little endian).
var pcmWAV = []string{"pcm-s16le", "pcm-s24le", "pcm-s32le", "pcm-f32le", "pcm-f64le", "pcm-u8", "pcm-alaw", "pcm-mulaw"}

// pcmAll adds the big-endian forms, which QuickTime and Matroska take too.
var pcmAll = append(slices.Clip(pcmWAV), "pcm-s16be", "pcm-s24be")

// containers is coconut-v2.md section 4.2 with the additions of section 12. FLAC in MP4 is
// left out because ffmpeg 5.1 writes it only with -strict experimental, and
// Vorbis in MP4 because no common player reads it.
var containers = []Container{
	{Name: "mp4", Kind: KindVideo, Extension: "mp4", ContentType: "video/mp4", AudioType: "audio/mp4", Encodable: true, Fragments: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "av1", "vp9", "mpeg4", "xvid", "mpeg2video", "mpeg1video", "mjpeg"},
		AudioCodecs: []string{"aac", "mp3", "opus", "ac3", "mp2"}},
	{Name: "webm", Kind: KindVideo, Extension: "webm", ContentType: "video/webm", AudioType: "audio/webm", Encodable: true,
		VideoCodec: "vp8", AudioCodec: "vorbis", AudioBitrateK: 128,
		VideoCodecs: []string{"vp8", "vp9", "av1"},
		AudioCodecs: []string{"vorbis", "opus"}},
	{Name: "mov", Kind: KindVideo, Extension: "mov", ContentType: "video/quicktime", Encodable: true, Fragments: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "prores", "prores-ks", "dnxhd", "mpeg4", "xvid", "mjpeg", "mpeg2video", "mpeg1video", "qtrle", "h263", "huffyuv", "svq3"},
		AudioCodecs: append([]string{"aac", "mp3", "ac3", "mp2", "amr-nb"}, pcmAll...)},
	{Name: "mkv", Kind: KindVideo, Extension: "mkv", ContentType: "video/x-matroska", AudioType: "audio/x-matroska", Encodable: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "vp8", "vp9", "av1", "theora", "prores", "prores-ks", "dnxhd", "mpeg4", "xvid", "mpeg2video", "mpeg1video", "mjpeg", "flv", "h263", "wmv1", "wmv2", "huffyuv"},
		AudioCodecs: append([]string{"aac", "mp3", "vorbis", "opus", "flac", "ac3", "mp2", "wmav2"}, pcmAll...)},
	{Name: "mpegts", Aliases: []string{"hls"}, Kind: KindVideo, Extension: "ts", ContentType: "video/mp2t", Encodable: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4", "xvid"},
		AudioCodecs: []string{"aac", "mp3", "opus", "ac3", "mp2"}},
	{Name: "avi", Aliases: []string{"divx", "xvid"}, Kind: KindVideo, Extension: "avi", ContentType: "video/x-msvideo", Encodable: true,
		VideoCodec: "mpeg4", AudioCodec: "mp3", AudioBitrateK: 128,
		VideoCodecs: []string{"mpeg4", "xvid", "h264", "mjpeg", "mpeg2video", "huffyuv", "dnxhd", "h263", "wmv1", "wmv2", "flv"},
		AudioCodecs: append([]string{"mp3", "aac", "ac3", "mp2", "wmav2"}, pcmWAV...)},
	{Name: "asf", Aliases: []string{"wmv"}, Kind: KindVideo, Extension: "asf", ContentType: "video/x-ms-asf", Encodable: true,
		VideoCodec: "wmv2", AudioCodec: "wmav2", AudioBitrateK: 128,
		VideoCodecs: []string{"wmv2", "wmv1", "mpeg4", "xvid", "h264", "mjpeg"},
		AudioCodecs: append([]string{"wmav2", "mp3", "aac", "ac3", "mp2"}, pcmWAV...)},
	{Name: "flv", Aliases: []string{"flash"}, Kind: KindVideo, Extension: "flv", ContentType: "video/x-flv", Encodable: true,
		VideoCodec: "flv", AudioCodec: "mp3", AudioBitrateK: 128,
		VideoCodecs: []string{"flv", "h264"},
		AudioCodecs: []string{"mp3", "aac", "pcm-s16le", "pcm-u8", "pcm-alaw", "pcm-mulaw"}},
	{Name: "3gp", Kind: KindVideo, Extension: "3gp", ContentType: "video/3gpp", AudioType: "audio/3gpp", Encodable: true,
		VideoCodec: "h263", AudioCodec: "aac", AudioBitrateK: 32,
		VideoCodecs: []string{"h263", "h264", "mpeg4", "xvid"},
		AudioCodecs: []string{"aac", "amr-nb"}},
	{Name: "ogv", Aliases: []string{"theora"}, Kind: KindVideo, Extension: "ogv", ContentType: "video/ogg", AudioType: "audio/ogg", Encodable: true,
		VideoCodec: "theora", AudioCodec: "vorbis", AudioBitrateK: 128,
		VideoCodecs: []string{"theora", "vp8"},
		AudioCodecs: []string{"vorbis", "opus", "flac"}},

	{Name: "mp3", Kind: KindAudio, Extension: "mp3", ContentType: "audio/mpeg", Encodable: true,
		AudioCodec: "mp3", AudioBitrateK: 128, AudioCodecs: []string{"mp3"}},
	{Name: "aac", Kind: KindAudio, Extension: "aac", ContentType: "audio/aac", Encodable: true,
		AudioCodec: "aac", AudioBitrateK: 128, AudioCodecs: []string{"aac"}},
	{Name: "ogg", Kind: KindAudio, Extension: "ogg", ContentType: "audio/ogg", Encodable: true,
		AudioCodec: "vorbis", AudioBitrateK: 128, AudioCodecs: []string{"vorbis", "opus", "flac"}},
	{Name: "wav", Kind: KindAudio, Extension: "wav", ContentType: "audio/wav", Encodable: true,
		AudioCodec: "pcm-s16le", AudioBitrateK: 128, AudioCodecs: pcmWAV},

	{Name: "jpg", Aliases: []string{"jpeg"}, Kind: KindImage, Extension: "jpg", ContentType: "image/jpeg", Encodable: true},
	{Name: "png", Kind: KindImage, Extension: "png", ContentType: "image/png", Encodable: true},
	{Name: "webp", Kind: KindImage, Extension: "webp", ContentType: "image/webp", Encodable: true},
	{Name: "gif", Kind: KindAnimated, Extension: "gif", ContentType: "image/gif", Encodable: true, MaxWidth: 500},
	{Name: "webp_anim", Kind: KindAnimated, Extension: "webp", ContentType: "image/webp", Encodable: true, MaxWidth: 500},

	{Name: "httpstream", Kind: KindStream, Extension: "m3u8", ContentType: "application/vnd.apple.mpegurl", Encodable: true},
}

// Containers returns the table of containers, for documentation and tests.
func Containers() []Container { return slices.Clone(containers) }

// LookupContainer finds a container by its name or an alias.
func LookupContainer(name string) (Container, bool) {
	c := container(name)
	if c == nil {
		return Container{}, false
	}
	return *c, true
}

// container is LookupContainer without the copy; nil when there is none.
func container(name string) *Container {
	for i := range containers {
		if c := &containers[i]; c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// codecs returns the codecs of a track that c can hold.
func (c *Container) codecs(t Track) []string {
	if t == TrackVideo {
		return c.VideoCodecs
	}
	return c.AudioCodecs
}

// CanHold reports whether a codec can be muxed into a container. It is what a
// planner asks before it copies a stream of the source; names are canonical.
func CanHold(containerName, codec string) bool {
	c := container(containerName)
	return c != nil && (slices.Contains(c.VideoCodecs, codec) || slices.Contains(c.AudioCodecs, codec))
}

// containerNames lists the containers that want lets through.
func containerNames(want func(*Container) bool) string {
	var names []string
	for i := range containers {
		if want(&containers[i]) {
			names = append(names, containers[i].Name)
		}
	}
	return strings.Join(names, ", ")
}
