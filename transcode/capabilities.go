package transcode

import "slices"

// Capabilities says what an FFmpeg build can do. It is plain data: it is
// detected once by package transcode/ffmpeg, can be stored as JSON, and lets a
// plan be made for the FFmpeg of another machine.
//
// The zero value means that nothing is known. The planner then assumes that
// FFmpeg has everything, and leaves it to the run to fail.
type Capabilities struct {
	Version      string // as FFmpeg prints it: "5.1.9-0+deb12u1"
	Major, Minor int    // of the release; 0 when unknown

	// What "ffmpeg -encoders" and the like list, by FFmpeg's names.
	Encoders, Decoders Set
	Filters            Set
	Muxers, Demuxers   Set

	// PixFmts are the pixel formats that a video encoder takes, by the
	// encoder's name, in FFmpeg's order. An encoder that is missing, or has an
	// empty list, was not asked or gave no answer.
	PixFmts map[string][]string

	// Devices are the encoders of devices that were tried, the preferred ones
	// first.
	Devices []DeviceEncoder `json:",omitempty"`
}

// HasEncoder reports whether FFmpeg has an encoder, or whether that is unknown.
func (c Capabilities) HasEncoder(name string) bool { return c.Encoders == nil || c.Encoders.Has(name) }

// HasFilter reports whether FFmpeg has a filter, or whether that is unknown.
func (c Capabilities) HasFilter(name string) bool { return c.Filters == nil || c.Filters.Has(name) }

// PixelFormats lists the pixel formats that an encoder takes; nil when unknown.
func (c Capabilities) PixelFormats(encoder string) []string { return slices.Clone(c.PixFmts[encoder]) }

// Set is a sorted list of distinct names. As JSON it is an array. Nil means
// that the content is unknown, which is not the same as an empty set.
type Set []string

// NewSet makes a Set of names in any order. It is never nil.
func NewSet(names ...string) Set {
	s := Set{}
	s = append(s, names...)
	slices.Sort(s)
	return slices.Compact(s)
}

// Has reports whether name is in the set.
func (s Set) Has(name string) bool {
	_, found := slices.BinarySearch(s, name)
	return found
}
