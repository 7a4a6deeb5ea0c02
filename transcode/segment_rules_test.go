package transcode_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Eyevinn/hls-m3u8/m3u8"

	"github.com/copra-video/copra/transcode/stream"
)

// audioFrame is the length of an AAC frame at 22050 Hz, in seconds.
const audioFrame = 0.0465

// judge checks every rule that applies to a package.
func (p *published) judge(t *testing.T) {
	t.Run("1.26 1.27 9.13 9.14 BANDWIDTH", p.judgeBandwidth)
	t.Run("1.32 9.20 order of variants", p.judgeOrder)
	t.Run("6.1 6.8 6.10 9.3 9.4 I-frame playlists", p.judgeIFrames)
	t.Run("7.5 7.7 segment durations", p.judgeDurations)
	t.Run("8.1 frames and duration", p.judgeFrames)
	t.Run("8.2 8.3 8.7 8.22 8.6 playlists agree", p.judgePlaylists)
	t.Run("9.1 9.2 9.5 9.15 variants", p.judgeVariants)
	t.Run("10.4 content types and order", p.judgeFiles)
	t.Run("audio and video offset", p.judgeOffset)
	if p.pkg.Layout == stream.TS {
		t.Run("1.13 7.1 7.4 transport stream", p.judgeTS)
	} else {
		t.Run("1.5 1.10 sample entries", p.judgeInit)
		t.Run("1.13 7.2 7.3 7.4 fragments", p.judgeFragments)
		t.Run("DASH manifest", p.judgeDASH)
	}
}

func (p *published) master(t *testing.T) *m3u8.MasterPlaylist {
	t.Helper()
	pl, kind, err := m3u8.DecodeFrom(bytes.NewReader(p.read(p.pkg.Name+".m3u8")), true)
	if err != nil || kind != m3u8.MASTER {
		t.Fatalf("decode multivariant playlist: %v, kind %v", err, kind)
	}
	return pl.(*m3u8.MasterPlaylist)
}

func (p *published) media(t *testing.T, name string) *m3u8.MediaPlaylist {
	t.Helper()
	pl, kind, err := m3u8.DecodeFrom(bytes.NewReader(p.read(name)), true)
	if err != nil || kind != m3u8.MEDIA {
		t.Fatalf("decode %s: %v, kind %v", name, err, kind)
	}
	return pl.(*m3u8.MediaPlaylist)
}

// playlists are the media playlists that the multivariant one names: of
// variants and of audio groups.
func (p *published) playlists(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, v := range p.master(t).Variants {
		if v.Iframe {
			continue
		}
		names = append(names, v.URI)
		for _, a := range v.Alternatives {
			names = append(names, a.URI)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// segments of a media playlist that are set.
func segments(pl *m3u8.MediaPlaylist) []*m3u8.MediaSegment {
	return slices.DeleteFunc(slices.Clone(pl.Segments), func(s *m3u8.MediaSegment) bool { return s == nil })
}

// measure sums a playlist: the largest rate of a segment of at least half the
// target, and the average.
func (p *published) measure(t *testing.T, name string) (peak, average float64) {
	pl := p.media(t, name)
	var bits, seconds float64
	for _, s := range segments(pl) {
		b := float64(len(p.read(path.Join(path.Dir(name), s.URI)))) * 8
		bits, seconds = bits+b, seconds+s.Duration
		if s.Duration >= float64(pl.TargetDuration)/2 {
			peak = max(peak, b/s.Duration)
		}
	}
	return max(peak, bits/seconds), bits / seconds
}

func (p *published) judgeBandwidth(t *testing.T) {
	for _, v := range p.master(t).Variants {
		if v.Iframe {
			continue
		}
		peak, average := p.measure(t, v.URI)
		for _, a := range v.Alternatives {
			if a.URI == v.URI {
				continue
			}
			ap, aa := p.measure(t, a.URI)
			peak, average = peak+ap, average+aa
		}
		near := func(what string, said uint32, is float64) {
			if math.Abs(float64(said)-is) > is*0.02 {
				t.Errorf("variant %s: %s is %d, measured %.0f", v.URI, what, said, is)
			}
		}
		near("BANDWIDTH", v.Bandwidth, peak)
		near("AVERAGE-BANDWIDTH", v.AverageBandwidth, average)
		if peak > 2*average {
			t.Errorf("variant %s: the peak %.0f is more than twice the average %.0f", v.URI, peak, average)
		}
	}
}

func (p *published) judgeOrder(t *testing.T) {
	var all []*m3u8.Variant
	for _, v := range p.master(t).Variants {
		if !v.Iframe {
			all = append(all, v)
		}
	}
	best := slices.MinFunc(all, func(a, b *m3u8.Variant) int {
		score := func(v *m3u8.Variant) float64 {
			if v.Resolution == "" {
				return math.Inf(1)
			}
			return math.Abs(float64(v.AverageBandwidth) - 2e6)
		}
		return cmp.Compare(score(a), score(b))
	})
	if all[0] != best {
		t.Errorf("the first variant is %s, and %s is nearer to 2000 kbit/s", all[0].URI, best.URI)
	}
	if last := all[len(all)-1]; last.Resolution != "" {
		t.Errorf("the last variant, %s, is not the audio alone", last.URI)
	}
}

func (p *published) judgeIFrames(t *testing.T) {
	count := 0
	var ranges []iFrame
	for _, v := range p.master(t).Variants {
		if !v.Iframe {
			continue
		}
		count++
		if v.Codecs == "" || strings.Contains(v.Codecs, "mp4a") || v.Resolution == "" || v.Bandwidth == 0 {
			t.Errorf("I-frame variant %s lacks attributes: %+v", v.URI, v.VariantParams)
		}
		pl := p.media(t, v.URI)
		if !pl.Iframe || !pl.Closed {
			t.Errorf("%s is no closed I-frame playlist", v.URI)
		}
		list, sum := segments(pl), 0.0
		for i, s := range list {
			sum += s.Duration
			if s.Duration > 2.05 || s.Limit <= 0 {
				t.Errorf("%s: entry %d lasts %.3f s, %d bytes", v.URI, i, s.Duration, s.Limit)
			}
			if i < 2 || i == len(list)-1 {
				ranges = append(ranges, p.iFrame(t, v.URI, pl, s))
			}
		}
		if math.Abs(sum-p.clip.seconds) > 0.05 {
			t.Errorf("%s lasts %.3f s", v.URI, sum)
		}
	}
	if count != len(p.clip.video) {
		t.Errorf("there are %d I-frame playlists for %d video renditions", count, len(p.clip.video))
	}
	judgeRanges(t, ranges)
}

// iFrame is a byte range that an I-frame playlist names.
type iFrame struct{ name, file string }

// iFrame takes out one byte range as a player does.
func (p *published) iFrame(t *testing.T, name string, pl *m3u8.MediaPlaylist, s *m3u8.MediaSegment) iFrame {
	data := p.read(path.Join(path.Dir(name), s.URI))
	part := data[s.Offset : s.Offset+s.Limit]
	var head []byte
	if pl.Map != nil {
		head = p.read(path.Join(path.Dir(name), pl.Map.URI))
		if string(part[4:8]) != "moof" {
			t.Errorf("%s: the range of %s starts with %q and not with its moof", name, s.URI, part[4:8])
		}
	} else {
		head = data[:3*188] // the tables before the first picture
		if part[0] != 0x47 || part[1]&0x40 == 0 || len(part)%188 != 0 {
			t.Errorf("%s: the range of %s starts in the middle of a frame", name, s.URI)
		}
	}
	file := filepath.Join(t.TempDir(), "frame")
	if err := os.WriteFile(file, append(slices.Clone(head), part...), 0o600); err != nil {
		t.Fatal(err)
	}
	return iFrame{fmt.Sprintf("%s: the range %d@%d of %s", name, s.Limit, s.Offset, s.URI), file}
}

// judgeRanges decodes byte ranges, all in one ffmpeg: each has one picture, and
// that is intra-coded.
func judgeRanges(t *testing.T, ranges []iFrame) {
	dir := t.TempDir()
	args := []string{"-v", "quiet"}
	for _, r := range ranges {
		args = append(args, "-i", r.file)
	}
	for i := range ranges {
		args = append(args, "-map", fmt.Sprintf("%d:v", i), "-fps_mode", "passthrough", "-f", "framemd5", fmt.Sprintf("%d-all", i),
			"-map", fmt.Sprintf("%d:v", i), "-vf", `select=eq(pict_type\,I)`, "-fps_mode", "passthrough", "-f", "framemd5", fmt.Sprintf("%d-intra", i))
	}
	run(t, dir, "ffmpeg", args...)
	for i, r := range ranges {
		for _, which := range []string{"all", "intra"} {
			out, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d-%s", i, which)))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(hashes(string(out))); n != 1 {
				t.Errorf("%s decodes to %d pictures (%s), want one", r.name, n, which)
			}
		}
	}
}

func (p *published) judgeDurations(t *testing.T) {
	for _, name := range p.playlists(t) {
		pl := p.media(t, name)
		for _, s := range segments(pl) {
			if s.Duration > 6.5 || math.Round(s.Duration) > float64(pl.TargetDuration) {
				t.Errorf("%s: %s lasts %.3f s, target %d", name, s.URI, s.Duration, pl.TargetDuration)
			}
		}
	}
}

func (p *published) judgeFrames(t *testing.T) {
	frame := float64(p.clip.rate.Den) / float64(p.clip.rate.Num)
	for _, tr := range p.pkg.Tracks {
		sum, name := 0.0, p.sums[tr.ID].Playlist
		for _, s := range segments(p.media(t, name)) {
			sum += s.Duration
		}
		limit := frame
		if tr.Type == stream.Audio {
			limit = max(limit, audioFrame)
		}
		if math.Abs(sum-p.clip.seconds) > limit {
			t.Errorf("%s lasts %.3f s and not %.3f s", name, sum, p.clip.seconds)
		}
		if tr.Type == stream.Audio {
			continue
		}
		got, want := frames(t, filepath.Join(p.root, name)), sourceFrames(t, filepath.Join(p.work, tr.ID+".mp4"))
		if !slices.Equal(got, want) {
			t.Errorf("%s decodes to %d pictures, the source has %d, or they differ", name, len(got), len(want))
		}
		if n := p.sums[tr.ID].Frames; n != len(want) {
			t.Errorf("summary of %s: %d frames, there are %d", tr.ID, n, len(want))
		}
	}
}

func (p *published) judgePlaylists(t *testing.T) {
	var edges [][]float64
	var target uint
	for _, name := range p.playlists(t) {
		raw := string(p.read(name))
		for _, tag := range []string{"#EXT-X-PLAYLIST-TYPE:VOD\n", "#EXT-X-ENDLIST\n", "#EXT-X-INDEPENDENT-SEGMENTS\n"} {
			if !strings.Contains(raw, tag) {
				t.Errorf("%s lacks %q", name, tag)
			}
		}
		pl := p.media(t, name)
		if target != 0 && pl.TargetDuration != target {
			t.Errorf("%s: target duration %d, elsewhere %d", name, pl.TargetDuration, target)
		}
		target = pl.TargetDuration
		if (pl.Map != nil) != (p.pkg.Layout == stream.CMAF) {
			t.Errorf("%s: EXT-X-MAP is %v (rule 8.20)", name, pl.Map)
		}
		at, list := 0.0, []float64(nil)
		for _, s := range segments(pl) {
			at += s.Duration
			list = append(list, at)
		}
		edges = append(edges, list)
	}
	for i, list := range edges {
		if len(list) != len(edges[0]) {
			t.Fatalf("playlist %d has %d segments, another has %d", i, len(list), len(edges[0]))
		}
		for n := range list {
			if math.Abs(list[n]-edges[0][n]) > audioFrame {
				t.Errorf("edge %d of playlist %d is at %.3f s, of another at %.3f s", n, i, list[n], edges[0][n])
			}
		}
	}
}

func (p *published) judgeVariants(t *testing.T) {
	if !strings.Contains(string(p.read("master.m3u8")), "#EXT-X-INDEPENDENT-SEGMENTS\n") {
		t.Error("9.11: EXT-X-INDEPENDENT-SEGMENTS is missing")
	}
	for _, v := range p.master(t).Variants {
		if v.Iframe {
			continue
		}
		if v.Codecs == "" || v.AverageBandwidth == 0 {
			t.Errorf("variant %s lacks attributes: %+v", v.URI, v.VariantParams)
		}
		if v.Resolution != "" {
			want := math.Round(1000*float64(p.clip.rate.Num)/float64(p.clip.rate.Den)) / 1000
			if v.FrameRate != want {
				t.Errorf("variant %s: FRAME-RATE %v, want %v", v.URI, v.FrameRate, want)
			}
			if !strings.Contains(v.Codecs, "mp4a.40.2") {
				t.Errorf("variant %s: CODECS %q lacks the audio", v.URI, v.Codecs)
			}
			if p.pkg.Layout == stream.CMAF && v.Audio == "" {
				t.Errorf("9.5: variant %s has no audio group", v.URI)
			}
		}
		for _, a := range v.Alternatives {
			if a.Language == "" || a.Name == "" || a.Channels == nil {
				t.Errorf("4.4: audio %s lacks attributes: %+v", a.URI, a)
			}
		}
	}
}

func (p *published) judgeFiles(t *testing.T) {
	want := map[string]string{".ts": "video/mp2t", ".m4s": "video/iso.segment", ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml"}
	rank, last := map[string]int{".m3u8": 1, ".mpd": 2}, 0
	for _, f := range p.files {
		ext := path.Ext(f.Path)
		if w := want[ext]; w != "" && f.ContentType != w || ext == ".mp4" && f.ContentType != "video/mp4" && f.ContentType != "audio/mp4" {
			t.Errorf("%s has the type %s", f.Path, f.ContentType)
		}
		r := rank[ext]
		if f.Path == "master.m3u8" {
			r = 2
		}
		if r < last {
			t.Errorf("%s is published too late", f.Path)
		}
		last = r
	}
}

// judgeOffset compares the presentation times of all packets with those of the
// intermediates: all must have moved by the same constant, in audio and video.
func (p *published) judgeOffset(t *testing.T) {
	origin := 0.0
	if p.pkg.Layout == stream.TS {
		origin = stream.TSOrigin
	}
	for _, tr := range p.pkg.Tracks {
		file := p.joined(tr)
		for _, kind := range []string{"video", "audio"} {
			source := tr.ID
			if kind == "audio" && tr.Type == stream.Muxed {
				source = "audio"
			}
			if kind == "video" && tr.Type == stream.Audio || kind == "audio" && tr.Type == stream.Video {
				continue
			}
			got, want := packets(t, file, kind), packets(t, filepath.Join(p.work, source+".mp4"), kind)
			if len(got) != len(want) {
				t.Errorf("%s: %d packets of %s, the source has %d", tr.ID, len(got), kind, len(want))
				continue
			}
			if p.pkg.Layout == stream.CMAF && kind == "audio" {
				want[0] = -mediaStart // the priming lasts until the picture begins
			}
			for i := range got {
				if math.Abs(got[i]-want[i]-origin) > 0.001 {
					t.Errorf("%s: packet %d of %s is at %.4f s, in the source at %.4f s", tr.ID, i, kind, got[i], want[i])
					break
				}
			}
		}
	}
}
