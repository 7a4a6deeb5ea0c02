package transcode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode/encoder"
)

// Weights say how many bits the cells of the time line deserve, relative to one
// another. A cell is KeyframeSeconds long, and the first begins with the first frame.
// Only an encode to a bitrate in chunks asks for them: a chunk gets the rate that an
// encode of the whole would give to its part. The zero value weighs all cells alike.
type Weights []float64

// weightExponent is by how much the bits of a cell grow with how hard it is to
// encode. x264 and x265 have the same default (qcomp, doc/ratecontrol.txt of x264): a
// hard scene gets more bits than an easy one, but not so many that it looks as good.
const weightExponent = 0.6

// ReadWeights makes the weights from the packets of the source's video: how hard a
// part is to encode shows in what its maker spent on it. It reads what FFmpeg's muxer
// framecrc has written of that stream alone.
func ReadWeights(r io.Reader) (Weights, error) {
	var tick float64
	var times, sizes []float64
	for scan := bufio.NewScanner(r); scan.Scan(); {
		var num, den, stream, dts, pts, duration, size int64
		line := scan.Text()
		if _, err := fmt.Sscanf(line, "#tb 0: %d/%d", &num, &den); err == nil && num > 0 && den > 0 {
			tick = float64(num) / float64(den)
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%d, %d, %d, %d, %d", &stream, &dts, &pts, &duration, &size); err != nil {
			return nil, fmt.Errorf("read packet %.80q: %w", line, err)
		}
		times, sizes = append(times, float64(pts)*tick), append(sizes, float64(size))
	}
	if len(times) == 0 || tick == 0 {
		return nil, errors.New("the list of packets is empty")
	}
	first := slices.Min(times)
	for i := range times {
		times[i] -= first
	}
	return newWeights(times, sizes), nil
}

// newWeights makes weights from the bytes of packets and their times in seconds from the
// first frame. They come in any order.
func newWeights(times, sizes []float64) Weights {
	var bytes []float64
	for i, at := range times {
		cell := int((at + gridTolerance) / encoder.KeyframeSeconds)
		if cell > maxWeights {
			return nil // no film is so long: the times are wrong
		}
		for len(bytes) <= cell {
			bytes = append(bytes, 0)
		}
		bytes[cell] += sizes[i]
	}
	w := make(Weights, len(bytes))
	for i, b := range bytes {
		w[i] = math.Pow(max(1, b), weightExponent)
	}
	return w
}

// maxWeights is four days of cells.
const maxWeights = 4 * 24 * 3600 / encoder.KeyframeSeconds

// mean is the mean weight of the part from one second to another; to is 0 for the end.
func (w Weights) mean(from, to int) float64 {
	first, end := min(from/encoder.KeyframeSeconds, len(w)), len(w)
	if to > 0 {
		end = min((to+encoder.KeyframeSeconds-1)/encoder.KeyframeSeconds, len(w))
	}
	if first >= end {
		return 1
	}
	sum := 0.0
	for _, x := range w[first:end] {
		sum += x
	}
	return sum / float64(end-first)
}

// The rate of a chunk is bounded by that of the whole, as a factor, and by its maxrate,
// of which an encoder cannot use all.
const (
	leastChunkRate  = 0.3
	mostChunkRate   = 3
	mostOfMaxrate   = 0.95
	chunkRateRounds = 8
)

// chunkRates are the bitrates of a rendition in the chunks, in kbit/s; nil when
// it has none. Weighted by the lengths of the chunks their mean is the bitrate.
func (p *planner) chunkRates(r rendition) []int {
	rate := r.encoder.Rate(r.settings)
	if r.settings.CRF > 0 || rate.BitrateK <= 0 || r.encoder.Codec().IntraOnly {
		return nil
	}
	most := mostChunkRate * float64(rate.BitrateK)
	if rate.MaxrateK > 0 {
		most = min(most, max(float64(rate.BitrateK), mostOfMaxrate*float64(rate.MaxrateK)))
	}
	least := leastChunkRate * float64(rate.BitrateK)
	seconds, weights := make([]float64, len(p.chunks)), make([]float64, len(p.chunks))
	total := 0.0
	for i, c := range p.chunks {
		seconds[i], weights[i] = p.chunkSeconds(c), p.Weights.mean(c.from, c.to)
		total += seconds[i]
	}
	// What a bound takes from some chunks goes to the others.
	rates, scale := make([]float64, len(p.chunks)), float64(rate.BitrateK)/p.Weights.mean(0, 0)
	for range chunkRateRounds {
		spent := 0.0
		for i := range rates {
			rates[i] = min(max(scale*weights[i], least), most)
			spent += rates[i] * seconds[i]
		}
		scale *= float64(rate.BitrateK) * total / spent
	}
	out := make([]int, len(rates))
	for i, k := range rates {
		out[i] = max(1, int(math.Round(min(most, k*p.warmUpShare(r, p.chunks[i])))))
	}
	return out
}

// warmUpShare is the factor between the rate of a chunk and the rate of what its encoder
// makes, which begins with the warm-up.
func (p *planner) warmUpShare(r rendition, c chunk) float64 {
	if len(p.Weights) == 0 {
		return 1
	}
	return p.Weights.mean(max(0, c.from-p.warmUp(r)), c.to) / p.Weights.mean(c.from, c.to)
}

// inTwoPasses reports whether the chunks of a rendition are encoded in two passes each.
// An encoder of one pass keeps to a bitrate by what it has seen, and knows nothing of
// the chunks before its own: it begins with a guess, and pays for that afterwards.
func (p *planner) inTwoPasses(r rendition) bool {
	return r.settings.CRF == 0 && r.settings.BitrateK > 0 && r.encoder.Codec().TwoPass && r.encoder.Backend == encoder.Software
}

// passOf is the pass in which a rendition is encoded into its file: 2 after a first one,
// 0 for the only one.
func (p *planner) passOf(v *renditionNode, c chunk) int {
	if v.key.twoPass || !c.whole() && p.inTwoPasses(v.key) {
		return 2
	}
	return 0
}

// bitrateIn is the bitrate of a rendition in a chunk in kbit/s; 0: that of its settings.
func (p *planner) bitrateIn(r rendition, c chunk) int {
	if c.whole() {
		return 0
	}
	if rates := p.chunkRates(r); rates != nil {
		return rates[c.number-1]
	}
	return 0
}

// weighed is the stream whose packets would change the plan by Options.Weights, since a
// rendition is made of chunks with a bitrate; nil: none.
func (p *planner) weighed() *int {
	for _, g := range p.decodeGroups {
		for _, v := range g.videos {
			if v.chunked && p.chunkRates(v.key) != nil {
				return &p.src.video.Index
			}
		}
	}
	return nil
}
