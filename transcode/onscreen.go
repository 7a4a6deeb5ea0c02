package transcode

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// timeRounding is by how many seconds the times of some containers are rounded.
const timeRounding = 0.0005

// pictureZero is when the first picture comes, where that is only late by the
// priming of the sound: moments count from there, as the time of streams does. It
// includes timeRounding.
func (s *source) pictureZero() float64 {
	if late := s.startOffset(s.video.StartTime); late <= lateStart {
		return late + timeRounding
	}
	return timeRounding
}

// onScreen returns from when on the first frame is the one that is on screen at a
// moment: a time between it and the frame before it, so that rounding does not
// matter. Before the first frame that one is meant.
func (s *source) onScreen(moment float64) float64 {
	if s.still {
		return 0
	}
	moment += s.pictureZero()
	if times := s.video.Times; len(times) > 0 {
		k := sort.SearchFloat64s(times, moment) - 1
		if k <= 0 {
			return times[0] - timeRounding
		}
		return (times[k-1] + times[k]) / 2
	}
	rate, start := s.rate(), s.startOffset(s.video.StartTime)
	if !validRate(rate) {
		return moment - 2*timeRounding
	}
	k := math.Floor((moment - start) * fpsFloat(rate))
	if k <= 0 {
		return start - timeRounding
	}
	return start + (k-0.5)/fpsFloat(rate)
}

// firstFrame is when the first frame comes.
func (s *source) firstFrame() float64 {
	if times := s.video.Times; len(times) > 0 {
		return times[0]
	}
	return s.startOffset(s.video.StartTime)
}

// lastMoment is the latest moment that shows something.
func (s *source) lastMoment() float64 {
	before := 0.1
	if rate := s.rate(); validRate(rate) {
		before = min(before, 0.5/fpsFloat(rate))
	}
	last := s.videoEnd() - before
	if times := s.video.Times; len(times) > 0 {
		last = max(last, times[len(times)-1])
	}
	return max(0, last)
}

// selectFilter lets through the frame on screen at each moment, as often as there
// are moments that show it.
func (t *thumbnails) selectFilter() string {
	n := len(t.times)
	if t.still {
		return "select='eq(n,0)'"
	}
	if t.grid {
		// Rounded up, a frame is seen from the first moment on that is not before
		// it, until another is. fps rounds its start too, up to a tick of what it gets, which
		// is a whole frame of many sources.
		return fmt.Sprintf("settb=1/90000,fps=1/%s:round=up:start_time=%s,", seconds(t.interval), seconds(t.moment(0))) + repeated(n)
	}
	shown := slices.Compact(slices.Clone(t.shown))
	terms := make([]string, len(shown))
	for i, from := range shown {
		at := seconds(from)
		terms[i] = fmt.Sprintf("gte(t,%s)*(isnan(prev_selected_t)+lt(prev_selected_t,%s))", at, at)
	}
	zeroth := 0
	if t.beginsLate() {
		zeroth = 1
		terms = append([]string{"eq(n,0)"}, terms...)
	}
	frames := "select='" + strings.Join(terms, "+") + "'"
	if len(shown) == n {
		return frames
	}
	// Each frame gets the number of its first moment as its time, and is repeated
	// up to the next one's.
	var numbers strings.Builder
	numbers.WriteString("N")
	for i, from := range shown[:len(shown)-1] {
		if more := showing(t.shown, from) - 1; more > 0 {
			fmt.Fprintf(&numbers, "+gt(N,%d)*%d", i+zeroth, more)
		}
	}
	return frames + ",settb=1,setpts='" + numbers.String() + "',fps=1:start_time=0," + repeated(n+zeroth)
}

// beginsLate reports whether the first picture comes after the first frame of a decode.
// The first frame is then made picture 0, which nothing uses: ffmpeg reports no progress
// before each of its outputs has begun.
func (t *thumbnails) beginsLate() bool { return !t.still && !t.grid && t.shown[0] > t.start }

// moment is when picture k is taken, in seconds from the start of the source, if the
// times are a grid.
func (t *thumbnails) moment(k int) float64 { return t.zero + float64(t.first+k)*t.interval }

// repeated holds the last frame until there are n.
func repeated(n int) string {
	return fmt.Sprintf("tpad=stop_mode=clone:stop=%d,trim=end_frame=%d", n, n)
}

func showing(list []float64, v float64) int {
	n := 0
	for _, x := range list {
		if x == v {
			n++
		}
	}
	return n
}

// openMoment returns the arguments that open the source at moment k, and the
// filters that choose the frame on screen: the seek ends at the keyframe before it.
func (p *planner) openMoment(t *thumbnails, k int) (in, filters []string) {
	if t.still {
		return []string{"-i", SourceName}, nil
	}
	enter := t.times[k]
	if enter > 0 {
		enter += t.zero
	}
	if p.src.discontinuous() {
		enter = p.entry(t.shown[k])
	}
	if key, ok := p.keyframeOf(t, k); ok {
		// A little later, since containers round times.
		enter = key + timeRounding
		return append([]string{"-noaccurate_seek"}, window{offset: enter}.inputArgs()...),
			[]string{fmt.Sprintf("select='gte(t,%s)'", seconds(-3*timeRounding))}
	}
	zero := enter
	switch {
	case enter > 0:
		// What an accurate seek drops before the moment is what is on screen then.
		in = append([]string{"-noaccurate_seek"}, window{offset: enter}.inputArgs()...)
	case p.src.discontinuous():
		in, zero = []string{"-i", SourceName}, p.src.startOffset(p.src.video.StartTime)
	default:
		in = []string{"-i", SourceName}
	}
	return in, []string{fmt.Sprintf("select='gte(t,%s)'", seconds(t.shown[k]-zero))}
}
