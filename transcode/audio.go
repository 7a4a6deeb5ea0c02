package transcode

import (
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// audioEncoder is a row of the table of audio codecs.
type audioEncoder struct {
	codec        string
	encoder      string
	intermediate string // container of the intermediate
	rates        []int  // sample rates it takes, descending; nil: any
	most         int    // channels at most
	lossy        bool   // takes a bitrate
	extra        []string
}

var (
	aacRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}
	mp3Rates = []int{48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}
	mp2Rates = []int{48000, 44100, 32000, 24000, 22050, 16000}
	wmaRates = []int{48000, 44100, 32000, 22050, 16000, 11025, 8000}
	flvRates = []int{44100, 22050, 11025}
)

// audioEncoders is the table. MP4 carries the encoder's delay in its edit list,
// so that AAC and MP3 keep their place to the sample; Matroska does the same
// for Vorbis and Opus.
var audioEncoders = []audioEncoder{
	{codec: "aac", encoder: "aac", intermediate: "mp4", rates: aacRates, most: 8, lossy: true},
	{codec: "mp3", encoder: "libmp3lame", intermediate: "mp4", rates: mp3Rates, most: 2, lossy: true},
	{codec: "vorbis", encoder: "libvorbis", intermediate: "mkv", most: 8, lossy: true},
	{codec: "opus", encoder: "libopus", intermediate: "mkv", rates: []int{48000}, most: 8, lossy: true, extra: []string{"-mapping_family", "1"}},
	{codec: "ac3", encoder: "ac3", intermediate: "mp4", rates: []int{48000, 44100, 32000}, most: 6, lossy: true},
	{codec: "mp2", encoder: "mp2", intermediate: "mkv", rates: mp2Rates, most: 2, lossy: true},
	{codec: "wmav2", encoder: "wmav2", intermediate: "mkv", rates: wmaRates, most: 2, lossy: true},
	{codec: "amr-nb", encoder: "libopencore_amrnb", intermediate: "mov", rates: []int{8000}, most: 1, lossy: true},
	{codec: "flac", encoder: "flac", intermediate: "mkv", most: 8},
}

func audioEncoderFor(codec string) (audioEncoder, bool) {
	if strings.HasPrefix(codec, "pcm-") {
		return audioEncoder{codec: codec, encoder: strings.ReplaceAll(codec, "-", "_"), intermediate: "mkv", most: 8}, true
	}
	i := slices.IndexFunc(audioEncoders, func(e audioEncoder) bool { return e.codec == codec })
	if i < 0 {
		return audioEncoder{}, false
	}
	return audioEncoders[i], true
}

// audioRendition is the key of an audio setting: equal keys are encoded once.
type audioRendition struct {
	window      window
	stream      int    // index in the source
	codec       string // of the table
	passthrough bool   // taken over as it is
	bitrateK    int
	rate        int
	channels    int
	// audioPadTo is the time up to which silence is added, so that audio that ends
	// before the video does not end the output's time line; 0: none.
	padTo float64
	// direct names the final container when the encoder writes the finished
	// file itself, and tags whether it carries the source's.
	directContainer string
	keepTags        bool
}

// maxDefaultRate bounds the sample rate when none was asked for: sources of
// 96 kHz play in few players.
const maxDefaultRate = 48000

// newAudioRendition resolves what a format asks of the audio. codec is the one in force.
func (s *source) newAudioRendition(f format.Format, w window, codec string) (audioRendition, audioEncoder, *job.Error) {
	a := s.audio
	enc, ok := audioEncoderFor(codec)
	if !ok {
		return audioRendition{}, enc, job.Errorf(job.OutputFormatNotValid, "The audio codec %q is not supported yet.", codec)
	}
	t := audioRendition{window: w, stream: a.Index, codec: codec}
	t.channels = min(enc.most, channelsFor(f.Audio.Channels, a.Channels))
	t.rate = sampleRateFor(f.AudioRate(), a.SampleRate, enc)
	t.bound(f.Container)
	if codec == "vorbis" && f.Audio.SampleRate == 0 && t.rate < 32000 {
		// Vorbis has no setup for common bitrates at low rates.
		t.rate = 44100
	}
	if enc.lossy {
		k := f.AudioBitrateK()
		if f.Audio.BitrateK == 0 && t.channels > 2 {
			k = max(k, surroundK*t.channels) // the usual bitrate is that of stereo
		}
		t.bitrateK = clampBitrate(codec, k, t.rate, t.channels)
	}
	return t, enc, nil
}

// surroundK is the bitrate of a channel of more than two.
const surroundK = 64

// bound brings a track within what its container can say of it.
func (t *audioRendition) bound(container string) {
	if t.codec == "aac" && t.channels == 7 {
		t.channels = 6 // AAC counts 1 to 6 and 8
	}
	if container != "flv" {
		return
	}
	switch t.codec {
	case "mp3", "pcm-s16le", "pcm-u8":
		t.rate, t.channels = rateAbove(flvRates, t.rate), min(t.channels, 2)
	case "pcm-alaw", "pcm-mulaw":
		t.rate, t.channels = 8000, 1 // the one rate that players take it for
	}
}

// rateAbove is the lowest of rates, which descend, that is not below rate, or
// the highest.
func rateAbove(rates []int, rate int) int {
	best := rates[0]
	for _, r := range rates {
		if r >= rate {
			best = r
		}
	}
	return best
}

func channelsFor(asked string, has int) int {
	switch asked {
	case "mono":
		return 1
	case "stereo":
		return 2
	case "multi":
		return has
	}
	return min(has, 2)
}

// sampleRateFor is the asked or the source's sample rate, or the nearest above
// that the encoder takes, or its highest.
func sampleRateFor(asked, has int, enc audioEncoder) int {
	rate := asked
	if rate == 0 {
		rate = has
		if enc.lossy {
			rate = min(has, maxDefaultRate)
		}
	}
	if rate <= 0 {
		rate = 44100
	}
	if enc.rates == nil || asked > 0 {
		return rate
	}
	return rateAbove(enc.rates, rate)
}

// clampBitrate keeps a bitrate within what the encoder accepts; beyond it some
// fail to start. AAC has 6144 bits a frame and channel.
func clampBitrate(codec string, k, rate, channels int) int {
	switch codec {
	case "aac":
		return max(8, min(k, 6*rate/1000*channels))
	case "mp3":
		switch {
		case rate < 16000:
			return min(k, 64)
		case rate < 32000:
			return min(k, 160)
		}
		return min(k, 320)
	case "vorbis":
		perChannel := 240
		switch {
		case rate < 11025:
			perChannel = 42
		case rate < 15000:
			perChannel = 50
		case rate < 32000:
			perChannel = 80
		case rate < 40000:
			perChannel = 180
		}
		return max(32*channels*rate/96000, min(k, perChannel*channels))
	case "opus":
		return max(6, min(k, 256*channels))
	case "ac3":
		return max(32, min(k, 640))
	case "mp2":
		steps := mp2Bitrates
		if rate < 32000 {
			steps = mp2LowBitrates
		}
		return slices.MinFunc(steps, func(a, b int) int { return abs(a-k) - abs(b-k) })
	case "wmav2":
		return max(24, min(k, 128*channels))
	}
	return k
}

// The bitrates of MPEG audio layer II, at its usual and at half the rates.
var (
	mp2Bitrates    = []int{32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}
	mp2LowBitrates = []int{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
)

func abs(n int) int { return max(n, -n) }

// canPassThrough reports whether the source's audio already is what t asks for, so
// that copying it loses nothing. Only AAC-LC in MP4 is taken: there the index
// shows that the track begins with the file, and packets have exact times.
func (s *source) canPassThrough(t audioRendition) bool {
	a := s.audio
	mp4 := s.isFormat("mp4") || s.isFormat("mov")
	return mp4 && t.window == window{} && t.codec == "aac" && t.directContainer == "" && t.padTo == 0 &&
		a.Codec == "aac" && a.Profile == "LC" &&
		a.Channels == t.channels && a.SampleRate == t.rate &&
		a.BitRate > 0 && a.BitRate <= int64(t.bitrateK)*1100 &&
		s.startOffset(a.StartTime) < 0.001 && !trimmedByEditList(a)
}

// trimmedByEditList reports whether an edit list takes more off AAC-LC than its priming.
// What was taken off comes back where there is no edit list, as in TS.
func trimmedByEditList(a *job.AudioStream) bool {
	const samples = 1024 // of a packet
	return a.SampleRate > 0 && float64(a.Frames)*samples/float64(a.SampleRate) > a.Duration+lateStart
}

// filters are the audio chain. aresample makes audio follow its time stamps:
// it begins at zero of the time line whenever the stream begins, silence fills
// gaps of more than 15 ms, and overlaps are cut, so nothing drifts.
func (t audioRendition) filters() string {
	f := []string{
		"aresample=async=1:first_pts=0:min_hard_comp=0.015",
		"aformat=sample_rates=" + strconv.Itoa(t.rate) + ":channel_layouts=" + layout(t.channels),
	}
	if t.padTo > 0 {
		f = append(f, "apad=whole_dur="+seconds(t.padTo))
	}
	return strings.Join(f, ",")
}

// layout names the usual layout of a number of channels. AAC, Vorbis and Opus
// share these.
func layout(channels int) string {
	names := []string{"mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1"}
	if channels >= 1 && channels <= len(names) {
		return names[channels-1]
	}
	return strconv.Itoa(channels) + "c"
}

func (t audioRendition) encodeArgs(enc audioEncoder) []string {
	if t.passthrough {
		return []string{"-c:a", "copy"}
	}
	args := []string{"-af", t.filters(), "-c:a", enc.encoder}
	if enc.lossy {
		args = append(args, "-b:a", kilobits(t.bitrateK))
	}
	if t.codec == "opus" && t.channels > 2 {
		args = append(args, enc.extra...)
	}
	return args
}
