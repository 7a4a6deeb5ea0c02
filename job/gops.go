package job

import (
	"math"
	"slices"
)

// GOPs is what the packets of a video say of where it can be entered, and of its
// bitrate.
type GOPs struct {
	// Keyframes are when each keyframe is shown, ascending, in seconds from the start
	// of the file.
	Keyframes []float64
	// Open: a frame that comes after a keyframe in the file is shown before it, so it
	// may need what comes before the keyframe.
	Open bool
	// Peak is the bitrate of the hardest peakSeconds, in bit/s.
	Peak int64
	// Mean is the bitrate of the whole, in bit/s.
	Mean int64
	// Longest is how long a GOP lasts at most, in seconds: the distance between two
	// keyframes, or between the last one and the end.
	Longest float64
}

// peakSeconds is over how many seconds a peak of the bitrate is measured.
const peakSeconds = 2

// Packet is a packet of video, with times in units of the stream.
type Packet struct {
	Time, Duration int64 // when it is shown, and for how long
	Bytes          int64
	Key            bool
}

// NewGOPs makes GOPs of the packets of a stream in the order of the file. The unit of
// their times is tick seconds, and offset is how many seconds the stream is late. It is
// nil when the stream cannot be entered: it has no packets, or does not begin with a
// keyframe.
func NewGOPs(packets []Packet, tick, offset float64) *GOPs {
	if len(packets) == 0 || !packets[0].Key {
		return nil
	}
	g := &GOPs{}
	last, end := packets[0].Time, packets[0].Time
	for _, p := range packets {
		if p.Key {
			last = p.Time
			g.Keyframes = append(g.Keyframes, float64(p.Time)*tick+offset)
		}
		g.Open = g.Open || p.Time < last
		end = max(end, p.Time+max(0, p.Duration))
	}
	slices.Sort(g.Keyframes)
	for i, k := range g.Keyframes {
		next := float64(end)*tick + offset
		if i+1 < len(g.Keyframes) {
			next = g.Keyframes[i+1]
		}
		g.Longest = max(g.Longest, next-k)
	}
	length, sum := max(1, end-packets[0].Time), int64(0)
	for _, p := range packets {
		sum += p.Bytes
	}
	g.Mean = int64(float64(sum) * 8 / (float64(length) * tick))
	g.Peak = peak(packets, tick, float64(length)*tick)
	return g
}

// peak is the highest bitrate over peakSeconds, or over a shorter whole of length
// seconds, in bit/s.
func peak(packets []Packet, tick, length float64) int64 {
	shown := slices.SortedFunc(slices.Values(packets), func(a, b Packet) int { return int(max(-1, min(1, a.Time-b.Time))) })
	window := int64(math.Round(peakSeconds / tick))
	var sum, most int64
	from := 0
	for _, p := range shown {
		sum += p.Bytes
		for shown[from].Time <= p.Time-window {
			sum -= shown[from].Bytes
			from++
		}
		most = max(most, sum)
	}
	return int64(float64(most) * 8 / max(tick, min(peakSeconds, length)))
}

// Before is the index of the last keyframe that is shown at a time or before it; -1:
// none is.
func (g *GOPs) Before(seconds float64) int {
	at, found := slices.BinarySearch(g.Keyframes, seconds)
	if found {
		return at
	}
	return at - 1
}
