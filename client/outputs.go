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
	Watermark   *Watermark     `json:"watermark,omitempty"`
	Extra       map[string]any `json:"-"`
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
	Path         string         `json:"path,omitempty"` // folder that goes before those of HLS and DASH
	Key          string         `json:"key,omitempty"`
	If           string         `json:"if,omitempty"`
	Variants     []string       `json:"variants,omitempty"`      // formats: "mp4:720p::quality=4,maxrate=2000k"; nil: the default ladder
	PlaylistName string         `json:"playlist_name,omitempty"` // "master" by default
	HLS          *HLS           `json:"hls,omitempty"`
	DASH         *DASH          `json:"dash,omitempty"`
	Extra        map[string]any `json:"-"`
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
