package check

import (
	"math"
	"net/url"
)

// segment is one media segment with what was read from it. Times are in seconds
// as in the file, with edit lists applied.
type segment struct {
	at            *url.URL
	name          string
	offset, limit int64 // byte range; limit 0: all
	extinf        float64
	contentType   string
	size          int64
	err           error // it could not be read

	video, audio *facts
	tracks       int
	pictures     []picture // in decode order
	sounds       []sound
	soundBytes   int64
	faults       []string        // against its container
	counters     map[uint16]span // of TS, by PID
	parts        map[uint32]part // of fragmented MP4, by track
	pairs        bool            // each moof has its mdat
}

// picture is one frame of video.
type picture struct {
	pts, dts, length float64
	key              bool // IDR
	sync             bool // marked as a sync sample
}

// sound is one packet of audio.
type sound struct{ pts, length float64 }

// span is the first and the last continuity counter of a PID.
type span struct{ first, last uint8 }

// part is the range of a track's fragments on the decode time line, in ticks.
type part struct {
	start, end uint64
	scale      uint32
	begins     float64 // media time of the presentation's start by the edit list, seconds
}

// facts are the contents of a decoder configuration.
type facts struct {
	codec         string // as in CODECS
	entry         string // sample entry: "avc1"; "": TS
	width, height int    // as displayed
	dar           float64
	interlaced    bool
	transfer      int // of H.273
	channels      int
	rate          int // samples in a second
	inBand        bool
}

// videoRange is the VIDEO-RANGE.
func (f *facts) videoRange() string {
	switch f.transfer {
	case 16:
		return "PQ"
	case 18:
		return "HLG"
	}
	return "SDR"
}

// begin and end are the times between which pictures are shown.
func (s *segment) begin() float64 {
	t := math.Inf(1)
	for _, p := range s.pictures {
		t = min(t, p.pts)
	}
	return t
}

func (s *segment) end() float64 {
	t := math.Inf(-1)
	for _, p := range s.pictures {
		t = max(t, p.pts+p.length)
	}
	return t
}

// lastShown is when the last picture begins to be shown.
func (s *segment) lastShown() float64 {
	t := math.Inf(-1)
	for _, p := range s.pictures {
		t = max(t, p.pts)
	}
	return t
}

// lengths sets the durations of pictures of TS, which have none: the distance to
// the next picture in display order.
func lengths(list []picture) {
	if len(list) < 2 {
		for i := range list {
			list[i].length = 0.04
		}
		return
	}
	first, last := math.Inf(1), math.Inf(-1)
	for _, p := range list {
		first, last = min(first, p.pts), max(last, p.pts)
	}
	d := (last - first) / float64(len(list)-1)
	for i := range list {
		list[i].length = d
	}
}
