package codec

import "slices"

// Kind is what a container holds, which decides the type of an output.
type Kind string

// The kinds of container. An Audio container makes an output of Coconut type
// "video" too: clients know only video, image and httpstream.
const (
	KindVideo    Kind = "video"
	KindAudio    Kind = "audio"
	KindImage    Kind = "image"    // jpg, png, webp
	KindAnimated Kind = "animated" // gif, webp_anim
	KindStream   Kind = "httpstream"
)

// Container is a row of the table of containers.
type Container struct {
	Name      string
	Aliases   []string // other names that a request may use
	Kind      Kind
	Encodable bool   // this server makes it
	Extension string // of a file, without the dot
	// ContentType is the media type of a file; AudioType that of one whose
	// video is disabled, when it has its own.
	ContentType, AudioType string
	// VideoCodec and AudioCodec are the codecs used when none is named.
	VideoCodec, AudioCodec string
	// AudioBitrateK is the audio bitrate used when none is given.
	AudioBitrateK int
	// VideoCodecs and AudioCodecs are those that can be muxed into it and that
	// players of the container expect. Measured with FFmpeg 5.1: each pair was
	// written and read back without a complaint.
	VideoCodecs, AudioCodecs []string
	// CopyCodecs are more codecs that can be copied into it from a source.
	CopyCodecs []string
	MaxWidth   int // of the picture, in pixels; 0: the general bound
	MaxSide    int // of a still picture, in pixels

	// How FFmpeg writes it.
	Muxer     string   // for -f
	MuxerArgs []string // options of the muxer
	Fragments bool     // takes the option frag
	// DirectAudio: the audio encoder writes the finished file, because the
	// container keeps facts that an intermediate would lose: LAME's gapless
	// header, the sizes in WAV, the granule positions of Ogg.
	DirectAudio bool
	// Subtitles is FFmpeg's encoder for text that it holds; "": it holds none, or no
	// player reads it.
	Subtitles string
	// OldLanguages: FFmpeg writes languages into it by the codes of ISO 639-2/B.
	OldLanguages bool
	// ConstantRate: it has no time stamps but a count of frames.
	ConstantRate bool
	// DisplayOrder: it cannot say that a frame is coded before it is shown.
	DisplayOrder bool
	// ColourTags: it says what the colours of a picture are, for codecs that
	// cannot.
	ColourTags bool
	// Tags are what the muxer must be told about a video codec.
	Tags map[string]Tag
	// AudioLimits are what it can say of an audio codec.
	AudioLimits map[string]AudioLimit
}

// Tag is what a muxer must be told about a video codec.
type Tag struct {
	FourCC string // for -tag:v; "": the muxer's own
	// RepeatHeaders writes the codec's headers before each keyframe, where the
	// container has no other place for them.
	RepeatHeaders bool
}

// AudioLimit is what a container can say of an audio codec.
type AudioLimit struct {
	Rates    []int // sample rates in Hz, ascending
	Channels int   // at most
}

// pcmWAV is the PCM family as WAV stores it (little endian).
var pcmWAV = []string{"pcm-s16le", "pcm-s24le", "pcm-s32le", "pcm-f32le", "pcm-f64le", "pcm-u8", "pcm-alaw", "pcm-mulaw"}

// pcmAll adds the big-endian forms, which QuickTime and Matroska take too.
var pcmAll = append(slices.Clip(pcmWAV), "pcm-s16be", "pcm-s24be")

var (
	// fastStart puts the index first, so that a file plays while it loads.
	fastStart = []string{"-movflags", "+faststart"}
	// oggPages gives each packet a page, and so a time of its own: Theora
	// leaves out frames that are like the one before, and readers count.
	oggPages = []string{"-page_duration", "1"}

	// hvc1 is the tag that Apple's players ask for (streams.md rule
	// 1.10).
	appleTags = map[string]Tag{"hevc": {FourCC: "hvc1"}}
	// XVID is the name that most players and televisions know MPEG-4 by.
	aviTags = map[string]Tag{"mpeg4": {FourCC: "XVID", RepeatHeaders: true}, "xvid": {FourCC: "XVID", RepeatHeaders: true}}
	tsTags  = map[string]Tag{"mpeg4": {RepeatHeaders: true}, "xvid": {RepeatHeaders: true}}

	// FLV counts these three rates and at most two channels (Adobe Flash Video
	// File Format 10.1, annex E.4.2.1). Players take its G.711 at 8 kHz only.
	flvAudio  = AudioLimit{Rates: []int{11025, 22050, 44100}, Channels: 2}
	flvG711   = AudioLimit{Rates: []int{8000}, Channels: 1}
	flvLimits = map[string]AudioLimit{
		"mp3": flvAudio, "pcm-s16le": flvAudio, "pcm-u8": flvAudio, "pcm-alaw": flvG711, "pcm-mulaw": flvG711,
	}
)

// containers are coconut-v2.md section 4.2 with the additions of
// section 12. FLAC in MP4 is left out because FFmpeg 5.1 writes it only with
// -strict experimental, and Vorbis in MP4 because no common player reads it.
var containers = []Container{
	{
		Name: "mp4", Kind: KindVideo, Extension: "mp4", ContentType: "video/mp4", AudioType: "audio/mp4", Encodable: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "av1", "vp9", "mpeg4", "xvid", "mpeg2video", "mpeg1video", "mjpeg"},
		AudioCodecs: []string{"aac", "mp3", "opus", "ac3", "mp2"}, CopyCodecs: []string{"eac3", "alac"},
		Muxer: "mp4", ColourTags: true, MuxerArgs: fastStart, Fragments: true, Tags: appleTags, Subtitles: "mov_text",
	},
	{
		Name: "webm", Kind: KindVideo, Extension: "webm", ContentType: "video/webm", AudioType: "audio/webm", Encodable: true,
		VideoCodec: "vp8", AudioCodec: "vorbis", AudioBitrateK: 128,
		VideoCodecs: []string{"vp8", "vp9", "av1"},
		AudioCodecs: []string{"vorbis", "opus"},
		Muxer:       "webm", ColourTags: true,
	},
	{
		Name: "mov", Kind: KindVideo, Extension: "mov", ContentType: "video/quicktime", Encodable: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "prores", "prores-ks", "dnxhd", "mpeg4", "xvid", "mjpeg", "mpeg2video", "mpeg1video", "qtrle", "h263", "huffyuv", "svq3"},
		AudioCodecs: append([]string{"aac", "mp3", "ac3", "mp2", "amr-nb"}, pcmAll...), CopyCodecs: []string{"eac3", "alac", "png", "dvvideo"},
		Muxer: "mov", ColourTags: true, MuxerArgs: fastStart, Fragments: true, Tags: appleTags, Subtitles: "mov_text", OldLanguages: true,
	},
	{
		Name: "mkv", Kind: KindVideo, Extension: "mkv", ContentType: "video/x-matroska", AudioType: "audio/x-matroska", Encodable: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "vp8", "vp9", "av1", "theora", "prores", "prores-ks", "dnxhd", "mpeg4", "xvid", "mpeg2video", "mpeg1video", "mjpeg", "flv", "h263", "wmv1", "wmv2", "huffyuv"},
		AudioCodecs: append([]string{"aac", "mp3", "vorbis", "opus", "flac", "ac3", "mp2", "wmav2"}, pcmAll...),
		CopyCodecs:  []string{"eac3", "alac", "dts", "truehd", "ffv1"},
		Muxer:       "matroska", ColourTags: true, Subtitles: "subrip", OldLanguages: true,
	},
	{
		Name: "mpegts", Aliases: []string{"hls"}, Kind: KindVideo, Extension: "ts", ContentType: "video/mp2t", Encodable: true,
		VideoCodec: "h264", AudioCodec: "aac", AudioBitrateK: 128,
		VideoCodecs: []string{"h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4", "xvid"},
		AudioCodecs: []string{"aac", "mp3", "opus", "ac3", "mp2"}, CopyCodecs: []string{"eac3"},
		Muxer: "mpegts", Tags: tsTags,
	},
	{
		Name: "avi", Aliases: []string{"divx", "xvid"}, Kind: KindVideo, Extension: "avi", ContentType: "video/x-msvideo", Encodable: true,
		VideoCodec: "mpeg4", AudioCodec: "mp3", AudioBitrateK: 128,
		VideoCodecs: []string{"mpeg4", "xvid", "h264", "mjpeg", "mpeg2video", "huffyuv", "dnxhd", "h263", "wmv1", "wmv2", "flv"},
		AudioCodecs: append([]string{"mp3", "aac", "ac3", "mp2", "wmav2"}, pcmWAV...),
		CopyCodecs:  []string{"msmpeg4v3", "msmpeg4v2", "dvvideo", "ffv1", "h263p"},
		Muxer:       "avi", ConstantRate: true, DisplayOrder: true, Tags: aviTags,
	},
	{
		Name: "asf", Aliases: []string{"wmv"}, Kind: KindVideo, Extension: "asf", ContentType: "video/x-ms-asf", Encodable: true,
		VideoCodec: "wmv2", AudioCodec: "wmav2", AudioBitrateK: 128,
		VideoCodecs: []string{"wmv2", "wmv1", "mpeg4", "xvid", "h264", "mjpeg"},
		AudioCodecs: append([]string{"wmav2", "mp3", "aac", "ac3", "mp2"}, pcmWAV...),
		CopyCodecs:  []string{"wmv3", "vc1", "wmav1", "wmapro", "msmpeg4v3"},
		Muxer:       "asf", DisplayOrder: true,
	},
	{
		Name: "flv", Aliases: []string{"flash"}, Kind: KindVideo, Extension: "flv", ContentType: "video/x-flv", Encodable: true,
		VideoCodec: "flv", AudioCodec: "mp3", AudioBitrateK: 128,
		VideoCodecs: []string{"flv", "h264"},
		AudioCodecs: []string{"mp3", "aac", "pcm-s16le", "pcm-u8", "pcm-alaw", "pcm-mulaw"},
		Muxer:       "flv", AudioLimits: flvLimits,
	},
	{
		Name: "3gp", Kind: KindVideo, Extension: "3gp", ContentType: "video/3gpp", AudioType: "audio/3gpp", Encodable: true,
		VideoCodec: "h263", AudioCodec: "aac", AudioBitrateK: 32,
		VideoCodecs: []string{"h263", "h264", "mpeg4", "xvid"},
		AudioCodecs: []string{"aac", "amr-nb"},
		Muxer:       "3gp", MuxerArgs: fastStart,
	},
	{
		Name: "ogv", Aliases: []string{"theora"}, Kind: KindVideo, Extension: "ogv", ContentType: "video/ogg", AudioType: "audio/ogg", Encodable: true,
		VideoCodec: "theora", AudioCodec: "vorbis", AudioBitrateK: 128,
		VideoCodecs: []string{"theora", "vp8"},
		AudioCodecs: []string{"vorbis", "opus", "flac"},
		Muxer:       "ogg", MuxerArgs: oggPages, DirectAudio: true,
	},

	{
		Name: "mp3", Kind: KindAudio, Extension: "mp3", ContentType: "audio/mpeg", Encodable: true,
		AudioCodec: "mp3", AudioBitrateK: 128, AudioCodecs: []string{"mp3"}, Muxer: "mp3", DirectAudio: true,
	},
	{
		Name: "aac", Kind: KindAudio, Extension: "aac", ContentType: "audio/aac", Encodable: true,
		AudioCodec: "aac", AudioBitrateK: 128, AudioCodecs: []string{"aac"}, Muxer: "adts",
	},
	{
		Name: "ogg", Kind: KindAudio, Extension: "ogg", ContentType: "audio/ogg", Encodable: true,
		AudioCodec: "vorbis", AudioBitrateK: 128, AudioCodecs: []string{"vorbis", "opus", "flac"}, Muxer: "ogg", DirectAudio: true,
	},
	{
		Name: "wav", Kind: KindAudio, Extension: "wav", ContentType: "audio/wav", Encodable: true,
		AudioCodec: "pcm-s16le", AudioBitrateK: 128, AudioCodecs: pcmWAV, Muxer: "wav", DirectAudio: true,
	},

	{Name: "jpg", Aliases: []string{"jpeg"}, Kind: KindImage, Extension: "jpg", ContentType: "image/jpeg", Encodable: true, MaxSide: 65500},
	{Name: "png", Kind: KindImage, Extension: "png", ContentType: "image/png", Encodable: true, MaxSide: 65500},
	{Name: "webp", Kind: KindImage, Extension: "webp", ContentType: "image/webp", Encodable: true, MaxSide: 16383},
	{Name: "gif", Kind: KindAnimated, Extension: "gif", ContentType: "image/gif", Encodable: true, MaxWidth: 500},
	{Name: "webp_anim", Kind: KindAnimated, Extension: "webp", ContentType: "image/webp", Encodable: true, MaxWidth: 500},

	{Name: "httpstream", Kind: KindStream, Extension: "m3u8", ContentType: "application/vnd.apple.mpegurl", Encodable: true},
}

// Containers returns the containers.
func Containers() []*Container { return rows(containers) }

// LookupContainer finds a container by its name or an alias; nil when there is
// none.
func LookupContainer(name string) *Container {
	return find(containers, func(c *Container) bool { return c.Name == name || slices.Contains(c.Aliases, name) })
}

// Codecs lists the names of the codecs of a track that c holds.
func (c *Container) Codecs(t Track) []string {
	if t == Video {
		return c.VideoCodecs
	}
	return c.AudioCodecs
}

// CanCopy reports whether a stream of a source can be copied into c. probed is
// ffprobe's name of its codec.
func (c *Container) CanCopy(probed string) bool {
	row := Probed(probed)
	if row == nil {
		return false
	}
	return slices.Contains(c.Codecs(row.Track), row.Name) || slices.Contains(c.CopyCodecs, row.Name)
}
