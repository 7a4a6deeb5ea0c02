package stream

import (
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Growing is a package of one track of TS segments that is published while these are made.
// Its playlist has the type EVENT: segments are only ever added, and TargetDuration must
// hold for all of them.
type Growing struct {
	Package
	track  *trackInfo
	reader tsReader
	peak   int // bit/s
}

// NewGrowing begins a growing package without segments. peak is the bitrate that its video
// takes at most, in bit/s, as far as that is known.
func NewGrowing(p Package, peak int) *Growing {
	return &Growing{Package: p, track: &trackInfo{Track: p.Tracks[0], timescale: tsClock}, peak: peak}
}

// Made is how many segments have been added.
func (g *Growing) Made() int { return len(g.track.segments) }

// Next is the segment that is to be added next.
func (g *Growing) Next() File { return g.Segment(g.track.Track, g.Made()+1) }

// Add measures the next segment, which is complete. A segment lasts to the end of its last
// picture, since the one after it may not be there yet.
func (g *Growing) Add(fsys fs.FS) error {
	name := g.Next().Source
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	s, err := g.reader.read(data)
	if err == nil {
		err = g.track.checkTS(s)
	}
	if err != nil {
		return fmt.Errorf("segment %s is broken: %w", name, err)
	}
	m := g.track
	m.video, m.audio = g.reader.video, g.reader.audio
	times := make([]int64, len(s.pictures))
	for i, p := range s.pictures {
		times[i] = p.pts
	}
	first, last := slices.Min(times), slices.Max(times)
	m.setRate(float64(last-first)/tsClock, len(times)-1)
	seg := segment{source: name, size: int64(len(data)), start: tsSeconds(first)}
	m.end = tsSeconds(last) + 1/m.rate
	seg.duration = min(m.end-seg.start, g.TargetDuration)
	m.segments = append(m.segments, seg)
	return nil
}

// growingPlaylist is the name of the media playlist.
const growingPlaylist = "stream.m3u8"

// Playlists are the media playlist and the one that names it. ended: no segment follows. There
// must be a segment.
func (g *Growing) Playlists(ended bool) []File {
	var w strings.Builder
	fmt.Fprintf(&w, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n", int(math.Ceil(g.TargetDuration)))
	for i, s := range g.track.segments {
		fmt.Fprintf(&w, "#EXTINF:%.6f,\n%s\n", s.duration, uri(growingPlaylist, g.Segment(g.track.Track, i+1).Path))
	}
	if ended {
		w.WriteString("#EXT-X-ENDLIST\n")
	}
	var main strings.Builder
	m := g.track
	r := m.rates(int(g.TargetDuration))
	if m.audio != nil && g.peak > 0 {
		r.peak = max(r.peak, g.peak+maxAudioRate)
	}
	r.peak = max(r.peak, g.peak)
	width, height := m.video.display()
	fmt.Fprintf(&main, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS=%s,RESOLUTION=%dx%d,FRAME-RATE=%.3f\n%s\n",
		r.peak, quoted(m.codecs()), width, height, m.rate, growingPlaylist)
	return []File{
		{Path: growingPlaylist, Data: []byte(w.String()), ContentType: typeHLS},
		{Path: g.Name + ".m3u8", Data: []byte(main.String()), ContentType: typeHLS},
	}
}

// PlaylistType is the media type of a playlist of HLS.
const PlaylistType = typeHLS

// maxAudioRate is assumed for the sound of a growing package, in bit/s.
const maxAudioRate = 256_000

var uriAttribute = regexp.MustCompile(`URI="(?:./)?([^"]*)"`)

// Referring is a multivariant playlist of another package with the same name, as it stands in
// a folder below: its relative addresses lead up.
func Referring(playlist []byte) []byte {
	const up = "../"
	var w strings.Builder
	for line := range strings.Lines(string(playlist)) {
		switch {
		case strings.HasPrefix(line, "#"):
			line = uriAttribute.ReplaceAllString(line, `URI="`+up+`$1"`)
		case strings.TrimSpace(line) != "":
			line = up + strings.TrimPrefix(line, "./")
		}
		w.WriteString(line)
	}
	return []byte(w.String())
}
