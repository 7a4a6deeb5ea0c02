package check

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// rates are bit rates in bit/s.
type rates struct{ peak, average float64 }

// rates measures a playlist as RFC 8216 section 4.1 defines it. The peak is the
// largest rate of any sequence of segments that lasts between 0.5 and 1.5 target
// durations.
func (p *playlist) rates() rates {
	target := float64(p.target)
	var all rates
	bits, seconds := 0.0, 0.0
	for i, s := range p.segments {
		bits, seconds = bits+float64(s.size)*8, seconds+s.extinf
		b, d := 0.0, 0.0
		for _, n := range p.segments[i:] {
			b, d = b+float64(n.size)*8, d+n.extinf
			if d > 1.5*target {
				break
			}
			if d >= 0.5*target {
				all.peak = max(all.peak, b/d)
			}
		}
	}
	if seconds > 0 {
		all.average = bits / seconds
	}
	all.peak = max(all.peak, all.average)
	return all
}

// group returns the audio renditions that a variant plays with.
func (s *hlsStream) group(id string) []*rendition {
	var out []*rendition
	for _, r := range s.audios {
		if id != "" && r.GroupId == id {
			out = append(out, r)
		}
	}
	return out
}

// rates returns the rates of a variant with the most expensive rendition of its
// group. A variant of audio alone plays the rendition instead of its own audio,
// not beside it.
func (s *hlsStream) rates(v *variant) rates {
	r := v.playlist.rates()
	var most rates
	for _, a := range s.group(v.Audio) {
		if a.playlist == v.playlist {
			r = rates{}
		}
		if a.playlist == nil {
			continue
		}
		m := a.playlist.rates()
		most.peak, most.average = max(most.peak, m.peak), max(most.average, m.average)
	}
	return rates{r.peak + most.peak, r.average + most.average}
}

// listing checks the multivariant playlist against the playlists that it names.
func (s *hlsStream) listing() {
	main := s.name(s.base)
	s.hold("9.11", strings.Contains(s.raw, "#EXT-X-INDEPENDENT-SEGMENTS"), main, "EXT-X-INDEPENDENT-SEGMENTS is missing")
	hdr := false
	for _, v := range s.variants {
		s.bandwidth(v)
		s.attributes(v)
		if f := v.video(); f != nil && f.videoRange() != "SDR" {
			hdr = true
		}
	}
	for _, v := range s.variants {
		if f := v.video(); f != nil && hdr {
			s.hold("9.16", v.VideoRange == f.videoRange(), v.name, "VIDEO-RANGE is %q, the stream has %s", v.VideoRange, f.videoRange())
		}
	}
	s.order(main)
	s.shapes()
	s.soundEverywhere(main)
	s.stereo(main)
	for _, r := range append(s.audios[:len(s.audios):len(s.audios)], s.texts...) {
		s.hold("4.4", r.Language != "", main, "the rendition %q has no LANGUAGE", r.Name)
	}
	s.frames(main)
}

func (s *hlsStream) bandwidth(v *variant) {
	r := s.rates(v)
	s.hold("9.14", v.AverageBandwidth > 0, v.name, "AVERAGE-BANDWIDTH is missing")
	if v.AverageBandwidth > 0 {
		s.hold("1.26", math.Abs(float64(v.AverageBandwidth)-r.average) <= 0.1*r.average, v.name, "AVERAGE-BANDWIDTH is %d, measured %.0f", v.AverageBandwidth, r.average)
	}
	s.hold("1.27", math.Abs(float64(v.Bandwidth)-r.peak) <= 0.1*r.peak, v.name, "BANDWIDTH is %d, measured %.0f", v.Bandwidth, r.peak)
	s.hold("1.30", r.peak <= 2*r.average, v.name, "the peak is %.0f, %.0f %% of the average %.0f", r.peak, 100*r.peak/r.average, r.average)
	s.hold("9.13", float64(v.Bandwidth) >= 0.999*r.peak, v.name, "BANDWIDTH is %d, the peaks sum to %.0f", v.Bandwidth, r.peak)
}

// attributes checks CODECS, and the attributes of video.
func (s *hlsStream) attributes(v *variant) {
	if v.locked {
		s.hold("9.1", v.Codecs != "", v.name, "CODECS is missing")
		return
	}
	want := map[string]bool{}
	for _, f := range []*facts{v.video(), v.audio()} {
		if f != nil && f.codec != "" {
			want[strings.ToLower(f.codec)] = true
		}
	}
	for _, r := range s.group(v.Audio) {
		if r.playlist != nil && r.audio() != nil {
			want[strings.ToLower(r.audio().codec)] = true
		}
	}
	got := map[string]bool{}
	for _, c := range strings.Split(v.Codecs, ",") {
		if c = strings.ToLower(strings.TrimSpace(c)); c != "" && c != "wvtt" && !strings.HasPrefix(c, "stpp") {
			got[c] = true
		}
	}
	s.applies("9.1")
	for c := range want {
		if !got[c] {
			s.fail("9.1", v.name, "CODECS is %q, and the stream has %s", v.Codecs, c)
		}
	}
	for c := range got {
		if !want[c] {
			s.fail("9.1", v.name, "CODECS names %s, which the stream has not", c)
		}
	}
	f := v.video()
	if f == nil {
		return
	}
	size := fmt.Sprintf("%dx%d", f.width, f.height)
	s.hold("9.2", near(v.Resolution, f.width, f.height), v.name, "RESOLUTION is %q, the stream has %s", v.Resolution, size)
	rate := 1 / v.frame()
	s.hold("9.15", math.Abs(v.FrameRate-rate) < 0.01*rate, v.name, "FRAME-RATE is %g, the stream has %.3f", v.FrameRate, rate)
	if v.fragmented {
		s.hold("9.5", v.audio() == nil, v.name, "audio and video are in one file")
	}
}

// near compares sizes. It allows for rounding if pixels are not square.
func near(said string, width, height int) bool {
	var w, h int
	if _, err := fmt.Sscanf(said, "%dx%d", &w, &h); err != nil {
		return false
	}
	return abs(w-width) <= 2 && abs(h-height) <= 2
}

func abs(n int) int { return max(n, -n) }

func (s *hlsStream) order(main string) {
	var videos []*variant
	for _, v := range s.variants {
		if v.video() != nil || v.Resolution != "" {
			videos = append(videos, v)
		}
	}
	if len(videos) == 0 {
		return
	}
	if len(videos) < len(s.variants) {
		s.hold("9.20", s.variants[0] == videos[0], main, "the first variant is %s, audio alone", s.variants[0].name)
	}
	s.mixed(main, videos)
	// What stands with several groups of audio stands once with each.
	first := videos[0]
	videos = slices.DeleteFunc(videos, func(v *variant) bool { return familyOf(v) != familyOf(first) || v.Audio != first.Audio })
	if len(videos) < 2 {
		return
	}
	distance := func(v *variant) float64 { return math.Abs(s.rates(v).average - 2e6) }
	best := videos[0]
	for _, v := range videos {
		if distance(v) < distance(best)*0.98 {
			best = v
		}
	}
	s.hold("1.32", best == videos[0], main, "the first variant is %s with %.0f kbit/s, and %s with %.0f is nearer to 2000",
		videos[0].name, s.rates(videos[0]).average/1000, best.name, s.rates(best).average/1000)
}

// soundEverywhere checks that no switch between variants adds or drops the
// audio.
func (s *hlsStream) soundEverywhere(main string) {
	var with, without *variant
	for _, v := range s.variants {
		switch {
		case v.locked || v.video() == nil:
		case v.audio() != nil || len(s.group(v.Audio)) > 0:
			with = v
		default:
			without = v
		}
	}
	if with != nil || without != nil {
		s.hold("A.2", with == nil || without == nil, main, "%s has sound and %s has none", nameOf(with), nameOf(without))
	}
}

func nameOf(v *variant) string {
	if v == nil {
		return ""
	}
	return v.name
}

func (s *hlsStream) shapes() {
	var first *variant
	for _, v := range s.variants {
		f := v.video()
		if f == nil || f.dar == 0 {
			continue
		}
		if first == nil {
			first = v
			continue
		}
		want := first.video().dar
		// Width and height are even numbers, so small pictures cannot be exact.
		limit := 0.005 + 2/float64(min(f.height, first.video().height))
		s.hold("1.33", math.Abs(f.dar/want-1) <= limit, v.name, "the aspect ratio is %.3f, that of %s %.3f", f.dar, first.name, want)
	}
}

// stereo looks for a stereo AAC rendition.
func (s *hlsStream) stereo(main string) {
	found, most := false, 0
	for _, p := range s.playlists() {
		if a := p.audio(); a != nil {
			found = found || a.channels == 2 && strings.HasPrefix(a.codec, "mp4a.40.")
			most = max(most, a.channels)
		}
	}
	if most > 1 {
		s.hold("2.3", found, main, "no audio is stereo AAC")
	}
}

// frames checks I-frame playlists.
func (s *hlsStream) frames(main string) {
	videos := map[string]bool{}
	for _, v := range s.variants {
		if v.video() != nil {
			videos[v.Resolution] = true
		}
	}
	if len(videos) == 0 {
		return
	}
	if encrypted := len(s.variants[0].keys) > 0; encrypted && len(s.iframes) == 0 {
		return // byte ranges of encrypted segments cannot be decrypted
	}
	s.hold("6.1", len(s.iframes) > 0, main, "there is no EXT-X-I-FRAME-STREAM-INF")
	for _, v := range s.iframes {
		s.hold("6.8", v.list.Iframe, v.name, "EXT-X-I-FRAMES-ONLY is missing")
		s.hold("9.3", v.Codecs != "" && !strings.Contains(v.Codecs, "mp4a"), v.name, "CODECS is %q", v.Codecs)
		s.hold("9.4", v.Resolution != "", v.name, "RESOLUTION is missing")
		for _, seg := range v.segments {
			if seg.size > 0 {
				s.hold("6.10", seg.err == nil, seg.name, "range %d@%d: %v", seg.limit, seg.offset, seg.err)
			}
		}
	}
}

// loadFrames reads ranges of an I-frame playlist: the first ones, some from the
// middle and the last one. The same program has made the others.
func (c *checker) loadFrames(ctx context.Context, p *playlist) error {
	n := len(p.segments)
	for _, i := range []int{0, 1, n / 3, n / 2, n - 2, n - 1} {
		if i < 0 || i >= n || p.segments[i].size > 0 {
			continue
		}
		s := p.segments[i]
		f, err := c.read(ctx, s.at, s.offset, s.limit)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.size = max(1, int64(len(f.data)))
		if s.err = err; err == nil {
			s.err = s.frame(p, f.data)
		}
	}
	return nil
}

// frame reports whether a range begins with a key frame.
func (s *segment) frame(p *playlist, data []byte) error {
	switch {
	case s.limit == 0:
		return fmt.Errorf("it is a whole file")
	case p.init != nil:
		if len(data) < 8 || string(data[4:8]) != "moof" {
			return fmt.Errorf("it does not start with a moof")
		}
		sync := firstSync(p.init, data)
		if !sync {
			return fmt.Errorf("its first sample is no sync sample")
		}
	case len(data) < tsPacket || data[0] != 0x47 || len(data)%tsPacket != 0:
		return fmt.Errorf("it is not made of TS packets")
	case data[1]&0x40 == 0:
		return fmt.Errorf("it starts in the middle of a frame")
	}
	return nil
}
