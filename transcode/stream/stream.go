// Package stream measures segments and writes what describes them: HLS
// multivariant, media and I-frame playlists, DASH MPDs. It is pure: it reads
// through io/fs and returns bytes. ffmpeg cuts the segments; nothing that
// ffmpeg says of them is believed.
package stream

import "github.com/copra-video/copra/transcode/format"

// Layout is how segments are stored.
type Layout string

// The layouts.
const (
	TS   Layout = "ts"   // MPEG-TS segments, audio muxed into each video variant
	CMAF Layout = "cmaf" // fragmented MP4, one track a file, for DASH and for HLS with EXT-X-MAP
)

// Package is one packaged set of an httpstream output, as the planner decided
// it. Its segments lie in the scratch folder as Dir/Track.Dir/... when the
// steps have run; Build measures them.
type Package struct {
	Layout  Layout
	Dir     string // folder in scratch, such as "out3/hls"
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
}

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
	ID       string // unique in the package; "720p", "audio"
	Type     TrackType
	Dir      string // folder below Package.Dir
	Init     string // CMAF: "init.mp4" in Dir
	Segments string // printf pattern of the segments in Dir, numbered from 1: "segment-%05d.ts"
	// FrameRate of video; 0 unknown.
	FrameRate format.Rational
	Language  string
	Name      string // shown to viewers
	Default   bool
	KeyURI    string // AES-128: the address players fetch the key from; "": clear
	Key       []byte // AES-128: 16 bytes; needed to measure encrypted segments
}
