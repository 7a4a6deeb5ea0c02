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
	// Restart is when the clock of a stream begins anew, in seconds, in a container
	// of which ffmpeg mends no jumps: all that follows has no time any more. Zero:
	// nowhere.
	Restart float64
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
	// Times are when the frames of video begin, ascending. Nil of audio, and of
	// more than maxFrameTimes frames.
	Times []float64
	// GOPs is where video can be entered; nil of audio, and where that is not known.
	GOPs *GOPs
}

// maxTimelinePackets bounds the memory of a timeline: 16 bytes a frame. It is 50
// hours of 60 frames a second.
const maxTimelinePackets = 11_000_000

// maxFrameTimes bounds what is kept of a timeline: 40 bytes a frame. It is nine
// hours of 30 frames a second.
const maxFrameTimes = 1_000_000

// TimelineStream is a stream whose packets are read.
type TimelineStream struct {
	Index   int // in the source
	Video   bool
	Reorder int // that of VideoStream
}

// noTime is how framecrc writes that a packet has no time (AV_NOPTS_VALUE).
const noTime = math.MinInt64

// ReadTimeline reads what ffmpeg's framecrc muxer writes of copied streams:
// "stream, dts, pts, duration, size, checksum, flags" in the stream's time base, which
// the header lines tell. streams are those of the source in the order in which they
// were mapped.
// (ffmpeg's libavformat/framecrcenc.c.)
func ReadTimeline(r io.Reader, streams []TimelineStream) (Timeline, error) {
	bases := make([]format.Rational, len(streams))
	type times struct {
		count         int64
		pts, duration []int64  // of those with a time
		packets       []Packet // of video
		restarts      restart
		untimed       untimed
	}
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
		s.count++
		if fields[1] == noTime && fields[2] == noTime {
			continue
		}
		flags := packetFlags(line)
		shown := s.untimed.shown(len(s.pts), len(s.packets), fields)
		if flags&discardFlag == 0 {
			s.pts, s.duration = append(s.pts, shown), append(s.duration, fields[3])
		}
		s.restarts.add(fields[1], fields[3])
		if streams[fields[0]].Video && len(s.packets) <= maxFrameTimes {
			s.packets = append(s.packets, Packet{Time: shown, Duration: fields[3], Bytes: fields[4], Key: flags&keyFlag != 0})
		}
	}
	if err := scan.Err(); err != nil {
		return Timeline{}, fmt.Errorf("read timeline: %w", err)
	}
	t := Timeline{Streams: map[int]StreamTimeline{}}
	for i, s := range all {
		s.untimed.mend(streams[i].Reorder, s.pts, s.packets)
		tick := float64(bases[i].Num) / float64(max(1, bases[i].Den))
		stream := streamTimeline(s.pts, s.duration, tick, streams[i].Video)
		if len(s.pts) > 0 {
			stream.Packets = s.count
		}
		if len(s.packets) <= maxFrameTimes {
			stream.GOPs = NewGOPs(s.packets, tick, 0)
		}
		t.Streams[streams[i].Index] = stream
		if r := s.restarts; t.Restart == 0 && float64(r.longest)*tick >= 1 {
			t.Restart = float64(r.at) * tick
		}
	}
	return t, nil
}

// untimed are the packets of a stream that have no presentation time, as many have in AVI
// and MPEG-PS, and those at times before zero in Matroska. They are decoded in order.
type untimed struct {
	packets []untimedPacket
	// next is when the packets are decoded that are shown later than that.
	next []int64
	end  int64 // when the last packet ends
}

// untimedPacket is a packet with its places in the lists of times, of packets and in
// untimed.next.
type untimedPacket struct {
	time, packet, next int
	dts, duration      int64
}

// shown is when a packet with these fields is shown, for all that is known so far, and
// where it is in the lists of times and of packets.
func (u *untimed) shown(time, packet int, fields [5]int64) int64 {
	dts, pts, duration := fields[1], fields[2], max(0, fields[3])
	if dts != noTime {
		u.end = max(u.end, dts+duration)
		if dts != pts {
			u.next = append(u.next, dts)
		}
	}
	if pts != noTime {
		return pts
	}
	u.packets = append(u.packets, untimedPacket{time, packet, len(u.next), dts, duration})
	return dts
}

// mend says when the packets are shown, as ffmpeg's decoders do. Without a pyramid of
// B-frames those have no time that others refer to: such a one is shown when the next of
// them is decoded. With one a picture is as late as the reordering is deep; which comes
// first is not known then, but the times of all are.
func (u *untimed) mend(reorder int, times []int64, packets []Packet) {
	for _, p := range u.packets {
		at := p.dts + int64(reorder)*p.duration
		if reorder == 1 {
			at = u.end
			if p.next < len(u.next) {
				at = u.next[p.next]
			}
		}
		if p.time < len(times) {
			times[p.time] = at
		}
		if p.packet < len(packets) {
			packets[p.packet].Time = at
		}
	}
}

// restart finds where time stands still: ffmpeg gives every packet after a jump back
// the decode time of the last one before.
type restart struct {
	dts, lasted int64 // of the packets with the same decode time
	at, longest int64 // of the longest such row
}

func (r *restart) add(dts, duration int64) {
	if dts != r.dts {
		r.dts, r.lasted = dts, 0
	}
	r.lasted += duration
	if r.lasted > duration && r.lasted > r.longest {
		r.at, r.longest = dts, r.lasted
	}
}

// timeBaseLine reads "0: 1/90000".
func timeBaseLine(s string) (stream int, base format.Rational, ok bool) {
	_, err := fmt.Sscanf(s, "%d: %d/%d", &stream, &base.Num, &base.Den)
	return stream, base, err == nil && stream >= 0 && base.Num > 0 && base.Den > 0
}

// The flags of a packet (ffmpeg's libavcodec/packet.h).
const (
	keyFlag     = 1 << 0
	discardFlag = 1 << 2 // decoded and not shown: an edit list leaves it out
)

// packetFlags reads the flags in a line. The muxer writes them where they are others
// than AV_PKT_FLAG_KEY alone (ffmpeg's libavformat/framecrcenc.c).
func packetFlags(line []byte) uint64 {
	_, flags, found := bytes.Cut(line, []byte(", F=0x"))
	if !found {
		return keyFlag
	}
	flags, _, _ = bytes.Cut(flags, []byte(","))
	n, err := strconv.ParseUint(string(bytes.TrimSpace(flags)), 16, 32)
	if err != nil {
		return 0
	}
	return n
}

// firstInts reads stream, dts, pts, duration and size.
func firstInts(line []byte) (out [5]int64, ok bool) {
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
	var t StreamTimeline
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
		pts = slices.Compact(pts)
		t.frames(pts, tick)
		for _, p := range pts[:min(len(pts), maxFrameTimes+1)] {
			t.Times = append(t.Times, float64(p)*tick)
		}
		if len(t.Times) > maxFrameTimes {
			t.Times = nil
		}
		t.LongestGap = max(t.LongestGap, t.End-t.LastStart)
	}
	return t
}
