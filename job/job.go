// Package job has the types that all other packages share:
//
//	Spec    what a customer asked for
//	Media   what ffprobe found in the input
//	State   the state of the job. It changes only by State.Apply
//	Event   a fact that changes the state
//	Error   a failure that a customer may see, with a Reason from the one table
//	        of error codes
//	Secret  a string that is never shown
//
// The package is pure: it has no clock, no network and no randomness.
package job

import (
	"encoding/json"

	"github.com/copra-video/copra/transcode/format"
)

// Spec is a decoded job request. It is never serialised, because it holds
// credentials. The request is stored sealed, as it was sent, and api/coconut
// decodes it again where it is needed.
type Spec struct {
	Settings     Settings
	Input        Input
	Storage      *Storage // nil: the request has none, and each output has its own URL
	Outputs      []OutputRequest
	Notification *Notification // nil: none
	// Metadata is what the customer noted at the job, for himself. nil: nothing.
	Metadata map[string]string
}

// Settings are those of the whole job (coconut-v2.md sections 3.1 and 12.1).
type Settings struct {
	UltraFast   bool // encode a long input in chunks
	Priority    int  // -50..50, higher first; 0 by default
	MaxDuration int  // seconds; 0: unbounded
	// Encoder is what encodes, one of format.Encoders; "": as the server says.
	Encoder string
	// Copy is "auto" when video that fits an output is copied, where the output does not
	// say; "" or "off": it is encoded.
	Copy string
	// EarlyPlayback: a playable stream is published before the httpstream is made.
	EarlyPlayback bool
}

// Input is the location of the source: a URL, or an object in a bucket.
type Input struct {
	URL     Secret   // with credentials and query; "" for a bucket
	Storage *Storage // bucket services; Key is the object
	Key     string   // without a leading slash for S3-like services
	// Parts are joined in this order; nil: the input is one file.
	Parts []InputPart
}

// Joined reports whether the input has parts.
func (in Input) Joined() bool { return len(in.Parts) > 0 }

// InputPart is a range of a file, or black and silence, in seconds.
type InputPart struct {
	Input            Input
	Offset, Duration float64 // Duration 0: to the end
	FadeIn, FadeOut  float64
	Black            float64 // how long it is black and silent; above 0 there is no Input
}

// Storage is the destination of results, or of an Input the bucket of the source.
type Storage struct {
	Service        string // one of the constants Service...
	Bucket         string // bucket, bucket_id or container
	Region         string
	Endpoint       string // s3other, or an explicit override
	Path           string // prefix of every output path
	ForcePathStyle *bool  // nil: the service's default
	Secure         *bool  // nil: true
	ACL            string
	StorageClass   string
	Expires        string
	CacheControl   string
	URL            Secret // URL storage: ftp, sftp, http, https
	PublicHost     string
	// Credentials by the names of coconut-v2.md section 3.3: access_key_id,
	// secret_access_key, account_id, app_key_id, app_key, username, api_key,
	// account, access_key, secret_api_key, project_id, project_secret.
	Credentials map[string]Secret
	Options     map[string]string // members of one service only: gateway_dns, ...
}

// Notification is the receiver of webhooks. Events adds the events of the input
// and the outputs to those of the job. Metadata adds ffprobe's output to the
// payloads.
type Notification struct {
	Type        string // "http" or "sns"
	URL         Secret
	Params      map[string]string // merged into the query of URL
	Metadata    bool
	Events      bool
	Region      string
	TopicARN    string
	Credentials map[string]Secret
}

// OutputRequest is one requested output. Arrays of outputs are flattened, in the
// order of the request. Raw has the parameters as they were sent, because values
// with expressions can be decoded only after the probe (coconut.ResolveOutput).
type OutputRequest struct {
	Key       string // unique in the job
	Type      OutputType
	Format    string // as echoed to clients (coconut-v2.md section 2.3)
	MapKey    string // the key in the outputs hash
	Raw       json.RawMessage
	Condition string // the `if` expression; "": always
}

// OutputType is Coconut's type of an output.
type OutputType string

// The types. Audio-only files are of type video.
const (
	TypeVideo  OutputType = "video"
	TypeImage  OutputType = "image"
	TypeStream OutputType = "httpstream"
)

// Output is a decoded output whose expressions are evaluated. Exactly one of
// Video, Image and Stream is set, by Type.
type Output struct {
	Key    string
	Type   OutputType
	Format format.Format // zero for httpstream
	Path   string        // as sent, "" when URL is set
	URL    Secret        // direct destination
	Video  *VideoParams
	Image  *ImageParams
	Stream *StreamParams
}

// VideoParams are the params of video and audio outputs (coconut-v2.md section 5.2).
type VideoParams struct {
	Offset, Duration float64 // seconds; Duration 0: to the end
	Fit              string  // "pad" (default) or "crop"
	Transpose        *int    // 0..3, ffmpeg's codes
	VFlip, HFlip     bool
	Deinterlace      bool
	Square           bool
	CropW, CropH     string // width and height of ffmpeg's crop filter; "": no crop
	Watermark        *Watermark
	// Copy is "auto" when the input's video is copied if it fits, "off" when it is not;
	// "": as the job says.
	Copy     string
	Captions []Captions // tracks of text, in MP4, MOV and Matroska
	Overlay  []Overlay
	Burn     *Burn // nil: nothing
	// QualityMetrics: the encode is compared with what went into the encoder.
	QualityMetrics bool
}

// Captions are a file of text beside the input: SRT, WebVTT, TTML or ASS; or what is
// spoken in it. It is an extension.
type Captions struct {
	URL      Secret
	Speech   bool   // in place of URL: what a speech service hears in the sound
	Charset  string // "": it is detected
	Language string // tag of BCP 47; "": not known
	Name     string // shown to viewers
	Default  bool   // on unless a viewer chooses
	Forced   bool   // shown to everybody: translations of signs and the like
	SDH      bool   // for the deaf and hard of hearing: it names sounds too
}

// AudioFile is a track of sound beside the input's, from another file. It is an extension.
type AudioFile struct {
	URL      Secret
	Language string // tag of BCP 47; "": not known
	Name     string // shown to viewers
	Default  bool   // the one that plays unless a viewer chooses
	Role     string // one of AudioRoles; "": another sound of the same
}

// The roles of AudioFile.
const (
	AudioDub         = "dub"          // speech in another language than the original
	AudioCommentary  = "commentary"   // somebody tells of the programme
	AudioDescription = "description"  // somebody tells what the picture shows, for the blind
	AudioClearSpeech = "clear_speech" // speech that is easier to follow, for the hard of hearing
)

// AudioRoles returns the roles of AudioFile.
func AudioRoles() []string {
	return []string{AudioDub, AudioCommentary, AudioDescription, AudioClearSpeech}
}

// SurroundCodecs returns the codecs of StreamParams.Surround, first the one of "true".
func SurroundCodecs() []string { return []string{"ac3", "eac3"} }

// Burn are captions that become part of the picture: those of a file, or a track of
// subtitles of the source. It is an extension.
type Burn struct {
	URL               Secret
	Charset, Language string // as in Captions
	Track             int    // from 1; 0: by its language
	TrackLanguage     string // tag of BCP 47
}

// Watermark is a picture laid over the video.
type Watermark struct {
	URL      Secret
	Position string // topleft, topright (default), bottomleft, bottomright
}

// Overlay is something that is drawn over the video, or a LUT for its colours: exactly one
// of Text, Timecode, Image and LUT is set. It is an extension.
type Overlay struct {
	Text     string // may have several lines
	Timecode string // of the first frame, "HH:MM:SS:FF", or "HH:MM:SS;FF" for drop frame
	Image    Secret // the address of a picture
	LUT      Secret // the address of a .cube file

	Position   string  // "topleft", "top", "topright", "left", "center" ... "bottomright"
	Margin     float64 // from the edges, in percent of the height
	Size       float64 // of letters, in percent of the height
	Width      float64 // of a picture, in percent of the width; 0: as a watermark
	Color      string  // six hexadecimal digits, as BoxColor
	Opacity    float64 // 0 to 1, as BoxOpacity
	Box        bool    // behind a text
	BoxColor   string
	BoxOpacity float64
	Start, End float64 // seconds of the output; End 0: to its end
}

// ImageParams are the params of image outputs (coconut-v2.md section 5.3).
type ImageParams struct {
	Number       int       // of pictures, equally spaced; 0: not given, one picture
	Interval     float64   // seconds; meaningful when HasInterval
	HasInterval  bool      // interval 0 is "automatic"
	Offsets      []float64 // seconds
	Square       bool
	Blur         int    // 0..5
	Fit          string // "pad" (default) or "crop"
	Transpose    *int
	VFlip, HFlip bool
	Watermark    *Watermark
	Sprite       *Sprite
	VTT          *VTT
	Scene        *Scene // gif, webp_anim
}

// Sprite asks for sprite sheets instead of single pictures.
type Sprite struct {
	Columns int // default 4
	Limit   int // pictures per sheet; 0: all in one sheet
}

// VTT asks for a WebVTT thumbnail track.
type VTT struct{ Filename string }

// Scene asks for an animation of Number scenes of Duration seconds each.
type Scene struct {
	Number   int
	Duration float64
}

// StreamParams are the params of an httpstream output (coconut-v2.md section 5.4).
type StreamParams struct {
	Variants      []format.Format // the default ladder when none were given
	DefaultLadder bool            // no variants were given
	PlaylistName  string          // "master"
	HLS           *HLSParams
	DASH          *DASHParams
	Protection    *Protection // Common Encryption; nil: clear
	Copy          string      // as VideoParams.Copy, of variants
	Thumbnails    *Thumbnails // nil: none
	Captions      []Captions
	Audio         []AudioFile
	// SegmentSeconds is the length of segments, 1 to 10 with three decimals; 0: that of
	// the server. It is an extension.
	SegmentSeconds float64
	// Surround are the codecs, of SurroundCodecs, of more groups of audio with more than
	// two channels. It is an extension.
	Surround []string
	Overlay  []Overlay
	Burn     *Burn // nil: nothing
	// QualityMetrics is as VideoParams.QualityMetrics, of each variant.
	QualityMetrics bool
}

// Thumbnails asks for the pictures that players show on their bar, on sheets that
// playlists and manifests name. It is an extension.
type Thumbnails struct {
	Interval      float64 // seconds; 0: by the length of the input
	Width         int     // of a picture, at most that of the input
	Columns, Rows int     // of a sheet
}

// Protection is Common Encryption of the segments of a stream. It is an extension.
type Protection struct {
	Scheme string // "cbcs" or "cenc"
	// ServerKeys: the server makes Keys when the job runs.
	ServerKeys bool
	Keys       []ContentKey
	PSSH       [][]byte // whole boxes
	// LicenseURL is the address of a ClearKey license server; "": none.
	LicenseURL string
}

// ContentKey is the key of a class of tracks.
type ContentKey struct {
	Track string // one of KeyTracks
	KeyID string // 32 lower-case hexadecimal digits
	Key   Secret // the same
	URI   string // for HLS; "": none
}

// The classes of tracks that may have keys of their own. A track has the key of
// the last of these that it belongs to and that has a key.
const (
	KeyAll   = "all"
	KeyAudio = "audio"
	KeyVideo = "video"
	KeySD    = "sd"  // video below 720 lines
	KeyHD    = "hd"  // up to 1080 lines
	KeyUHD   = "uhd" // above
)

// HLSParams asks for HLS with TS segments.
type HLSParams struct {
	Path             string
	Version          int    // 0: newest
	EncryptionKey    Secret // 32 hex digits; "": none
	EncryptionKeyURI string
	EncryptionIV     string // 32 lower-case hex digits; "": the number of the segment
}

// DASHParams asks for DASH, and with FMP4 for HLS over the same files.
type DASHParams struct {
	Path    string
	HLSFMP4 bool
}
