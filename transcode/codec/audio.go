package codec

// Channel counts of codecs. AAC has configurations for 1 to 6 and for 8
// channels (ISO/IEC 14496-3 table 1.19).
var (
	upTo1  = []int{1}
	upTo2  = []int{1, 2}
	upTo6  = []int{1, 2, 3, 4, 5, 6}
	upTo8  = []int{1, 2, 3, 4, 5, 6, 7, 8}
	aacTo8 = []int{1, 2, 3, 4, 5, 6, 8}
)

// audioCodecs are coconut-v2.md section 4.4 with the additions of
// section 12.
var audioCodecs = []Codec{
	{
		Name: "aac", Title: "AAC", Track: Audio, Encodable: true, Variant: true, MP4Timeline: true, Channels: aacTo8,
		Rates: []int{7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000},
	},
	{
		Name: "mp3", Title: "MP3", Track: Audio, Encodable: true, MP4Timeline: true, Channels: upTo2,
		Rates: []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000},
	},
	{Name: "vorbis", Title: "Vorbis", Track: Audio, Encodable: true, Channels: upTo8},
	{
		Name: "opus", Title: "Opus", Track: Audio, Encodable: true, Channels: upTo8,
		Rates: []int{8000, 12000, 16000, 24000, 48000},
	},
	{Name: "ac3", Title: "AC-3", Track: Audio, Encodable: true, MP4Timeline: true, Channels: upTo6, Rates: []int{32000, 44100, 48000}},
	{Name: "flac", Title: "FLAC", Track: Audio, Encodable: true, Lossless: true, Channels: upTo8},
	{
		Name: "mp2", Title: "MPEG audio layer II", Track: Audio, Encodable: true, MP4Timeline: true, Channels: upTo2,
		Rates: []int{16000, 22050, 24000, 32000, 44100, 48000},
	},
	{Name: "amr-nb", Title: "AMR-NB", Track: Audio, Encodable: true, Channels: upTo1, Rates: []int{8000}},
	{
		Name: "wmav2", Title: "Windows Media Audio 2", Track: Audio, Encodable: true, Channels: upTo2,
		Rates: []int{8000, 11025, 16000, 22050, 32000, 44100, 48000},
	},
	pcm("pcm-s16le", "pcm"), pcm("pcm-s24le"), pcm("pcm-s32le"), pcm("pcm-f32le"), pcm("pcm-f64le"),
	pcm("pcm-u8"), pcm("pcm-alaw"), pcm("pcm-mulaw"), pcm("pcm-s16be"), pcm("pcm-s24be"),
}

func pcm(name string, aliases ...string) Codec {
	return Codec{Name: name, Aliases: aliases, Title: "PCM", Track: Audio, Encodable: true, Lossless: true, PCM: true, Channels: upTo8}
}

// sourceOnly are codecs that a format cannot name, but that can be copied from a
// source.
var sourceOnly = []Codec{
	// E-AC-3 is encoded for the surround of streams alone.
	{Name: "eac3", Title: "E-AC-3", Track: Audio, MP4Timeline: true, Channels: upTo6, Rates: []int{32000, 44100, 48000}},
	{Name: "alac", Track: Audio, MP4Timeline: true},
	{Name: "dts", Track: Audio},
	{Name: "truehd", Track: Audio},
	{Name: "wmav1", Track: Audio},
	{Name: "wmapro", Track: Audio},
	{Name: "png", Track: Video},
	{Name: "dvvideo", Track: Video},
	{Name: "ffv1", Track: Video},
	{Name: "h263p", Track: Video},
	{Name: "msmpeg4v2", Track: Video},
	{Name: "msmpeg4v3", Track: Video},
	{Name: "wmv3", Track: Video},
	{Name: "vc1", Track: Video},
}
