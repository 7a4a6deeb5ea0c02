package job

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Estimated reports whether ffprobe's duration of a file is an estimate, or what
// a header claims, so that only its packets can tell. Formats without an index
// are estimated from the bit rate at their beginning; of transport and program
// streams ffprobe compares the first and the last time stamp, between which they
// may have jumped, and of Ogg it takes the last, which counts anew in each of
// several recordings in a row; of ASF it counts from zero, wherever the clock begins;
// live recordings say nothing.
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
	return m.emptyTrack() || m.delayedTrack()
}

// delayedTrack reports whether an edit list delays a track. Where it takes something off
// too, ffprobe counts the delay as a part of the track's duration.
func (m *Media) delayedTrack() bool {
	if !strings.Contains(m.FormatName, "mp4") {
		return false
	}
	const late = 0.1 // seconds: more than reordering and priming
	return slices.ContainsFunc(m.Video, func(v VideoStream) bool { return v.StartTime > late }) ||
		slices.ContainsFunc(m.Audio, func(a AudioStream) bool { return a.StartTime > late })
}

// estimatedFormats are ffprobe's names of demuxers whose duration is not to be
// believed.
var estimatedFormats = []string{
	"aac", "ac3", "eac3", "dts", "dtshd", "truehd", "mp3", "amr", "h264", "hevc", "m4v", "mpegvideo",
	"mpegts", "mpeg", "flv", "live_flv", "avi", "ogg", "asf",
}

// emptyTrack reports whether a track of an index is declared without any sample.
// ffprobe shows such a track without a duration, and so one whose edit list leaves all out.
func (m *Media) emptyTrack() bool {
	if !strings.Contains(m.FormatName, "mp4") {
		return false
	}
	return slices.ContainsFunc(m.Video, func(v VideoStream) bool { return v.Duration == 0 }) ||
		slices.ContainsFunc(m.Audio, func(a AudioStream) bool { return a.Duration == 0 })
}

// claimed reports whether the header of a file of sound says how long it is, which is more
// than there is where the file was cut.
func (m *Media) claimed() bool { return slices.Contains(claimingFormats, m.FormatName) }

// claimingFormats are ffprobe's names of demuxers of sound that believe such a header.
var claimingFormats = []string{"flac", "wv", "tta", "aiff", "au", "ape", "tak"}

// NeedsTimeline reports whether a plan for the file needs its timeline: its
// length is an estimate, or a claim, a track may be empty, or the frames of its video may come
// irregularly.
func (m *Media) NeedsTimeline() bool {
	return m.Estimated() || m.claimed() || m.uncounted() || slices.ContainsFunc(m.Video, func(v VideoStream) bool { return v.MayVary() })
}

// LacksOnlyTimes reports whether a timeline would show nothing but when the frames of the video
// come: the file is an MP4, whose index says how long its tracks are and how many frames they
// have.
func (m *Media) LacksOnlyTimes() bool {
	return m.NeedsTimeline() && strings.Contains(m.FormatName, "mp4") && !m.Estimated() && !m.uncounted()
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
// shows the time base as a rate, which is left out as implausible. Of slides the
// rates say little: often there are too few to tell.
func (v VideoStream) MayVary() bool {
	if v.FPS.Num <= 0 || v.BaseFPS.Num <= 0 || v.FPS.Num < slidesFPS*v.FPS.Den {
		return true
	}
	return v.FPS != v.BaseFPS
}

// slidesFPS is below how many frames a second video is measured.
const slidesFPS = 5

// Measure brings in what a pass over all packets has shown. Streams without a
// packet are taken for absent, and so is video of a single frame beside other video: it is
// a cover that is not marked as one. The lengths in Raw, which clients get, follow where
// ffprobe only estimated them.
func (m *Media) Measure(t Timeline) {
	estimated := m.Estimated()
	m.Restart = t.Restart
	absent := func(index int) bool {
		s, ok := t.Streams[index]
		return ok && s.Packets == 0
	}
	films := slices.ContainsFunc(m.Video, func(v VideoStream) bool { return t.Streams[v.Index].Packets > 1 })
	m.Video = slices.DeleteFunc(m.Video, func(v VideoStream) bool { return absent(v.Index) || films && t.Streams[v.Index].Packets == 1 })
	m.Audio = slices.DeleteFunc(m.Audio, func(a AudioStream) bool { return absent(a.Index) })
	end := 0.0
	for i := range m.Video {
		v := &m.Video[i]
		s, ok := t.Streams[v.Index]
		if !ok {
			continue
		}
		v.Rate, v.Irregular, v.LongestGap, v.Times, v.Frames, v.GOPs = s.Rate, s.Irregular, s.LongestGap, s.Times, s.Packets, s.GOPs
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
	if m.claimed() && end < m.Duration-max(0.5, 0.02*m.Duration) {
		m.Cut = end
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
