package job

import (
	"math"
	"slices"

	"github.com/copra-video/copra/transcode/format"
)

// frames finds out how regularly the frames come, whose times are sorted.
func (t *StreamTimeline) frames(pts []int64, tick float64) {
	if len(pts) < 2 {
		return
	}
	steps := make([]float64, len(pts)-1)
	for i := range steps {
		steps[i] = float64(pts[i+1]-pts[i]) * tick
	}
	t.LongestGap = slices.Max(steps)
	usual := usualStep(steps)
	// A clock of 1 ms, as that of Matroska, moves a frame by up to half of it
	// and a step by up to all of it.
	tolerance := max(1.5*tick, 0.02*usual)
	for _, s := range steps {
		t.Irregular = t.Irregular || math.Abs(s-usual) > tolerance
	}
	seconds := make([]float64, len(pts))
	for i, p := range pts {
		seconds[i] = float64(p-pts[0]) * tick
	}
	t.Rate = nominalRate(seconds, usual, tick)
}

// usualStep is the mean of the steps that are near the median one.
func usualStep(steps []float64) float64 {
	sorted := slices.Sorted(slices.Values(steps))
	median := sorted[len(sorted)/2]
	sum, n := 0.0, 0
	for _, s := range sorted {
		if s > 0.5*median && s < 1.5*median {
			sum, n = sum+s, n+1
		}
	}
	return sum / float64(max(1, n))
}

// StandardRates are the constant frame rates that are given to video whose rate
// varies, ascending.
var StandardRates = []format.Rational{
	{Num: 10, Den: 1}, {Num: 12, Den: 1}, {Num: 15, Den: 1}, {Num: 20, Den: 1},
	{Num: 24000, Den: 1001}, {Num: 24, Den: 1}, {Num: 25, Den: 1},
	{Num: 30000, Den: 1001}, {Num: 30, Den: 1}, {Num: 48, Den: 1}, {Num: 50, Den: 1},
	{Num: 60000, Den: 1001}, {Num: 60, Den: 1},
}

// misplaced is by how many seconds frames may be moved to the places of a constant
// rate before a higher rate is looked for. Nobody sees or hears it.
const misplaced = 0.005

// slidesRate is the rate from which on none is looked for that suits slides better.
// They come seldom, so that a rate would suit a few of them by chance alone.
var slidesRate = format.Rational{Num: 30, Den: 1}

// nominalRate is the lowest standard rate, from the usual step on, whose places all
// frames keep. Where jitter lets them keep none, it is the rate nearest to the
// usual step, or the first above it at which no frame has to wait for longer than a
// frame for a place of its own; of slides slidesRate.
func nominalRate(times []float64, usual, tick float64) format.Rational {
	if usual <= 0 {
		return format.Rational{}
	}
	nearest := 0
	for i, r := range StandardRates {
		if distance(r, usual) < distance(StandardRates[nearest], usual) {
			nearest = i
		}
	}
	nearest = betterOfPair(times, nearest)
	// Above the nearest rate the jitter hides whether one is over 1001.
	higher := slices.DeleteFunc(slices.Clone(StandardRates[nearest+1:]), func(r format.Rational) bool { return r.Den == 1001 })
	rates := append([]format.Rational{StandardRates[nearest]}, higher...)
	for _, r := range rates {
		if rate := float64(r.Num) / float64(r.Den); furthest(times, rate) <= misplaced+tick && longestWait(times, rate) == 0 {
			return r
		}
		if r == slidesRate {
			break
		}
	}
	if slow := StandardRates[0]; usual > float64(slow.Den)/float64(slow.Num) {
		return slidesRate
	}
	for _, r := range rates {
		if longestWait(times, float64(r.Num)/float64(r.Den)) <= 1 {
			return r
		}
	}
	return StandardRates[len(StandardRates)-1]
}

// betterOfPair chooses between a rate and its neighbour that is one in a thousand
// off, 29.97 and 30: jitter hides the difference in the steps, and the places of
// the frames show it. Without a clear answer it is the whole number.
func betterOfPair(times []float64, at int) int {
	whole, film := at, at // film: the rate over 1001
	switch {
	case StandardRates[at].Den == 1001:
		whole = at + 1
	case at > 0 && StandardRates[at-1].Den == 1001:
		film = at - 1
	default:
		return at
	}
	// Of frames that keep no place the concentration is chance: with n of them about
	// 1 over the root of n.
	if c := concentration(times, StandardRates[film]); c > 0.5 && c > 1.05*concentration(times, StandardRates[whole]) {
		return film
	}
	return whole
}

// concentration is from 0 to 1 how much frames keep one place within their frames
// of a constant rate: the length of the mean of the unit vectors of their phases.
func concentration(times []float64, r format.Rational) float64 {
	x, y := 0.0, 0.0
	for _, t := range times {
		sin, cos := math.Sincos(2 * math.Pi * t * float64(r.Num) / float64(r.Den))
		x, y = x+cos, y+sin
	}
	return math.Hypot(x, y) / float64(len(times))
}

func distance(r format.Rational, step float64) float64 {
	return math.Abs(math.Log(step * float64(r.Num) / float64(r.Den)))
}

// furthest is by how many seconds a frame is moved at most, when each goes to the
// nearest place of a constant rate.
func furthest(times []float64, rate float64) float64 {
	most := 0.0
	for _, at := range times {
		most = max(most, math.Abs(at-math.Round(at*rate)/rate))
	}
	return most
}

// longestWait is by how many frames of a constant rate a frame comes late at
// most, when each gets the first free place that is not before its own time.
func longestWait(times []float64, rate float64) float64 {
	longest, free := 0.0, 0.0
	for _, at := range times {
		own := math.Round(at * rate)
		free = max(free, own)
		longest = max(longest, free-own)
		free++
	}
	return longest
}
