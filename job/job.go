// Package job is the vocabulary of the system: what a customer asked for
// (Spec), what is known of the input (Media), what has become of it (State)
// with the only rules by which it changes (State.Apply), and the two types that
// keep trouble in bounds, Error (what a customer may see) and Secret (what
// nobody may). It is pure: no clock, no network, no randomness.
package job

import (
	"encoding/json"

	"github.com/copra-video/copra/transcode/format"
)

// Spec is a decoded job request. It is never serialised: the request as it
// came is stored sealed, and api/coconut decodes it again wherever it is needed.
type Spec struct {
	Settings     Settings
	Input        Input
	Storage      *Storage // nil when the request has none: then each output has its own URL
	Outputs      []OutputRequest
	Notification *Notification // nil: none
}

// Settings of the whole job.
type Settings struct {
	UltraFast   bool
	Priority    int // -50..50, higher first; 0 by default
	MaxDuration int // seconds; 0: unbounded
}

// Input says where the source is: a URL, or an object in a bucket.
type Input struct {
	URL     Secret   // with credentials and query; "" for a bucket
	Storage *Storage // bucket services; Key is the object
	Key     string   // without a leading slash for S3-like services
}

// Storage is where results go, or with Input where the source is.
type Storage struct {
	Service        string // "coconut", "s3", "s3other", ...; "url" for URL storage
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
	Options     map[string]string // what else a service knows: gateway_dns, ...
}

// Notification says whom to tell. Events adds the events of input and outputs
// to those of the job; Metadata puts ffprobe's findings into the payloads.
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

// OutputRequest is one requested output, arrays flattened, in the order of the
// request. Raw holds the parameters as sent; values with expressions can be
// decoded only after the probe, see coconut.ResolveOutput.
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

// Output is a fully decoded output, expressions evaluated: exactly one of
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
	CropW, CropH     string // "W:H" of ffmpeg's crop; "" none
	Watermark        *Watermark
}

// Watermark is a picture laid over the video.
type Watermark struct {
	URL      Secret
	Position string // topleft, topright (default), bottomleft, bottomright
}

// ImageParams are the params of image outputs (coconut-v2.md section 5.3).
type ImageParams struct {
	Number       int       // pictures, equally spaced; 0: not said (one picture)
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

// Sprite asks for contact sheets instead of single pictures.
type Sprite struct {
	Columns int // default 4
	Limit   int // pictures a sheet; 0: all in one
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
}

// HLSParams asks for HLS with TS segments.
type HLSParams struct {
	Path             string
	Version          int    // 0: newest
	EncryptionKey    Secret // 32 hex digits; "": none
	EncryptionKeyURI string
}

// DASHParams asks for DASH, and with FMP4 for HLS over the same files.
type DASHParams struct {
	Path    string
	HLSFMP4 bool
}
