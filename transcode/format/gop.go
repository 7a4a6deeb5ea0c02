package format

import "math"

// The bounds of the option gop in seconds. Below, nearly each frame is a keyframe; above,
// players seek badly.
const (
	MinGOP = 0.1
	MaxGOP = 10
)

// The GOPs of a stream where only the length of its segments is asked for, in seconds:
// 2 at most (streams.md rule 1.13), and not so short that keyframes take most of the bits.
const (
	mostStreamGOP  = 2
	leastStreamGOP = 0.5
)

// GOPFor returns the longest GOP that divides a segment of so many seconds evenly, in whole
// milliseconds; 0 when there is none that streams should have.
func GOPFor(segment float64) float64 {
	ms := int(math.Round(1000 * segment))
	for n := max(1, (ms+1000*mostStreamGOP-1)/(1000*mostStreamGOP)); float64(ms) >= 1000*leastStreamGOP*float64(n); n++ {
		if ms%n == 0 {
			return float64(ms/n) / 1000
		}
	}
	return 0
}
