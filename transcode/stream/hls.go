package stream

import (
	"fmt"
	"strings"
)

// version is EXT-X-VERSION. Unless an older one was asked for it is 6: from there
// on, readers compare the rounded length of a segment with the target duration,
// and before it the length rounded up (RFC 8216 section 7).
func (b *packager) version() int {
	switch {
	case b.Layout == CMAF:
		return max(b.Version, 7)
	case b.plain():
		return 3
	case b.Version > 0:
		return b.Version
	}
	return 6
}

// plain reports whether the playlists are for old players, without I-frames.
func (b *packager) plain() bool { return b.Layout == TS && b.Version > 0 && b.Version <= 3 }

// iframes reports whether a track gets an I-frame playlist. A byte range of an
// encrypted segment cannot be decrypted on its own.
func (b *packager) iframes(m *trackInfo) bool {
	return !b.plain() && m.video != nil && m.Encryption == nil && len(m.keyFrames()) > 0
}

// hls returns the media playlists, the I-frame playlists and the multivariant
// playlist.
func (b *packager) hls() []File {
	var media, iframes []File
	for _, m := range b.tracks {
		media = append(media, File{Path: b.playlistPath(m), Data: []byte(b.mediaPlaylist(m)), ContentType: typeHLS})
		if b.iframes(m) {
			iframes = append(iframes, File{Path: b.iframesPath(m), Data: []byte(b.iframePlaylist(m)), ContentType: typeHLS})
		}
	}
	for _, m := range b.texts {
		media = append(media, File{Path: b.textPlaylistPath(m), Data: []byte(b.textPlaylist(m)), ContentType: typeHLS})
	}
	if b.listsSheets() {
		iframes = append(iframes, File{Path: b.sheetsPlaylistPath(), Data: []byte(b.sheetsPlaylist()), ContentType: typeHLS})
	}
	main := File{Path: b.Name + ".m3u8", Data: []byte(b.multivariant()), ContentType: typeHLS}
	return append(append(media, iframes...), main)
}

// header starts a media or I-frame playlist.
func (b *packager) header(w *strings.Builder, tags ...string) { b.headerOf(w, b.target, tags...) }

func (b *packager) headerOf(w *strings.Builder, target int, tags ...string) {
	fmt.Fprintf(w, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%d\n", b.version(), target)
	// Segments are numbered from 1. The number is also the initialisation
	// vector of an encrypted segment.
	w.WriteString("#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n")
	for _, t := range tags {
		w.WriteString(t + "\n")
	}
}

func (b *packager) mediaPlaylist(m *trackInfo) string {
	var w strings.Builder
	self := b.playlistPath(m)
	b.header(&w, "#EXT-X-INDEPENDENT-SEGMENTS")
	if m.Encryption != nil {
		fmt.Fprintf(&w, "#EXT-X-KEY:METHOD=AES-128,URI=%s", quoted(m.Encryption.KeyURI))
		if iv := m.Encryption.IV; iv != "" {
			fmt.Fprintf(&w, ",IV=0x%s", iv)
		}
		w.WriteString("\n")
	}
	for _, k := range m.Protection.keyAttributes() {
		fmt.Fprintf(&w, "#EXT-X-KEY:%s\n", k)
	}
	if m.init != "" {
		fmt.Fprintf(&w, "#EXT-X-MAP:URI=%s\n", quoted(uri(self, b.initPath(m))))
	}
	for i, s := range m.segments {
		fmt.Fprintf(&w, "#EXTINF:%.6f,\n%s\n", s.duration, uri(self, b.segmentPath(m, i)))
	}
	w.WriteString("#EXT-X-ENDLIST\n")
	return w.String()
}

// listedKey is a key frame with the segment that it is in.
type listedKey struct {
	keyFrame
	segment  int
	duration float64 // seconds, to the next key frame
}

// keyFrames are the key frames of all segments.
func (m *trackInfo) keyFrames() []listedKey {
	var keys []listedKey
	for i, s := range m.segments {
		for _, k := range s.keys {
			if n := len(keys); n > 0 {
				keys[n-1].duration = k.start - keys[n-1].start
			}
			keys = append(keys, listedKey{keyFrame: k, segment: i, duration: m.end - k.start})
		}
	}
	return keys
}

func (b *packager) iframePlaylist(m *trackInfo) string {
	var w strings.Builder
	self := b.iframesPath(m)
	b.header(&w, "#EXT-X-I-FRAMES-ONLY")
	for _, k := range m.Protection.keyAttributes() {
		fmt.Fprintf(&w, "#EXT-X-KEY:%s\n", k)
	}
	if m.init != "" {
		fmt.Fprintf(&w, "#EXT-X-MAP:URI=%s\n", quoted(uri(self, b.initPath(m))))
	}
	for _, k := range m.keyFrames() {
		fmt.Fprintf(&w, "#EXTINF:%.6f,\n#EXT-X-BYTERANGE:%d@%d\n%s\n",
			k.duration, k.size, k.off, uri(self, b.segmentPath(m, k.segment)))
	}
	w.WriteString("#EXT-X-ENDLIST\n")
	return w.String()
}

// quoted is a quoted-string of an attribute list, which cannot hold a quote or
// a line end.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`"`, "%22", "\n", "", "\r", "").Replace(s) + `"`
}
