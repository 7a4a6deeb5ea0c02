package stream

import "math"

// rates are measured bit rates in bit/s.
type rates struct{ peak, average int }

// span is a piece of media: its size in bytes and its length in seconds.
type span struct {
	bytes   int64
	seconds float64
}

// bitRates measures spans as RFC 8216 section 4.1 defines: the peak is the
// largest rate of any contiguous set of them that lasts between 0.5 and 1.5 of
// the target duration, so that a last segment of a few frames does not count
// on its own. When no set lasts so long, the average is the peak.
func bitRates(spans []span, target float64) rates {
	var total span
	for _, s := range spans {
		total.bytes += s.bytes
		total.seconds += s.seconds
	}
	peak := 0.0
	for i := range spans {
		var window span
		for _, s := range spans[i:] {
			window.bytes += s.bytes
			window.seconds += s.seconds
			if window.seconds > 1.5*target {
				break
			}
			if window.seconds >= 0.5*target {
				peak = max(peak, window.rate())
			}
		}
	}
	average := total.rate()
	return rates{peak: int(math.Ceil(max(peak, average))), average: int(math.Ceil(average))}
}

// rate is in bit/s.
func (s span) rate() float64 {
	if s.seconds <= 0 {
		return 0
	}
	return float64(s.bytes) * 8 / s.seconds
}

// spans are the segments of a track.
func (m *trackInfo) spans() []span {
	out := make([]span, len(m.segments))
	for i, s := range m.segments {
		out[i] = span{s.size, s.duration}
	}
	return out
}

// rates are those of the whole track.
func (m *trackInfo) rates(target int) rates { return bitRates(m.spans(), float64(target)) }

// bufferedRate is the rate at which a track must arrive so that a player that
// starts at any segment after buffer seconds never waits: the meaning of
// @bandwidth with @minBufferTime in DASH. It assumes that a segment is needed
// completely when its first frame is shown.
func (m *trackInfo) bufferedRate(buffer float64) int {
	worst := 0.0
	for i := range m.segments {
		var bytes int64
		for _, s := range m.segments[i:] {
			bytes += s.size
			elapsed := s.start - m.segments[i].start
			worst = max(worst, float64(bytes)*8/(buffer+elapsed))
			if elapsed > 20*buffer {
				break // it is near the average from here on
			}
		}
	}
	return int(math.Ceil(worst))
}

// targetDuration is the smallest EXT-X-TARGETDURATION that holds for all
// tracks. The length of a segment is rounded for it; old readers round it up.
func (b *packager) targetDuration() int {
	round := math.Round
	if b.version() < 6 {
		round = math.Ceil
	}
	target := 1
	for _, m := range b.tracks {
		for _, s := range m.segments {
			// Six digits are what EXTINF says.
			target = max(target, int(round(math.Round(s.duration*1e6)/1e6)))
		}
	}
	return target
}
