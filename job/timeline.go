package job

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/format"
)

// Timeline is what all packets of a file say about its time, where ffprobe only
// estimates, believes a header or reads the first and the last time stamp. Zero
// is the start of the file as ffmpeg counts it, gaps and jumps mended as ffmpeg
// mends them when it decodes.
type Timeline struct {
	Streams map[int]StreamTimeline // by index in the file
}

// StreamTimeline is the time of one stream, in seconds.
type StreamTimeline struct {
	Packets    int64 // 0: the stream is declared and empty
	Start, End float64
	// LastStart is when the last frame begins. Of some containers its length,
	// and so End, is a guess.
	LastStart float64
	// Rate is the nominal frame rate of video: the standard rate at which every
	// frame has a place of its own. Zero when there are too few frames to tell.
	Rate format.Rational
	// Irregular says that frames of video are not all the same time apart.
	Irregular bool
	// LongestGap is for how long a frame of video is shown at most.
	LongestGap float64
}

// maxTimelinePackets bounds the memory of a timeline: 16 bytes a frame. It is 50
// hours of 60 frames a second.
const maxTimelinePackets = 11_000_000

// ReadTimeline reads what ffmpeg's framecrc muxer writes of copied streams:
// "stream, dts, pts, duration, size, checksum" in the stream's time base, which
// the header lines tell. streams are the indices in the source of the streams in
// the order in which they were mapped, video says which of them are video.
// (ffmpeg's libavformat/framecrcenc.c.)
func ReadTimeline(r io.Reader, streams []int, video []bool) (Timeline, error) {
	bases := make([]format.Rational, len(streams))
	type times struct{ pts, duration []int64 }
	all := make([]times, len(streams))
	total := 0
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := scan.Bytes()
		if rest, ok := bytes.CutPrefix(line, []byte("#tb ")); ok {
			n, base, ok := timeBaseLine(string(rest))
			if !ok || n >= len(streams) {
				return Timeline{}, fmt.Errorf("read timeline: time base %q", line)
			}
			bases[n] = base
			continue
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		fields, ok := firstInts(line)
		if !ok || fields[0] < 0 || fields[0] >= int64(len(streams)) {
			return Timeline{}, fmt.Errorf("read timeline: packet %.80q", line)
		}
		if total++; total > maxTimelinePackets {
			return Timeline{}, InputErrorf(InputNotValid, "has more than %d frames, which is more than can be measured", maxTimelinePackets)
		}
		s := &all[fields[0]]
		s.pts, s.duration = append(s.pts, fields[2]), append(s.duration, fields[3])
	}
	if err := scan.Err(); err != nil {
		return Timeline{}, fmt.Errorf("read timeline: %w", err)
	}
	t := Timeline{Streams: map[int]StreamTimeline{}}
	for i, s := range all {
		tick := float64(bases[i].Num) / float64(max(1, bases[i].Den))
		t.Streams[streams[i]] = streamTimeline(s.pts, s.duration, tick, video[i])
	}
	return t, nil
}

// timeBaseLine reads "0: 1/90000".
func timeBaseLine(s string) (stream int, base format.Rational, ok bool) {
	_, err := fmt.Sscanf(s, "%d: %d/%d", &stream, &base.Num, &base.Den)
	return stream, base, err == nil && stream >= 0 && base.Num > 0 && base.Den > 0
}

// firstInts reads stream, dts, pts and duration.
func firstInts(line []byte) (out [4]int64, ok bool) {
	for i := range out {
		field, rest, found := bytes.Cut(line, []byte(","))
		if !found {
			return out, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(field)), 10, 64)
		if err != nil {
			return out, false
		}
		out[i], line = n, rest
	}
	return out, true
}

func streamTimeline(pts, duration []int64, tick float64, video bool) StreamTimeline {
	t := StreamTimeline{Packets: int64(len(pts))}
	if len(pts) == 0 {
		return t
	}
	first, last, end := int64(math.MaxInt64), int64(math.MinInt64), int64(math.MinInt64)
	for i, p := range pts {
		first, last, end = min(first, p), max(last, p), max(end, p+max(0, duration[i]))
	}
	t.Start, t.LastStart, t.End = float64(first)*tick, float64(last)*tick, float64(end)*tick
	if video {
		slices.Sort(pts)
		t.frames(slices.Compact(pts), tick)
		t.LongestGap = max(t.LongestGap, t.End-t.LastStart)
	}
	return t
}

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
	t.Rate = nominalRate(seconds, usual)
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

// nominalRate is the standard rate nearest to the usual step, or the first above
// it at which no frame has to wait for longer than a frame for a place of its own.
func nominalRate(times []float64, usual float64) format.Rational {
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
	for _, r := range StandardRates[nearest:] {
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
	if concentration(times, StandardRates[film]) > 1.05*concentration(times, StandardRates[whole]) {
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

// Estimated reports whether ffprobe's duration of a file is an estimate, or what
// a header claims, so that only its packets can tell. Formats without an index
// are estimated from the bit rate at their beginning; of transport and program
// streams ffprobe compares the first and the last time stamp, between which they
// may have jumped; live recordings say nothing.
func (m *Media) Estimated() bool {
	if m.Still() || len(m.Video)+len(m.Audio) == 0 {
		return false
	}
	if m.Duration == 0 {
		return true
	}
	for name := range strings.SplitSeq(m.FormatName, ",") {
		if slices.Contains(estimatedFormats, name) {
			return true
		}
	}
	return m.emptyTrack()
}

// estimatedFormats are ffprobe's names of demuxers whose duration is not to be
// believed.
var estimatedFormats = []string{
	"aac", "ac3", "eac3", "dts", "dtshd", "truehd", "mp3", "amr", "h264", "hevc", "m4v", "mpegvideo",
	"mpegts", "mpeg", "flv", "live_flv", "avi",
}

// emptyTrack reports whether a track of an index is declared without any sample.
// ffprobe shows such a track without a number of frames and without a duration.
func (m *Media) emptyTrack() bool {
	if !strings.Contains(m.FormatName, "mp4") {
		return false
	}
	empty := func(frames int64, duration float64) bool { return frames == 0 && duration == 0 }
	return slices.ContainsFunc(m.Video, func(v VideoStream) bool { return empty(v.Frames, v.Duration) }) ||
		slices.ContainsFunc(m.Audio, func(a AudioStream) bool { return empty(a.Frames, a.Duration) })
}

// NeedsTimeline reports whether a plan for the file needs its timeline: its
// length is an estimate, a track may be empty, or the frames of its video may come
// irregularly.
func (m *Media) NeedsTimeline() bool {
	return m.Estimated() || m.uncounted() || slices.ContainsFunc(m.Video, func(v VideoStream) bool { return v.MayVary() })
}

// uncounted reports whether an MP4 or Matroska file does not say how many frames a
// track has. A track of a fragmented MP4 may then be empty, although it has a
// duration. The rate of Matroska is what a header claims (DefaultDuration), and
// ffprobe shows it as both of its rates.
func (m *Media) uncounted() bool {
	return (strings.Contains(m.FormatName, "mp4") || strings.Contains(m.FormatName, "matroska") && len(m.Video) > 0) &&
		(slices.ContainsFunc(m.Video, func(v VideoStream) bool { return v.Frames == 0 }) ||
			slices.ContainsFunc(m.Audio, func(a AudioStream) bool { return a.Frames == 0 }))
}

// MayVary reports whether the two frame rates that ffprobe gives do not agree
// that frames come regularly. Where time stamps are fine and frames irregular it
// shows the time base as a rate, which is left out as implausible.
func (v VideoStream) MayVary() bool {
	if v.FPS.Num <= 0 || v.BaseFPS.Num <= 0 {
		return true
	}
	return v.FPS != v.BaseFPS
}

// Measure brings in what a pass over all packets has shown. Streams without a
// packet are taken for absent. The lengths in Raw, which clients get, follow
// where ffprobe only estimated them.
func (m *Media) Measure(t Timeline) {
	estimated := m.Estimated()
	absent := func(index int) bool {
		s, ok := t.Streams[index]
		return ok && s.Packets == 0
	}
	m.Video = slices.DeleteFunc(m.Video, func(v VideoStream) bool { return absent(v.Index) })
	m.Audio = slices.DeleteFunc(m.Audio, func(a AudioStream) bool { return absent(a.Index) })
	end := 0.0
	for i := range m.Video {
		v := &m.Video[i]
		s, ok := t.Streams[v.Index]
		if !ok {
			continue
		}
		v.Rate, v.Irregular, v.LongestGap, v.Frames = s.Rate, s.Irregular, s.LongestGap, s.Packets
		if estimated {
			v.StartTime, v.Duration = m.StartTime+s.Start, s.End-s.Start
		}
		end = max(end, s.End)
	}
	for i := range m.Audio {
		a := &m.Audio[i]
		s, ok := t.Streams[a.Index]
		if !ok {
			continue
		}
		a.Frames = s.Packets
		if estimated {
			a.StartTime, a.Duration = m.StartTime+s.Start, s.End-s.Start
		}
		end = max(end, s.End)
	}
	if estimated && end > 0 {
		m.Duration = end
		m.Raw = withDuration(m.Raw, end)
	}
}

// withDuration returns raw with another format.duration. All else stays byte for
// byte.
func withDuration(raw []byte, seconds float64) []byte {
	text := []byte(strconv.Quote(strconv.FormatFloat(seconds, 'f', 6, 64)))
	object, at, ok := member(raw, "format")
	if !ok {
		return raw
	}
	if value, inner, ok := member(object, "duration"); ok {
		from := int(at + inner)
		return slices.Concat(raw[:from], text, raw[from+len(value):])
	}
	closing := int(at) + len(object) - 1
	comma := ","
	if len(bytes.TrimSpace(object)) == 2 {
		comma = ""
	}
	return slices.Concat(raw[:closing], []byte(comma+`"duration":`), text, raw[closing:])
}
