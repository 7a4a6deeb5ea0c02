package transcode

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// audioRendition is the key of an audio encode: equal keys are encoded once.
type audioRendition struct {
	window   window
	stream   int            // index in the source
	file     string         // a file with sound in place of the source; "": the source
	encoder  *encoder.Audio // nil: the source's track is passed through as it is
	bitrateK int
	rate     int // sample rate in Hz
	channels int
	// padTo is the time up to which silence is added, so that audio that ends
	// before the video does not end the output's time line; 0: none.
	padTo float64
	// settled is set of sources whose sound may change its rate or its channels
	// on the way: a time in seconds after its start. 0: it cannot change.
	settled float64
	// direct is the final container when the encoder writes the finished file
	// itself; keepTags then tells whether the file carries the source's tags.
	direct   *codec.Container
	keepTags bool
	// loudness is what one constant gain brings the track to, in LUFS; 0: it
	// stays as it is.
	loudness float64
}

// maxDefaultRate bounds the sample rate when none was asked for: sources of
// 96 kHz play in few players.
const maxDefaultRate = 48000

// newAudioRendition resolves what a format asks of the audio.
func (s *source) newAudioRendition(f format.Format, w window) (audioRendition, *job.Error) {
	enc, row := encoder.ForAudio(f.AudioCodec()), codec.AudioRow(f.AudioCodec())
	if enc == nil {
		return audioRendition{}, job.Errorf(job.OutputFormatNotValid, "The audio codec %q is not supported yet.", f.AudioCodec())
	}
	t := audioRendition{window: w, stream: s.audio.Index, encoder: enc, loudness: f.Options.Loudness, file: s.file.name}
	t.settled = s.settles(*s.audio, w)
	t.channels = row.ChannelsFor(channelsFor(f.Audio.Channels, s.audio.Channels))
	t.rate = f.AudioRate()
	if t.rate == 0 {
		t.rate = enc.PlainRate(row.RateFor(s.plainSampleRate(row)))
	}
	if l, ok := codec.LookupContainer(f.Container).AudioLimits[row.Name]; ok {
		t.rate, t.channels = codec.RateFor(l.Rates, t.rate), min(t.channels, l.Channels)
	}
	if !row.Lossless {
		k := f.AudioBitrateK()
		if f.Audio.BitrateK == 0 && t.channels > 2 {
			k = max(k, surroundK*t.channels) // the usual bitrate is that of stereo
		}
		t.bitrateK = enc.Bitrate(k, t.rate, t.channels)
	}
	return t, nil
}

// plainSampleRate is the source's sample rate in Hz, as far as players take it.
func (s *source) plainSampleRate(row *codec.Codec) int {
	rate := s.audio.SampleRate
	if !row.Lossless {
		rate = min(rate, maxDefaultRate)
	}
	if rate <= 0 {
		return 44100
	}
	return rate
}

// surroundK is the bitrate of a channel of more than two, in kbit/s.
const surroundK = 64

// channelsFor is how many channels a channel setting asks of a source that has
// so many.
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

// canPassThrough reports whether the source's audio already is what t asks for,
// so that copying it loses nothing. Only AAC-LC in MP4 is taken: there the index
// shows that the track begins with the file, and packets have exact times.
func (s *source) canPassThrough(t audioRendition) bool {
	a := s.audio
	mp4 := s.isFormat("mp4") || s.isFormat("mov")
	return mp4 && t.window == window{} && t.encoder.Codec == "aac" && t.direct == nil && t.padTo == 0 && t.loudness == 0 &&
		a.Codec == "aac" && a.Profile == "LC" &&
		a.Channels == t.channels && a.SampleRate == t.rate &&
		a.BitRate > 0 && a.BitRate <= int64(t.bitrateK)*1100 &&
		s.startOffset(a.StartTime) < 0.001 && !trimmedByEditList(a) && !stretched(a)
}

// stretched reports whether AAC-LC lasts longer than its packets hold, as where a muxer
// without edit lists has lengthened the first one until the picture begins. In TS, whose
// packets of sound share time stamps, those behind it would come that much too early.
func stretched(a *job.AudioStream) bool {
	const samples, tolerance = 1024, 0.005 // of a packet; seconds
	return a.Frames > 0 && a.SampleRate > 0 && a.Duration > float64(a.Frames)*samples/float64(a.SampleRate)+tolerance
}

// trimmedByEditList reports whether an edit list takes more off AAC-LC than its
// priming. What it took off comes back in containers without edit lists, such as
// TS.
func trimmedByEditList(a *job.AudioStream) bool {
	const samples = 1024 // of a packet
	return a.SampleRate > 0 && float64(a.Frames)*samples/float64(a.SampleRate) > a.Duration+lateStart
}

// settles is audioRendition.settled of a track.
func (s *source) settles(a job.AudioStream, w window) float64 {
	if !s.audioMayChange(a) {
		return 0
	}
	return math.Round(1e3*(max(0, s.startOffset(a.StartTime)-w.offset)+1)) / 1e3
}

// audioMayChange reports whether the sound may change its rate or its channels
// on the way, as broadcasts and joined recordings do. Formats with an index say
// once for the whole stream what it is, and so do some codecs.
func (s *source) audioMayChange(a job.AudioStream) bool {
	if a.Codec == "opus" || a.Codec == "vorbis" || a.Codec == "flac" || strings.HasPrefix(a.Codec, "pcm_") {
		return false
	}
	return slices.ContainsFunc([]string{"mpegts", "mpeg", "matroska", "flv", "avi", "asf", "aac", "loas", "ac3", "eac3", "dts", "mp3"}, s.isFormat)
}

// filters are the audio chain. aresample makes audio follow its time stamps: it
// begins at zero of the time line whenever the stream begins, silence fills gaps
// of more than 15 ms, and overlaps are cut, so nothing drifts.
//
// When the sound changes ffmpeg builds the whole graph anew, and first_pts would
// add silence from zero again. So it works only on what comes before settled.
// ainterleave then passes on the rest as it is, as no frame of the first part
// follows. It counts in microseconds, whatever it says of its time base.
//
// gain is the file with the gain for its loudness; "": there is none.
func (t audioRendition) filters(gain string) string {
	var f []string
	if t.settled > 0 {
		f = append(f,
			"asplit[x][y];[x]atrim=end="+seconds(t.settled), "aresample=async=1:first_pts=0:min_hard_comp=0.015[a];[y]atrim=start="+seconds(t.settled)+"[b];[a][b]ainterleave", "asetpts=round(PTS/1000000/TB)",
			"aresample=async=1:min_hard_comp=0.015")
	} else {
		f = append(f, "aresample=async=1:first_pts=0:min_hard_comp=0.015")
	}
	f = append(f, "aformat=sample_rates="+strconv.Itoa(t.rate)+":channel_layouts="+channelLayout(t.channels))
	if gain != "" {
		f = append(f, loudnessFilters(gain))
	}
	if t.padTo > 0 {
		f = append(f, "apad=whole_dur="+seconds(t.padTo))
		if t.settled > 0 || t.file != "" {
			f = append(f, "atrim=end="+seconds(t.padTo)) // apad counts in the last graph alone, and files may be longer
		}
	}
	return strings.Join(f, ",")
}

// channelLayout names the usual layout of a number of channels. AAC, Vorbis and
// Opus share these.
func channelLayout(channels int) string {
	names := []string{"mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1"}
	if channels >= 1 && channels <= len(names) {
		return names[channels-1]
	}
	return strconv.Itoa(channels) + "c"
}

// encodeArgs encode the track with the gain of a measurement; nil: with none.
func (t audioRendition) encodeArgs(measured *loudnessNode) []string {
	if t.encoder == nil {
		return []string{"-c:a", "copy"}
	}
	gain := ""
	if measured != nil {
		gain = measured.gain()
	}
	args := []string{"-af", t.filters(gain), "-c:a", t.encoder.Name}
	if t.bitrateK > 0 {
		args = append(args, "-b:a", strconv.Itoa(t.bitrateK)+"k")
	}
	if t.channels > 2 {
		args = append(args, t.encoder.SurroundArgs...)
	}
	return args
}
