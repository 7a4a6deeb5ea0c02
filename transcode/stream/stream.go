// Package stream measures segments and writes what describes them: HLS
// multivariant, media and I-frame playlists, DASH MPDs. It is pure: it reads
// through io/fs and returns bytes. FFmpeg cuts the segments, but what it says of
// them is not used.
package stream

import "github.com/copra-video/copra/transcode/format"

// Layout is how segments are stored.
type Layout string

// The layouts.
const (
	TS   Layout = "ts"   // MPEG-TS segments, audio muxed into each video variant or in groups
	CMAF Layout = "cmaf" // fragmented MP4, one track a file, for DASH and for HLS with EXT-X-MAP
)

// Package is one packaged set of an httpstream output, as the planner decided
// it. Its segments lie in the work directory as Dir/Track.Dir/... when the
// steps have run; Build measures them.
type Package struct {
	Layout  Layout
	Dir     string // folder in the work directory, such as "out3/hls"
	Path    string // published folder, as the request named it: "/hls"
	Name    string // playlist name without extension: "master"
	HLS     bool   // write <name>.m3u8
	DASH    bool   // write <name>.mpd
	Version int    // hls.version: 3 writes plain version 3 without I-frame playlists; 0: newest
	// TargetDuration is the segment length aimed at, in seconds.
	TargetDuration float64
	Tracks         []Track
	// Duration of the time line in seconds, for checks.
	Duration float64
	// Thumbnails are sheets of pictures that players show on their bar; nil: none.
	Thumbnails *Thumbnails `json:",omitempty"`
}

// Thumbnails are pictures of the time line, one every Interval seconds from its start
// on, tiled row by row on sheets of one size. The last sheet may be filled in part.
type Thumbnails struct {
	Sheets        string // printf pattern of the JPEG files in the work directory, numbered from 1
	Count         int    // of sheets, at most: a source may be shorter than it says
	Columns, Rows int
	Width, Height int // of a picture
	Interval      float64
}

// TSOrigin is the timestamp, in seconds, that MPEG-TS segments give to the
// start of the time line. It is the same in every variant, so that players can
// switch between muxed and audio-only ones, and what comes before it (the AAC
// encoder's priming, the decode times of reordered frames) stays positive.
const TSOrigin = 10

// TrackType is what a track carries.
type TrackType string

// The track types. Muxed is video with audio in one TS.
const (
	Video TrackType = "video"
	Audio TrackType = "audio"
	Muxed TrackType = "muxed"
	Text  TrackType = "subtitles"
)

// Track is one rendition of a package.
type Track struct {
	ID   string // unique in the package; "720p", "audio"
	Type TrackType
	Dir  string // folder below Package.Dir
	Init string // CMAF: "init.mp4" in Dir
	// Segments is the printf pattern of the segments in Dir, numbered from 1:
	// "segment-%05d.ts". For Text it is one whole WebVTT file, which Build cuts.
	Segments string
	// FrameRate of video; 0 unknown.
	FrameRate format.Rational
	Language  string
	Name      string // shown to viewers
	Default   bool
	Forced    bool // Text: shown to everybody
	// Purpose says for whom the track is; "": for everybody.
	Purpose Purpose
	// Alternative tells tracks of different content apart, whatever they are
	// called: 0 is the default audio.
	Alternative int
	// Group is the audio group of an Audio track; "": in CMAF "audio", in TS
	// none, because its audio is muxed. Tracks of one group differ in language
	// or role, not in quality.
	Group string
	// Audio are the groups that a Video track plays with, first the one that every player
	// has; none: the first one there is. HLS lists the track once with each.
	Audio []string
	// NoVariant keeps an Audio track from being listed as a variant of its own,
	// without video.
	NoVariant  bool
	Encryption *Encryption // of TS segments; nil: clear
	Protection *Protection `json:",omitempty"` // of fragmented MP4, by Common Encryption; nil: clear
}

// Protection is Common Encryption of a track (ISO/IEC 23001-7). Its segments are
// encrypted when Build reads them.
type Protection struct {
	Scheme  string // "cenc" or "cbcs"
	KeyID   string // 32 hexadecimal digits
	KeyName string // by which the key is known; Build does not need it
	// KeyURI is the address of the key for HLS: skd:// for FairPlay, else one that
	// answers with the 16 bytes of the key; "": none.
	KeyURI string
	// LicenseURL is the address of a ClearKey license server for DASH; "": none.
	LicenseURL string
	PSSH       [][]byte // whole pssh boxes
}

// Encryption is AES-128 of whole segments (RFC 8216 section 4.3.2.4). The key
// itself is a secret and not part of it: Build gets the keys separately.
type Encryption struct {
	KeyURI  string // address from which players fetch the key
	KeyName string // by which Build asks for the key
	// IV is the initialisation vector of all segments, 32 hexadecimal digits; "": it
	// is the number of each.
	IV string `json:",omitempty"`
}

// Keys returns the 16 bytes of a key by its name, or nil when there is none.
type Keys func(name string) []byte

// File is one file to publish. Either Source or Data is set.
type File struct {
	Path        string // relative to Package.Path, slashes, unescaped
	Source      string // name in the work directory
	Data        []byte
	ContentType string
}

// Playlist reports whether the file names others, and is to be published after
// them.
func (f File) Playlist() bool { return f.ContentType == typeHLS || f.ContentType == typeDASH }

// Summary is what was measured of a track.
type Summary struct {
	ID               string
	Type             TrackType
	Codecs           string // as in CODECS: "avc1.64001f,mp4a.40.2"
	Bandwidth        int    // bit/s, measured peak, of this track alone
	AverageBandwidth int    // bit/s, measured
	Width, Height    int    // as displayed, sample aspect ratio applied; 0: audio
	FrameRate        float64
	Segments         int
	Frames           int     // pictures; for audio, access units
	Duration         float64 // seconds
	Size             int64   // bytes, of segments and init
	Playlist         string  // media playlist, relative to Package.Path; "": none
}
