package client

// Outputs are the wanted outputs by their format: "mp4:720p", "mp3:64k",
// "jpg:300x", "httpstream". A value is one of
//
//   - Video, Image or HTTPStream, or a pointer to one
//   - a string: the path alone
//   - a slice: several outputs of the format
//   - a map or a json.RawMessage with the params
//
// A Go map has no order: the job has its outputs sorted by format. CreateJobJSON
// keeps the order of its text.
type Outputs map[string]any

// Video is a video or audio output.
//
// The fields of the three kinds of outputs are the params of the API. Where the
// API takes an expression instead of a number or a flag, Extra does:
//
//	client.Video{Path: "/a.mp4", Extra: map[string]any{"duration": "{% input.duration / 2 %}"}}
type Video struct {
	Path        string         `json:"path,omitempty"`
	URL         string         `json:"url,omitempty"`    // a destination of its own instead of a path
	Key         string         `json:"key,omitempty"`    // its name in answers; the format by default
	If          string         `json:"if,omitempty"`     // a condition: "{{ input.width }} >= 1280"
	Format      map[string]any `json:"format,omitempty"` // replaces what the format says behind the container
	Offset      float64        `json:"offset,omitempty"` // seconds
	Duration    float64        `json:"duration,omitempty"`
	Fit         string         `json:"fit,omitempty"`       // "pad" by default, or "crop"
	Transpose   *int           `json:"transpose,omitempty"` // 0 to 3, as ffmpeg's filter transpose; nil: none
	VFlip       bool           `json:"vflip,omitempty"`
	HFlip       bool           `json:"hflip,omitempty"`
	Deinterlace bool           `json:"deinterlace,omitempty"`
	Square      bool           `json:"square,omitempty"`
	Crop        string         `json:"crop,omitempty"` // "640:360"
	Copy        string         `json:"copy,omitempty"` // auto: the input's video is copied if it fits; off; "": as the settings say
	Watermark   *Watermark     `json:"watermark,omitempty"`
	Captions    []Captions     `json:"captions,omitempty"` // of mp4, mov and mkv
	Overlay     []Overlay      `json:"overlay,omitempty"`
	Burn        *Burn          `json:"burn,omitempty"`
	// QualityMetrics asks for SSIM and PSNR of the encode, see Quality.
	QualityMetrics bool           `json:"quality_metrics,omitempty"`
	Extra          map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (v Video) MarshalJSON() ([]byte, error) {
	type plain Video
	return withExtra(plain(v), v.Extra)
}

// Image is an output of pictures (jpg, png, webp) or an animation (gif,
// webp_anim).
type Image struct {
	Path      string         `json:"path,omitempty"` // with a variable such as %02d when several pictures result
	URL       string         `json:"url,omitempty"`
	Key       string         `json:"key,omitempty"`
	If        string         `json:"if,omitempty"`
	Format    map[string]any `json:"format,omitempty"`
	Number    int            `json:"number,omitempty"`   // pictures, evenly over the input
	Interval  float64        `json:"interval,omitempty"` // seconds from picture to picture
	Offsets   []float64      `json:"offsets,omitempty"`  // seconds
	Fit       string         `json:"fit,omitempty"`
	Transpose *int           `json:"transpose,omitempty"`
	VFlip     bool           `json:"vflip,omitempty"`
	HFlip     bool           `json:"hflip,omitempty"`
	Square    bool           `json:"square,omitempty"`
	Blur      int            `json:"blur,omitempty"` // 1 to 5
	Watermark *Watermark     `json:"watermark,omitempty"`
	Sprite    *Sprite        `json:"sprite,omitempty"`
	VTT       *VTT           `json:"vtt,omitempty"`
	Scene     *Scene         `json:"scene,omitempty"` // of an animation
	Extra     map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (i Image) MarshalJSON() ([]byte, error) {
	type plain Image
	return withExtra(plain(i), i.Extra)
}

// Watermark is a PNG picture that is laid over.
type Watermark struct {
	URL      string `json:"url"`
	Position string `json:"position,omitempty"` // "topright" by default, "topleft", "bottomleft", "bottomright"
}

// Captions are a file of SRT, WebVTT, TTML or ASS that becomes a track of text, or what is
// spoken in the input.
type Captions struct {
	URL      string `json:"url,omitempty"`
	Speech   bool   `json:"speech,omitempty"`   // in place of URL: the server's speech service transcribes the sound
	Language string `json:"language,omitempty"` // a tag of BCP 47: "pt-BR"
	Name     string `json:"name,omitempty"`     // what viewers choose from
	Default  bool   `json:"default,omitempty"`  // on unless a viewer chooses
	Forced   bool   `json:"forced,omitempty"`   // for everybody: translations of signs
	SDH      bool   `json:"sdh,omitempty"`      // for the deaf and hard of hearing
	Charset  string `json:"charset,omitempty"`  // "": it is found out
}

// AudioFile is a track of sound of a stream, from another file than the input.
type AudioFile struct {
	URL      string `json:"url"`
	Language string `json:"language,omitempty"` // a tag of BCP 47: "pt-BR"
	Name     string `json:"name,omitempty"`     // what viewers choose from
	Default  bool   `json:"default,omitempty"`  // it plays unless a viewer chooses
	Role     string `json:"role,omitempty"`     // "dub", "commentary", "description" or "clear_speech"; "": none
}

// Burn are captions that become part of the picture: of a file at URL, or Track of the input.
type Burn struct {
	URL      string `json:"url,omitempty"`
	Language string `json:"language,omitempty"` // of the file
	Charset  string `json:"charset,omitempty"`  // of the file; "": it is found out
	Track    any    `json:"track,omitempty"`    // an int from 1, or a language tag
}

// Overlay is drawn over the video, or a LUT for its colours: one of Text, Timecode, Image and
// LUT is set. Sizes are in percent of the picture.
type Overlay struct {
	Text       string   `json:"text,omitempty"`
	Timecode   string   `json:"timecode,omitempty"` // of the first frame: "10:00:00:00"
	Image      string   `json:"image,omitempty"`    // address of a PNG
	LUT        string   `json:"lut,omitempty"`      // address of a .cube file
	Position   string   `json:"position,omitempty"` // "topleft", "top" ... "bottomright"
	Margin     *float64 `json:"margin,omitempty"`   // of the height; nil: 4
	Size       float64  `json:"size,omitempty"`     // of the height; 0: 5
	Width      float64  `json:"width,omitempty"`    // of an image; 0: as a watermark
	Color      string   `json:"color,omitempty"`    // "#ff8800"; "": white
	Opacity    *float64 `json:"opacity,omitempty"`  // nil: 1
	Box        bool     `json:"box,omitempty"`
	BoxColor   string   `json:"box_color,omitempty"`
	BoxOpacity *float64 `json:"box_opacity,omitempty"` // nil: 0.5
	Start      float64  `json:"start,omitempty"`       // seconds of the output
	End        float64  `json:"end,omitempty"`         // 0: to its end
}

// Sprite puts the pictures on sheets.
type Sprite struct {
	Columns int `json:"columns,omitempty"` // 4 by default
	Limit   int `json:"limit,omitempty"`   // pictures on a sheet; 0: all
}

// VTT writes a WebVTT track that names the picture of each moment.
type VTT struct {
	Filename string `json:"filename,omitempty"`
}

// Scene says what an animation shows.
type Scene struct {
	Number   int     `json:"number,omitempty"`   // scenes; 1 by default
	Duration float64 `json:"duration,omitempty"` // seconds; 5 by default
}

// HTTPStream is an adaptive stream: HLS, DASH or both.
type HTTPStream struct {
	Path         string   `json:"path,omitempty"` // folder that goes before those of HLS and DASH
	Key          string   `json:"key,omitempty"`
	If           string   `json:"if,omitempty"`
	Variants     []string `json:"variants,omitempty"`      // formats: "mp4:720p::quality=4,maxrate=2000k"; nil: the default ladder
	PlaylistName string   `json:"playlist_name,omitempty"` // "master" by default
	// SegmentDuration is the length of segments in seconds, 1 to 10; 0: 6.
	SegmentDuration float64 `json:"segment_duration,omitempty"`
	// GOP is the distance of keyframes in seconds, 0.1 to 10; 0: 2, or the longest below
	// it that SegmentDuration is a multiple of.
	GOP        float64     `json:"gop,omitempty"`
	Copy       string      `json:"copy,omitempty"`       // as of Video, of variants
	Loudness   float64     `json:"loudness,omitempty"`   // LUFS that the audio is brought to: -14; 0: it stays as it is
	Protection *Protection `json:"protection,omitempty"` // Common Encryption; nil: clear
	Thumbnails *Thumbnails `json:"thumbnails,omitempty"` // pictures on the bar of players; nil: none
	Captions   []Captions  `json:"captions,omitempty"`
	Audio      []AudioFile `json:"audio,omitempty"` // tracks beside the input's
	Overlay    []Overlay   `json:"overlay,omitempty"`
	Burn       *Burn       `json:"burn,omitempty"`
	Surround   any         `json:"surround,omitempty"` // all channels beside the variants' sound: true for AC-3, or of type []string with "ac3" and "eac3"
	// QualityMetrics asks for SSIM and PSNR of each variant, see Quality.
	QualityMetrics bool `json:"quality_metrics,omitempty"`

	HLS   *HLS           `json:"hls,omitempty"`
	DASH  *DASH          `json:"dash,omitempty"`
	Extra map[string]any `json:"-"`
}

// Protection is Common Encryption (ISO/IEC 23001-7) of a stream.
type Protection struct {
	Scheme     string       `json:"scheme,omitempty"`      // "cbcs" by default, or "cenc"
	Keys       []ContentKey `json:"keys,omitempty"`        // nil: the server makes them
	PSSH       []string     `json:"pssh,omitempty"`        // whole boxes in base64
	LicenseURL string       `json:"license_url,omitempty"` // of a ClearKey license server
}

// ContentKey is the key of some tracks of a stream.
type ContentKey struct {
	Track string `json:"track,omitempty"` // "all" by default, "video", "audio", "sd", "hd", "uhd"
	KeyID string `json:"kid"`             // 32 hexadecimal digits or a UUID
	Key   string `json:"key"`             // 32 hexadecimal digits
	URI   string `json:"uri,omitempty"`   // for HLS
}

// Thumbnails are pictures that players show on their bar. The zero value of a field is
// the default.
type Thumbnails struct {
	Interval float64 `json:"interval,omitempty"` // seconds; 0: by the length of the input
	Width    int     `json:"width,omitempty"`    // of a picture in pixels: 320
	Columns  int     `json:"columns,omitempty"`  // of a sheet: 5
	Rows     int     `json:"rows,omitempty"`     // 5
}

// MarshalJSON merges Extra into the fields.
func (s HTTPStream) MarshalJSON() ([]byte, error) {
	type plain HTTPStream
	return withExtra(plain(s), s.Extra)
}

// HLS asks for an HLS playlist with MPEG-TS segments.
type HLS struct {
	Path             string         `json:"path"`              // folder
	Version          int            `json:"version,omitempty"` // of the playlist; 3 is without I-frame playlists
	EncryptionKey    string         `json:"encryption_key,omitempty"`
	EncryptionKeyURI string         `json:"encryption_key_uri,omitempty"`
	EncryptionIV     string         `json:"encryption_iv,omitempty"` // 32 hexadecimal digits; "": the number of each segment
	Extra            map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (h HLS) MarshalJSON() ([]byte, error) {
	type plain HLS
	return withExtra(plain(h), h.Extra)
}

// DASH asks for a DASH manifest with fragmented MP4.
type DASH struct {
	Path    string         `json:"path"`              // folder
	HLSFMP4 bool           `json:"hlsfmp4,omitempty"` // an HLS playlist over the same segments too
	Extra   map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (d DASH) MarshalJSON() ([]byte, error) {
	type plain DASH
	return withExtra(plain(d), d.Extra)
}
