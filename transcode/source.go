package transcode

import (
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// source is what the planner derives from the probe once: which streams are
// used, how the picture is displayed, and how time runs.
type source struct {
	job.Media
	video *job.VideoStream // nil: none
	audio *job.AudioStream // nil: none
	file  soundFile        // audio is of it, and not of the media
	frame frame            // as displayed, after rotation
	still bool             // a single picture
}

// frame is a picture size with the shape of its pixels.
type frame struct {
	W, H int
	SAR  ratio
}

func (f frame) dar() ratio { return f.SAR.mul(int64(f.W), int64(f.H)) }

func newSource(m job.Media) *source {
	s := &source{Media: m}
	s.video, s.audio = pickVideo(m.Video), pickAudio(m.Audio)
	if s.video != nil {
		s.frame = displayFrame(*s.video)
		s.still = m.Still() || m.Duration == 0 && s.video.Frames == 1
	}
	return s
}

// pickVideo prefers the stream marked as default, as players do, and takes the
// first one otherwise. Attached pictures are not in the list.
func pickVideo(list []job.VideoStream) *job.VideoStream {
	if i := slices.IndexFunc(list, func(v job.VideoStream) bool { return v.Default && v.Width > 0 }); i >= 0 {
		return &list[i]
	}
	if i := slices.IndexFunc(list, func(v job.VideoStream) bool { return v.Width > 0 && v.Height > 0 }); i >= 0 {
		return &list[i]
	}
	return nil
}

func usableAudio(a job.AudioStream) bool {
	return a.Channels > 0 && a.Codec != "" && a.Codec != "unknown"
}

func pickAudio(list []job.AudioStream) *job.AudioStream {
	if i := slices.IndexFunc(list, func(a job.AudioStream) bool { return a.Default && usableAudio(a) }); i >= 0 {
		return &list[i]
	}
	// A description of the picture or a commentary is for those who choose it.
	forAll := func(a job.AudioStream) bool { return usableAudio(a) && !a.VisualImpaired && !a.Commentary }
	if i := slices.IndexFunc(list, forAll); i >= 0 {
		return &list[i]
	}
	if i := slices.IndexFunc(list, usableAudio); i >= 0 {
		return &list[i]
	}
	return nil
}

// displayFrame is the size as displayed. FFmpeg rotates the picture by itself at
// the head of every filter graph, so all planning is done in rotated sizes.
func displayFrame(v job.VideoStream) frame {
	sar := ratio{1, 1}
	if v.SAR.Num > 0 && v.SAR.Den > 0 {
		sar = newRatio(int64(v.SAR.Num), int64(v.SAR.Den))
	}
	if v.Rotation%180 != 0 {
		return frame{v.Height, v.Width, ratio{sar.den, sar.num}}
	}
	return frame{v.Width, v.Height, sar}
}

func (s *source) isFormat(name string) bool {
	return slices.Contains(strings.Split(s.FormatName, ","), name)
}

// discontinuous reports whether the time stamps of the container may jump. For
// such containers FFmpeg takes the start of the streams in use as zero, not that
// of the file, and mends jumps by the packets that it reads.
func (s *source) discontinuous() bool {
	for _, n := range []string{"mpegts", "mpeg", "ogg", "asf", "hls", "wtv", "rtp", "sdp"} {
		if s.isFormat(n) {
			return true
		}
	}
	return false
}

// startOffset is how late a stream starts after the beginning of the file.
func (s *source) startOffset(start float64) float64 { return max(0, start-s.StartTime) }

// videoEnd is the time at which the video ends, in seconds from the start.
func (s *source) videoEnd() float64 {
	if s.video == nil {
		return 0
	}
	if d := s.video.Duration; d > 0 {
		end := d + s.startOffset(s.video.StartTime)
		if s.Duration > 0 {
			return min(end, s.Duration)
		}
		return end
	}
	return s.Duration
}

// rate is the frame rate of the source: the nominal one when frames come
// regularly. Zero when unknown.
func (s *source) rate() format.Rational {
	if s.video == nil {
		return format.Rational{}
	}
	v := s.video
	if validRate(v.BaseFPS) && (!validRate(v.FPS) || !s.variable()) {
		return v.BaseFPS
	}
	if validRate(v.FPS) {
		return v.FPS
	}
	return format.Rational{}
}

// variable reports whether the frame rate varies: the average is off the
// nominal rate by more than a frame over the whole, which the rounding of a
// last frame's length can explain, and by more than one in a thousand.
func (s *source) variable() bool {
	v := s.video
	if v == nil {
		return false
	}
	if validRate(v.Rate) {
		return v.Irregular // measured
	}
	if !validRate(v.FPS) || !validRate(v.BaseFPS) {
		return false
	}
	base, avg := fpsFloat(v.BaseFPS), fpsFloat(v.FPS)
	if base > 240 {
		return true // a time base, not a rate
	}
	d := v.Duration
	if d == 0 {
		d = s.Duration
	}
	off := math.Abs(base - avg)
	return off*d > 1.5 && off/base > 0.001
}

func (s *source) interlaced() bool {
	switch s.video.FieldOrder {
	case "tt", "bb", "tb", "bt":
		return true
	}
	return false
}

// slowGap is from how many seconds on, for which a frame is shown, it counts
// which one is on screen at a moment: in slides the next one comes much later.
const slowGap = 0.2

func (s *source) slow() bool { return !s.still && s.longestGap() > slowGap }

// longestGap is for how many seconds a frame is shown at most: as measured, or
// where frames come regularly and nothing was measured by their rate.
func (s *source) longestGap() float64 {
	if s.video == nil {
		return 0
	}
	if rate := s.rate(); s.video.LongestGap == 0 && validRate(rate) {
		return 1 / fpsFloat(rate)
	}
	return s.video.LongestGap
}

func validRate(r format.Rational) bool { return r.Num > 0 && r.Den > 0 && fpsFloat(r) >= 0.1 }

func fpsFloat(r format.Rational) float64 { return float64(r.Num) / float64(r.Den) }

// minStreamFPS is the least frame rate of a stream, in frames a second: a player
// shows the first picture of a segment from the segment's start on, however late
// its own time is, so that slides would appear up to their whole length early.
const minStreamFPS = 10

// maxStreamFPS is streams.md rule 1.19: at most 60 frames a second in a stream.
const maxStreamFPS = 60

// lateStart is from how many seconds on a late picture is filled up. Below it
// players skip the gap. The priming of audio codecs makes such gaps in many
// files, whose renditions can then still be shared with plain files.
const lateStart = 0.1

// streamRate is the constant rate that an httpstream rendition must be brought
// to, or zero when the source already has a rate that will do.
func (s *source) streamRate() format.Rational {
	rate := s.rate()
	slides := validRate(rate) && fpsFloat(rate) < minStreamFPS
	switch {
	case validRate(s.video.Rate) && (s.video.Irregular || slides || !validRate(rate)):
		return s.video.Rate
	case !validRate(rate):
		return format.Rational{Num: 25, Den: 1}
	case slides:
		return format.Rational{Num: rate.Num * int(math.Ceil(minStreamFPS/fpsFloat(rate)-0.001)), Den: rate.Den}
	case fpsFloat(rate) > maxStreamFPS+0.01 && !s.variable():
		if rate.Den == 1001 {
			return format.Rational{Num: 60000, Den: 1001}
		}
		return format.Rational{Num: 60, Den: 1}
	case s.variable():
		return nearestStandard(s.video)
	case s.startOffset(s.video.StartTime) > lateStart:
		// The picture starts late: the fps filter fills up from zero, so that
		// audio and video cover the same time.
		return rate
	}
	return format.Rational{}
}

// nearestStandard prefers the nominal rate when that is a standard one and most
// frames are there; frames are then repeated but never dropped.
func nearestStandard(v *job.VideoStream) format.Rational {
	avg := fpsFloat(v.FPS)
	best := job.StandardRates[0]
	for _, r := range job.StandardRates {
		if r == v.BaseFPS && avg > 0.9*fpsFloat(r) {
			return r
		}
		if math.Abs(fpsFloat(r)-avg) < math.Abs(fpsFloat(best)-avg) {
			best = r
		}
	}
	return best
}
