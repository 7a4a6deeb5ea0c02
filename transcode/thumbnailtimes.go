package transcode

import (
	"math"
	"slices"

	"github.com/copra-video/copra/job"
)

// pictureInterval is the interval asked for; 0 asks for the automatic one of
// coconut-v2.md section 5.3. It is 0 when no interval was asked for.
func pictureInterval(im *job.ImageParams, duration float64) float64 {
	switch {
	case !im.HasInterval:
		return 0
	case im.Interval > 0:
		return im.Interval
	case duration <= 120:
		return 2
	case duration <= 600:
		return 5
	case duration <= 1800:
		return 10
	case duration <= 3600:
		return 20
	}
	return 30
}

// pictureTimes chooses the moments. Times are distinct and ascending; order
// maps the pictures as asked for to them.
//
// A number of pictures are the middles of as many equal parts, so that one
// picture is from the middle of the film. An offset beyond the end means the
// last frame: a customer who guessed the length gets a picture and no error.
func (p *planner) pictureTimes(im *job.ImageParams) (order []int, times []float64) {
	end := p.src.videoEnd()
	last := p.src.lastMoment()
	var asked []float64
	switch step := pictureInterval(im, p.src.Duration); {
	case p.src.still || end == 0:
		asked = []float64{0}
	case len(im.Offsets) > 0:
		asked = append(asked, im.Offsets...)
	case step > 0:
		for n := 0; n == 0 || float64(n)*step <= last; n++ {
			asked = append(asked, float64(n)*step)
		}
	default:
		n := max(1, im.Number)
		for k := range n {
			asked = append(asked, end*(float64(k)+0.5)/float64(n))
		}
	}
	for i, t := range asked {
		asked[i] = math.Round(1e6*min(max(t, 0), last)) / 1e6
	}
	times = slices.Compact(slices.Sorted(slices.Values(asked)))
	// Of two moments within a frame the first one's picture serves both.
	frame := 0.0
	if rate := p.src.rate(); validRate(rate) && !p.src.slow() {
		frame = 1 / fpsFloat(rate)
	}
	kept := times[:0]
	for _, t := range times {
		if len(kept) == 0 || t-kept[len(kept)-1] >= frame {
			kept = append(kept, t)
		}
	}
	times = kept
	for _, t := range asked {
		at, found := slices.BinarySearch(times, t)
		if !found {
			at--
		}
		order = append(order, max(0, at))
	}
	return order, times
}
