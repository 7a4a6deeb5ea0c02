// Package codec is the table of codecs and containers: what they are called,
// what fits into what, and the facts about them that grammar, planner and
// capability checks need. It is pure data; how a codec is encoded is in package
// encoder.
//
// Names are those of Coconut's formats ("h264", "pcm-s16le", "mpegts"). Where
// FFmpeg has another name, a row says so.
package codec

import (
	"slices"
	"strings"
)

// Track is the kind of stream that a codec makes.
type Track string

// The tracks of a file.
const (
	Video Track = "video"
	Audio Track = "audio"
)

// Codec is a row of the table of codecs. "copy" is not a row: it takes no
// settings and goes into every container.
type Codec struct {
	Name    string
	Aliases []string // other names; a "-" in Name may always be written "_"
	Title   string   // as people write it: "H.264"
	FFprobe string   // ffprobe's name where it is not Name with "_" for "-"
	Track   Track

	// What a request may ask of it.
	Encodable bool // this server encodes it
	Lossless  bool // takes no bitrate
	Quality   bool // takes the option quality
	TwoPass   bool // can be encoded in two passes
	// MinCRF and MaxCRF bound the option crf, the lower the better; 0: it takes none.
	MinCRF, MaxCRF int
	Profiles       []Profile
	Levels         []string
	PixFmts        []string // pixel formats, the default first
	Presets        []string // words for the option preset
	Tunes          []string // words for the option tune

	// Facts about the bitstream of a video codec.
	HDR        bool   // players show PQ and HLG from it
	HDRPixFmt  string // pixel format for an HDR source when none is asked for; "": as for SDR
	FullRange  bool   // samples are full range (JPEG)
	ColourTags bool   // the bitstream says what its colours are
	IntraOnly  bool   // each frame is coded by itself
	BFrames    bool   // encoders code frames out of display order unless told not to

	// Facts about streaming and copying.
	Variant     bool // a variant of an httpstream may have it
	CMAFOnly    bool // HLS carries it in fragmented MP4 only (streams.md rule 1.5)
	MP4Timeline bool // MP4 keeps its timing exactly, so a copied track waits there and not in Matroska

	// Facts about an audio codec.
	PCM      bool  // it is samples as they are
	Rates    []int // sample rates in Hz, ascending; nil: any
	Channels []int // channel counts, ascending; nil: any
}

// Copy is the codec name that passes the source's stream through.
const Copy = "copy"

var table = slices.Concat(videoCodecs, audioCodecs)

// Codecs returns the codecs that a request may name.
func Codecs() []*Codec { return rows(table) }

func rows[T any](table []T) []*T {
	list := make([]*T, len(table))
	for i := range table {
		list[i] = &table[i]
	}
	return list
}

// Lookup finds a codec by its name or an alias; nil when there is none.
func Lookup(t Track, name string) *Codec {
	return find(table, func(c *Codec) bool { return c.Track == t && (c.Name == name || slices.Contains(c.Aliases, name)) })
}

// Probed finds a codec by ffprobe's name of it, source-only ones too; nil when
// it is not in the table.
func Probed(name string) *Codec {
	is := func(c *Codec) bool { return c.ProbeName() == name }
	if c := find(table, is); c != nil {
		return c
	}
	return find(sourceOnly, is)
}

// AudioRow finds a codec of audio by its name, source-only ones too; nil when there is none.
func AudioRow(name string) *Codec {
	if c := Lookup(Audio, name); c != nil {
		return c
	}
	return find(sourceOnly, func(c *Codec) bool { return c.Track == Audio && c.Name == name })
}

func find[T any](table []T, is func(*T) bool) *T {
	for i := range table {
		if is(&table[i]) {
			return &table[i]
		}
	}
	return nil
}

// ProbeName is ffprobe's name of the codec.
func (c *Codec) ProbeName() string {
	if c.FFprobe != "" {
		return c.FFprobe
	}
	return strings.ReplaceAll(c.Name, "-", "_")
}

// RateFor returns the lowest sample rate of the codec that is not below hz, or
// its highest.
func (c *Codec) RateFor(hz int) int { return RateFor(c.Rates, hz) }

// RateFor returns the lowest of rates, which ascend, that is not below hz, or
// the highest; hz when there are none.
func RateFor(rates []int, hz int) int {
	for _, r := range rates {
		if r >= hz {
			return r
		}
	}
	if len(rates) > 0 {
		return rates[len(rates)-1]
	}
	return hz
}

// ChannelsFor returns the highest channel count of the codec that is not above
// n, or its lowest.
func (c *Codec) ChannelsFor(n int) int {
	for _, have := range slices.Backward(c.Channels) {
		if have <= n {
			return have
		}
	}
	if len(c.Channels) > 0 {
		return c.Channels[0]
	}
	return n
}

// Profile finds a profile of the codec by its name; nil when there is none.
func (c *Codec) Profile(name string) *Profile {
	return find(c.Profiles, func(p *Profile) bool { return p.Name == name })
}

// ProfileFor returns the smallest profile of the codec that holds a pixel
// format; nil when there is none. Profiles are listed from the smallest to the
// largest.
func (c *Codec) ProfileFor(pixFmt string) *Profile {
	return find(c.Profiles, func(p *Profile) bool { return p.Holds(pixFmt) })
}

// ProfileNames lists the values of vprofile that the codec takes.
func (c *Codec) ProfileNames() []string {
	var names []string
	for _, p := range c.Profiles {
		names = append(names, p.Name)
	}
	return names
}

// Profile is a profile of a video codec, by what it can carry at most.
// Encoders fail when the pixel format is beyond it.
type Profile struct {
	Name   string
	Chroma Chroma
	Depth  int    // bits of a sample
	Mono   bool   // it has pictures without chroma too
	PixFmt string // the pixel format that the profile is about
}

// Holds reports whether a pixel format is within the profile.
func (p *Profile) Holds(pixFmt string) bool {
	f := Pixels(pixFmt)
	if f.Chroma == Mono && !p.Mono {
		return false
	}
	return f.Chroma <= p.Chroma && f.Depth <= p.Depth
}
