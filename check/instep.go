package check

import (
	"maps"
	"math"
	"slices"
)

// stepSlack is how far picture and sound may be apart, in seconds.
const stepSlack = 0.005

// starts are the media times at which the tracks of a stream in fragmented MP4
// begin, each track once.
type starts []trackStart

type trackStart struct {
	name   string // of what holds it
	id     uint32
	begins float64 // seconds
}

func (s *starts) add(name string, parts map[uint32]part) {
	for _, id := range slices.Sorted(maps.Keys(parts)) {
		if !slices.ContainsFunc(*s, func(t trackStart) bool { return t.name == name && t.id == id }) {
			*s = append(*s, trackStart{name, id, parts[id].begins})
		}
	}
}

// inStep checks that the edit lists of all tracks take off the same, so that
// picture and sound are in step without them too.
func (c *checker) inStep(rule string, list starts) {
	for i, s := range list {
		if i > 0 {
			c.hold(rule, math.Abs(s.begins-list[0].begins) <= stepSlack, s.name,
				"its edit list takes off %.1f ms, that of %s %.1f ms", 1000*s.begins, list[0].name, 1000*list[0].begins)
		}
	}
}
