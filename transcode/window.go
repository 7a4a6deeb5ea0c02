package transcode

import (
	"math"

	"github.com/copra-video/copra/job"
)

// window is a part of the source's time line, in seconds. A length of 0 reaches
// to the end.
type window struct{ offset, length float64 }

// newWindow cuts a wanted part to what the source has, so that the whole source
// has one spelling.
func newWindow(offset, length, total float64) (window, *job.Error) {
	if offset < 0 {
		offset = 0
	}
	if total > 0 && offset >= total {
		return window{}, job.Errorf(job.OutputParamNotValid, "The offset of %s s lies beyond the end of the input, which lasts %s s.", seconds(offset), seconds(math.Round(total*1000)/1000))
	}
	if length <= 0 || total > 0 && offset+length >= total {
		length = 0
	}
	return window{offset, length}, nil
}

// inputArgs open the source at the window by seeking to the keyframe before it.
func (w window) inputArgs() []string {
	var args []string
	if w.offset > 0 {
		args = append(args, "-ss", seconds(w.offset))
	}
	if w.length > 0 {
		args = append(args, "-t", seconds(w.length))
	}
	return append(args, "-i", SourceName)
}

// preRoll is how many seconds earlier a source without an index is entered.
const preRoll = 20

// openSource returns the arguments that open the source at w, and those that
// every output needs besides. Formats without an index are entered anywhere, and
// the decoder has to wait for a keyframe: there the seek ends earlier, and the
// outputs drop what is too much.
func (p *planner) openSource(w window) (in, out []string) {
	if w == (window{}) || !p.NoSeek && !p.src.discontinuous() {
		return w.inputArgs(), nil
	}
	early := p.entry(w.offset)
	if w.offset > early {
		out = append(out, "-ss", seconds(w.offset-early))
	}
	if w.length > 0 {
		out = append(out, "-t", seconds(w.length))
	}
	return window{offset: early}.inputArgs(), out
}

// entry is where a source is entered whose picture at a moment is wanted.
func (p *planner) entry(moment float64) float64 {
	switch {
	case p.NoSeek:
		return 0
	case p.src.discontinuous():
		return max(0, moment-preRoll)
	}
	return moment
}

// duration of the window in a source that lasts total seconds.
func (w window) duration(total float64) float64 {
	if w.length > 0 {
		return w.length
	}
	return max(0, total-w.offset)
}
