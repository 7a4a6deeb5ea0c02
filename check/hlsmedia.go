package check

import (
	"errors"
	"math"
	"strings"
)

// Tolerances of measured times, in seconds.
const (
	slack       = 0.0015 // rounding of EXTINF and of time stamps
	edgeSlack   = 0.1    // of audio, whose frames do not divide segments
	keyInterval = 2.0
)

// playlists returns all playlists with media, each once.
func (s *hlsStream) playlists() []*playlist {
	var out []*playlist
	seen := map[*playlist]bool{}
	add := func(p *playlist) {
		if p != nil && !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	for _, v := range s.variants {
		add(v.playlist)
	}
	for _, r := range s.audios {
		add(r.playlist)
	}
	return out
}

// video is what the segments say of the video. It is nil if there is none.
func (p *playlist) video() *facts {
	for _, s := range p.segments {
		if s.video != nil {
			return s.video
		}
	}
	return nil
}

func (p *playlist) audio() *facts {
	for _, s := range p.segments {
		if s.audio != nil {
			return s.audio
		}
	}
	return nil
}

func (p *playlist) total() float64 {
	sum := 0.0
	for _, s := range p.segments {
		sum += s.extinf
	}
	return sum
}

// frame is the usual distance of pictures, or the length of a packet of audio.
func (p *playlist) frame() float64 {
	n, first, last := 0, math.Inf(1), math.Inf(-1)
	for _, s := range p.segments {
		for _, pic := range s.pictures {
			n++
			first, last = min(first, pic.pts), max(last, pic.pts)
		}
	}
	if n > 1 {
		return (last - first) / float64(n-1)
	}
	shortest := 0.04 // the first packet may last until the sound begins
	for _, s := range p.segments {
		for _, f := range s.sounds {
			if f.length > 0 {
				shortest = min(shortest, f.length)
			}
		}
	}
	return shortest
}

// media checks all media playlists and segments.
func (s *hlsStream) media() {
	for _, p := range s.playlists() {
		p.unwrap()
		s.tags(p)
		for _, seg := range p.segments {
			s.contentType("10.4", seg.at, seg.contentType)
			if p.locked {
				continue
			}
			if len(p.keys) > 0 {
				s.hold("AES", seg.err == nil, seg.name, "%v", seg.err)
			}
			if seg.err != nil {
				rule := "7.2"
				if errors.Is(seg.err, errNoMap) {
					rule = "8.20"
				}
				s.fail(rule, seg.name, "%v", seg.err)
			}
		}
		s.container(p)
		s.pictures(p)
		s.sound(p)
		s.durations(p)
	}
	s.subtitles()
	s.alignment()
	var starts starts
	for _, p := range s.playlists() {
		for _, seg := range p.segments {
			starts.add(p.name, seg.parts)
		}
	}
	s.inStep("A.3", starts)
}

// unwrap makes time stamps of TS continuous. They wrap around after 26.5 hours.
func (p *playlist) unwrap() {
	const turn = float64(1<<33) / 90000
	last := math.NaN()
	for _, s := range p.segments {
		for i := range s.pictures {
			for !math.IsNaN(last) && s.pictures[i].pts < last-turn/2 {
				s.pictures[i].pts += turn
				s.pictures[i].dts += turn
			}
			last = s.pictures[i].pts
		}
	}
	last = math.NaN()
	for _, s := range p.segments {
		for i := range s.sounds {
			for !math.IsNaN(last) && s.sounds[i].pts < last-turn/2 {
				s.sounds[i].pts += turn
			}
			last = s.sounds[i].pts
		}
	}
}

func (s *hlsStream) tags(p *playlist) {
	s.hold("8.6", strings.Contains(p.raw, "#EXT-X-PLAYLIST-TYPE:VOD") && strings.Contains(p.raw, "#EXT-X-ENDLIST"), p.name,
		"EXT-X-PLAYLIST-TYPE:VOD or EXT-X-ENDLIST is missing")
	if p.fragmented {
		s.applies("8.20")
	}
	target := float64(p.target)
	if p.total() > 6.5 {
		s.hold("7.5", target == 6, p.name, "the target duration is %g s", target)
	}
	for _, seg := range p.segments {
		s.hold("7.7", seg.extinf <= target+0.5, seg.name, "it lasts %.3f s, the target is %g s", seg.extinf, target)
	}
}

// container checks what is specific to TS and to fragmented MP4.
func (s *hlsStream) container(p *playlist) {
	counters := map[uint16]uint8{}
	parts := map[uint32]uint64{}
	for _, seg := range p.segments {
		if seg.err != nil || p.locked {
			continue
		}
		for pid, c := range seg.counters {
			s.applies("7.1")
			if last, seen := counters[pid]; seen && c.first != (last+1)&15 {
				s.fail("7.1", seg.name, "PID %d begins with the continuity counter %d after %d", pid, c.first, last)
			}
			counters[pid] = c.last
		}
		for id, c := range seg.parts {
			s.applies("7.3")
			if end, seen := parts[id]; seen && c.start != end {
				s.fail("7.3", seg.name, "tfdt is %d and not %d", c.start, end)
			}
			parts[id] = c.end
		}
		rule := "7.3"
		if seg.counters != nil {
			rule = "7.1"
		}
		for _, f := range seg.faults {
			s.fail(rule, seg.name, "%s", f)
		}
	}
}

// pictures checks the rules about frames of video.
func (s *hlsStream) pictures(p *playlist) {
	v := p.video()
	if v == nil {
		return
	}
	hevc := strings.HasPrefix(v.codec, "hvc1") || strings.HasPrefix(v.codec, "hev1") || strings.HasPrefix(v.entry, "h")
	if hevc {
		s.hold("1.5", v.entry == "hvc1", p.name, "HEVC is in %s", orTS(v.entry))
	} else if v.entry != "" && v.entry != "vp09" && v.entry != "av01" {
		s.hold("1.10", v.entry == "avc1" && !v.inBand, p.name, "the sample entry is %s", v.entry)
	}
	s.hold("1.14", !v.interlaced, p.name, "the picture is coded interlaced")
	frame := p.frame()
	s.hold("1.19", 1/frame < 60.5, p.name, "%.2f frames a second", 1/frame)
	lastKey, next, shown := math.NaN(), math.NaN(), math.NaN()
	for _, seg := range p.segments {
		if len(seg.pictures) == 0 {
			continue
		}
		s.hold("7.4", seg.pictures[0].key, seg.name, "its first frame is no IDR")
		s.hold("9.12", seg.pictures[0].key, seg.name, "its first frame needs another one")
		if b := seg.begin(); !math.IsNaN(next) {
			// The last sample of a segment in decode order may last until the first of
			// the next is decoded, which says nothing of what is shown.
			off := min(math.Abs(b-next), math.Abs(b-shown-frame))
			s.hold("7.2", off < frame/2+slack, seg.name, "its first frame is shown at %.3f s, the one before it ends at %.3f s", b, next)
		}
		next, shown = seg.end(), seg.lastShown()
		for _, pic := range seg.pictures {
			if !pic.key {
				continue
			}
			if !math.IsNaN(lastKey) {
				s.hold("1.13", pic.pts-lastKey <= keyInterval+frame+slack, seg.name, "an IDR comes %.3f s after the one before", pic.pts-lastKey)
			}
			lastKey = pic.pts
		}
	}
	if !math.IsNaN(lastKey) && !math.IsNaN(next) {
		s.hold("1.13", next-lastKey <= keyInterval+frame+slack, p.name, "there is no IDR in the last %.3f s", next-lastKey)
	}
}

func orTS(entry string) string {
	if entry == "" {
		return "TS"
	}
	return entry
}

// sound checks the rules about frames of audio.
func (s *hlsStream) sound(p *playlist) {
	a := p.audio()
	if a == nil {
		return
	}
	next := math.NaN()
	bytes, seconds := 0.0, 0.0
	for _, seg := range p.segments {
		for i, f := range seg.sounds {
			if !math.IsNaN(next) {
				s.hold("A.1", math.Abs(f.pts-next) < f.length/2, seg.name, "frame %d of audio is at %.4f s, the one before it ends at %.4f s", i, f.pts, next)
			}
			next = f.pts + f.length
			seconds += f.length
		}
		bytes += float64(seg.soundBytes)
	}
	if seconds == 0 {
		return
	}
	k := bytes * 8 / seconds / 1000
	switch a.codec {
	case "mp4a.40.5", "mp4a.40.29":
		s.hold("2.4", k <= 66, p.name, "HE-AAC has %.0f kbit/s", k)
	case "mp4a.40.2":
		if a.channels == 2 && seconds > 1 {
			// Silence needs less than its target rate, which is no fault.
			s.hold("2.9", k <= 176, p.name, "stereo AAC has %.0f kbit/s", k)
		}
	}
}

// durations compares EXTINF with the measured durations.
func (s *hlsStream) durations(p *playlist) {
	begin, end := math.Inf(1), math.Inf(-1)
	for _, seg := range p.segments {
		if len(seg.pictures) > 0 {
			begin, end = min(begin, seg.begin()), max(end, seg.end())
		}
	}
	frame := p.frame()
	if p.video() == nil {
		for _, seg := range p.segments {
			for _, f := range seg.sounds {
				begin, end = min(begin, f.pts), max(end, f.pts+f.length)
			}
		}
		if p.fragmented {
			begin = max(begin, 0) // what the edit list takes off is not heard
		}
		frame *= 2 // in TS the priming of the encoder is in the first one
	}
	if math.IsInf(begin, 1) {
		return
	}
	s.hold("8.1", math.Abs(p.total()-(end-begin)) <= frame+slack, p.name, "EXTINF sum to %.3f s, the media last %.3f s", p.total(), end-begin)
}

// subtitles checks text renditions.
func (s *hlsStream) subtitles() {
	for _, r := range s.texts {
		if r.playlist == nil {
			continue
		}
		for _, seg := range r.segments {
			s.contentType("10.4", seg.at, seg.contentType)
			s.hold("5.2", seg.err == nil, seg.name, "%v", seg.err)
			if r.fragmented || seg.err != nil {
				continue
			}
			s.hold("5.3", len(seg.faults) == 0, seg.name, "it has no X-TIMESTAMP-MAP")
		}
		s.hold("8.6", strings.Contains(r.raw, "#EXT-X-ENDLIST"), r.name, "EXT-X-ENDLIST is missing")
	}
}

// alignment compares playlists with each other.
func (s *hlsStream) alignment() {
	var video, audio []*playlist
	for _, p := range s.playlists() {
		if p.video() != nil {
			video = append(video, p)
		} else if p.audio() != nil {
			audio = append(audio, p)
		}
	}
	if len(video) == 0 {
		return
	}
	first := video[0]
	for _, p := range append(video[1:len(video):len(video)], audio...) {
		s.hold("8.2", p.target == first.target, p.name, "the target duration is %d s, that of %s %d s", p.target, first.name, first.target)
		s.hold("8.3", math.Abs(p.total()-first.total()) <= edgeSlack, p.name, "it lasts %.3f s, %s %.3f s", p.total(), first.name, first.total())
		rule, limit := "8.7", max(p.frame(), first.frame())+slack
		if p.video() == nil {
			rule, limit = "8.22", edgeSlack
		}
		if len(p.segments) != len(first.segments) {
			s.fail(rule, p.name, "it has %d segments, %s %d", len(p.segments), first.name, len(first.segments))
			continue
		}
		a, b := 0.0, 0.0
		for i := range p.segments {
			a, b = a+p.segments[i].extinf, b+first.segments[i].extinf
			s.hold(rule, math.Abs(a-b) <= limit, p.segments[i].name, "it ends at %.3f s, that of %s at %.3f s", a, first.name, b)
		}
	}
}
