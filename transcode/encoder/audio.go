package encoder

import (
	"slices"

	"github.com/copra-video/copra/transcode/codec"
)

// Audio is a row of the table of audio encoders.
type Audio struct {
	Name         string // FFmpeg's
	Codec        string // by the name of package codec
	Intermediate *Intermediate
	// SurroundArgs are more arguments for more than two channels.
	SurroundArgs []string

	plainRate func(hz int) int
	bitrate   func(k, rate, channels int) int
}

// audios is the table. MP4 carries the encoder's delay in its edit list, so
// that AAC and MP3 keep their place to the sample; Matroska does the same for
// Vorbis and Opus.
var audios = append([]Audio{
	{Name: "aac", Codec: "aac", Intermediate: MP4, bitrate: aacBitrate},
	{Name: "libmp3lame", Codec: "mp3", Intermediate: MP4, bitrate: mp3Bitrate},
	{Name: "libvorbis", Codec: "vorbis", Intermediate: Matroska, plainRate: vorbisRate, bitrate: vorbisBitrate},
	{
		Name: "libopus", Codec: "opus", Intermediate: Matroska, SurroundArgs: []string{"-mapping_family", "1"},
		plainRate: opusRate, bitrate: opusBitrate,
	},
	{Name: "ac3", Codec: "ac3", Intermediate: MP4, bitrate: ac3Bitrate},
	{Name: "eac3", Codec: "eac3", Intermediate: MP4, bitrate: ac3Bitrate},
	{Name: "mp2", Codec: "mp2", Intermediate: Matroska, bitrate: mp2Bitrate},
	{Name: "wmav2", Codec: "wmav2", Intermediate: Matroska, bitrate: wmaBitrate},
	{Name: "libopencore_amrnb", Codec: "amr-nb", Intermediate: MOV},
	{Name: "flac", Codec: "flac", Intermediate: Matroska},
}, pcm()...)

// pcm has a row for each format of samples; FFmpeg's names have "_" for "-".
func pcm() []Audio {
	var list []Audio
	for _, c := range codec.Codecs() {
		if c.PCM {
			list = append(list, Audio{Name: c.ProbeName(), Codec: c.Name, Intermediate: Matroska})
		}
	}
	return list
}

// ForAudio finds the encoder of a codec; nil when there is none.
func ForAudio(name string) *Audio {
	if i := slices.IndexFunc(audios, func(a Audio) bool { return a.Codec == name }); i >= 0 {
		return &audios[i]
	}
	return nil
}

// PlainRate is the sample rate in Hz when none is asked for. hz is that of the
// source, as far as the codec has it.
func (a *Audio) PlainRate(hz int) int {
	if a.plainRate == nil {
		return hz
	}
	return a.plainRate(hz)
}

// Bitrate brings a bitrate within what the encoder accepts, all in kbit/s;
// beyond it some fail to start.
func (a *Audio) Bitrate(k, rate, channels int) int {
	if a.bitrate == nil {
		return k
	}
	return a.bitrate(k, rate, channels)
}

// opusRate: Opus counts samples at 48 kHz, whatever rate was encoded (RFC 7845
// section 4), so nothing is gained by another.
func opusRate(int) int { return 48000 }

// vorbisRate: Vorbis has no setup for common bitrates at low rates.
func vorbisRate(hz int) int {
	if hz < 32000 {
		return 44100
	}
	return hz
}

// aacBitrate: AAC has at most 6144 bits for a frame of 1024 samples and a
// channel (ISO/IEC 14496-3).
func aacBitrate(k, rate, channels int) int { return max(8, min(k, 6*rate/1000*channels)) }

// mp3Bitrate: MPEG-2 and 2.5 have lower tables (ISO/IEC 13818-3).
func mp3Bitrate(k, rate, _ int) int {
	switch {
	case rate < 16000:
		return min(k, 64)
	case rate < 32000:
		return min(k, 160)
	}
	return min(k, 320)
}

// vorbisBitrate follows the setups of libvorbis, which are made for a range of
// bitrates at a range of sample rates.
func vorbisBitrate(k, rate, channels int) int {
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
}

func opusBitrate(k, _, channels int) int { return max(6, min(k, 256*channels)) }

func ac3Bitrate(k, _, _ int) int { return max(32, min(k, 640)) }

func wmaBitrate(k, _, channels int) int { return max(24, min(k, 128*channels)) }

// The bitrates of MPEG audio layer II, at its usual and at half the rates.
var (
	mp2Bitrates    = []int{32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}
	mp2LowBitrates = []int{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
)

func mp2Bitrate(k, rate, _ int) int {
	steps := mp2Bitrates
	if rate < 32000 {
		steps = mp2LowBitrates
	}
	distance := func(n int) int { return max(n-k, k-n) }
	return slices.MinFunc(steps, func(a, b int) int { return distance(a) - distance(b) })
}
