// Package format is the grammar of Coconut's "Simple Formats", such as
// "mp4:720p_2000k:128k_stereo:quality=4". Containers and codecs are those of
// package codec. It is pure: Parse and String are inverse on canonical forms.
//
// The grammar (coconut-v2.md section 4):
//
//	video : container [":" video_specs [":" audio_specs [":" options]]]
//	audio : audio_container [":" audio_specs [":" options]]
//	image : image_container [":" resolution]
//	stream: "httpstream"
//
// A Format says only what was asked for; the zero value of a field means that
// nothing was. Methods such as VideoCodec and PixFmt fill in the defaults of the
// container and of the named definitions.
package format

// Format is a parsed format string.
type Format struct {
	// Container is the canonical name, aliases resolved: mp4, webm, mov, mkv,
	// mpegts, avi, asf, flv, 3gp, ogv, ogg, mp3, aac, wav, jpg, png, webp, gif,
	// webp_anim, httpstream.
	Container string
	// Alias is the name as written when it was an alias ("hls", "divx",
	// "jpeg"), else empty. String prints it back.
	Alias   string
	Video   Video
	Audio   Audio
	Options Options
}

// Video is the video section. For images only Resolution is used.
type Video struct {
	Disabled   bool       // "x" or "novideo"
	Resolution Resolution // zero: as the source
	BitrateK   int        // kbit/s; 0: not given
	Codec      string     // canonical codec name ("h264", "copy"); "": container's default
	FPS        string     // "15", "23.98", "25", "29.97", "30", "60", any other number; "" or "0": as the source
}

// Audio is the audio section.
type Audio struct {
	Disabled   bool   // "x" or "noaudio"
	Codec      string // canonical ("aac", "pcm-s16le", "copy"); "": container's default
	BitrateK   int    // kbit/s; 0: not given
	SampleRate int    // Hz; 0: as the source
	Channels   string // "mono", "stereo", "multi"; "": as the source, at most stereo (coconut-v2.md section 4.2)
}

// Resolution is a frame size, by name or by sides. A side of 0 is computed
// from the aspect ratio.
type Resolution struct {
	Name          string // "720p" when given by name; then Width and Height are the table's box
	Width, Height int
}

// IsZero reports whether nothing was said, so the source's size stays.
func (r Resolution) IsZero() bool { return r.Width == 0 && r.Height == 0 }

// Options are the options of the last section.
type Options struct {
	PixFmt   string // "": yuv420p
	TwoPass  bool
	Metadata string // "", "0" (strip the source's tags) or "1"
	Frag     bool   // fragmented MP4
	Quality  int    // 1..5; 0: not given
	MaxrateK int    // kbit/s; 0: not given
	Profile  string // vprofile
	Level    string // "31"
	ForceSDR bool
	Preset   string // extension: encoder preset
	Tune     string // extension: the kind of pictures that the encoder is to expect
	// Loudness is what one constant gain brings the audio to, in LUFS from -40 to
	// -5 with one decimal; 0: not given. It is an extension.
	Loudness float64
	Encoder  string // extension: what encodes, one of Encoders; "": as the job says
	// CRF is a constant quality on the codec's own scale, which a bitrate or a maxrate
	// bounds; 0: not given. It is an extension.
	CRF int
	// GOP is the distance of keyframes in seconds, from MinGOP to MaxGOP with three
	// decimals; 0: not given. It is an extension.
	GOP float64
}

// Rational is an exact ratio, such as a frame rate of 30000/1001.
type Rational struct{ Num, Den int }
