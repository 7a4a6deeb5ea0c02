package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// Playlist is an HLS playlist (RFC 8216 and its successor), multivariant or media.
type Playlist struct {
	Variants []Variant // of a multivariant playlist, the best first
	audio    map[string][]Rendition
	media    Track
	vars     map[string]string
}

// Multivariant reports whether the playlist names playlists.
func (p *Playlist) Multivariant() bool { return len(p.Variants) > 0 }

// Media is the track of a media playlist.
func (p *Playlist) Media() Track { return p.media }

// ReadHLS reads a playlist whose address is base. The parent is the multivariant playlist
// that named it; nil: none. The error is a *job.Error.
func ReadHLS(data []byte, base *url.URL, parent *Playlist) (*Playlist, error) {
	r := &hlsReader{base: base, parent: parent, keys: map[string]*hlsKey{}, p: &Playlist{audio: map[string][]Rendition{}, vars: map[string]string{}}}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !bytes.HasPrefix(data, []byte("#EXTM3U")) {
		return nil, notValid("names something that is no playlist where a playlist should be")
	}
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		if strings.Contains(text, "{$") {
			var err error
			if text, err = r.substitute(text); err != nil {
				return nil, err
			}
		}
		if err := r.line(text); err != nil {
			return nil, err
		}
	}
	return r.finish()
}

// hlsKey is an EXT-X-KEY tag.
type hlsKey struct {
	method string
	url    *url.URL
	iv     *[16]byte // nil: the sequence number of the segment
}

// hlsReader reads a playlist line by line.
type hlsReader struct {
	base   *url.URL
	parent *Playlist
	p      *Playlist
	ended  bool

	stream   *Variant // EXT-X-STREAM-INF, whose address is the next line
	keys     map[string]*hlsKey
	sequence uint64
	seconds  float64
	from     int64
	length   int64
	nextFrom int64 // where the range ends that was last
	lastURL  string
	gap      bool
	init     *Piece // EXT-X-MAP
	newRun   bool
}

func (r *hlsReader) line(text string) error {
	if !strings.HasPrefix(text, "#") {
		if r.stream != nil {
			return r.variant(text)
		}
		return r.segment(text)
	}
	tag, value, _ := strings.Cut(text, ":")
	switch tag {
	case "#EXTINF":
		value, _, _ = strings.Cut(value, ",")
		r.seconds, _ = strconv.ParseFloat(strings.TrimSpace(value), 64) // a wrong one is not needed
		if math.IsNaN(r.seconds) || r.seconds < 0 || r.seconds > 1e6 {
			r.seconds = 0
		}
	case "#EXT-X-BYTERANGE":
		return r.byteRange(value)
	case "#EXT-X-DISCONTINUITY":
		r.newRun = true
	case "#EXT-X-GAP":
		r.gap = true
	case "#EXT-X-ENDLIST":
		r.ended = true
	case "#EXT-X-PLAYLIST-TYPE":
		r.ended = r.ended || strings.TrimSpace(value) == "VOD"
	case "#EXT-X-MEDIA-SEQUENCE":
		r.sequence, _ = strconv.ParseUint(strings.TrimSpace(value), 10, 64) // 0 by default
	case "#EXT-X-I-FRAMES-ONLY":
		return notValid("has single pictures only (EXT-X-I-FRAMES-ONLY)")
	case "#EXT-X-KEY":
		return r.key(attributes(value))
	case "#EXT-X-MAP":
		return r.mapTag(attributes(value))
	case "#EXT-X-STREAM-INF":
		r.streamInf(attributes(value))
	case "#EXT-X-MEDIA":
		return r.rendition(attributes(value))
	case "#EXT-X-DEFINE":
		return r.define(attributes(value))
	}
	return nil
}

func (r *hlsReader) byteRange(value string) error {
	n, o, given := strings.Cut(strings.TrimSpace(value), "@")
	length, err := strconv.ParseInt(n, 10, 63)
	from := int64(-1)
	if err == nil && given {
		from, err = strconv.ParseInt(o, 10, 62)
	}
	if err != nil || length <= 0 || given && from < 0 {
		return notValid("has a byte range that is not valid")
	}
	r.from, r.length = from, length
	return nil
}

func (r *hlsReader) key(a map[string]string) error {
	method := a["METHOD"]
	if method == "NONE" {
		clear(r.keys)
		return nil
	}
	k := &hlsKey{method: method}
	format := a["KEYFORMAT"]
	if format == "" {
		format = "identity"
	}
	if iv := a["IV"]; iv != "" {
		b, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(iv), "0x"))
		if err != nil || len(b) != 16 {
			return notValid("has an EXT-X-KEY whose IV is not 16 bytes")
		}
		k.iv = (*[16]byte)(b)
	}
	if method == "AES-128" && format == "identity" {
		u, err := resolve(r.base, a["URI"])
		if err != nil {
			return err
		}
		k.url = u
	}
	r.keys[format] = k
	return nil
}

// current returns the key that applies to a piece with a sequence number; nil: none.
func (r *hlsReader) current(number uint64) (*Key, error) {
	if len(r.keys) == 0 {
		return nil, nil //nolint:nilnil // most pieces have none
	}
	k := r.keys["identity"]
	switch {
	case k == nil:
		return nil, encrypted("DRM")
	case k.method != "AES-128":
		return nil, encrypted(known(k.method, "SAMPLE-AES", "SAMPLE-AES-CTR"))
	}
	key := &Key{URL: k.url}
	if k.iv != nil {
		key.IV = *k.iv
	} else {
		binary.BigEndian.PutUint64(key.IV[8:], number)
	}
	return key, nil
}

// known returns text if it is one of words, so that nothing else of a playlist gets into a
// sentence.
func known(text string, words ...string) string {
	for _, w := range words {
		if w == text {
			return w
		}
	}
	return "an unknown method"
}

func (r *hlsReader) mapTag(a map[string]string) error {
	u, err := resolve(r.base, a["URI"])
	if err != nil {
		return err
	}
	p := Piece{URL: u}
	if value := a["BYTERANGE"]; value != "" {
		from, length := r.from, r.length
		if err := r.byteRange(value); err != nil {
			return err
		}
		p.From, p.Length = max(0, r.from), r.length
		r.from, r.length = from, length
	}
	if p.Key, err = r.current(0); err != nil {
		return err
	}
	if r.init != nil && *r.init.URL == *u && r.init.From == p.From && r.init.Length == p.Length {
		return nil // it is said again
	}
	r.init, r.newRun = &p, true
	return nil
}

// segment is the line with the address of a segment.
func (r *hlsReader) segment(ref string) error {
	u, err := resolve(r.base, ref)
	if err != nil {
		return err
	}
	number := r.sequence
	r.sequence++
	p := Piece{URL: u, Length: r.length}
	if r.length > 0 {
		p.From = r.from
		if r.from < 0 { // it continues the last one
			p.From = 0
			if u.String() == r.lastURL {
				p.From = r.nextFrom
			}
		}
		r.nextFrom, r.lastURL = p.From+p.Length, u.String()
	}
	seconds, gap := r.seconds, r.gap
	r.seconds, r.gap, r.from, r.length = 0, false, 0, 0
	t := &r.p.media
	t.Segments++
	if err := bounded(t.Segments); err != nil {
		return err
	}
	if gap {
		return nil
	}
	if p.Key, err = r.current(number); err != nil {
		return err
	}
	if len(t.Runs) == 0 || r.newRun {
		run := Run{}
		if r.init != nil {
			run.add(*r.init)
		}
		t.Runs = append(t.Runs, run)
		r.newRun = false
	}
	run := &t.Runs[len(t.Runs)-1]
	p.Number = t.Segments
	run.add(p)
	run.Duration += seconds
	t.Bytes += p.Length
	return nil
}

func (r *hlsReader) finish() (*Playlist, error) {
	p := r.p
	switch {
	case p.Multivariant() && p.media.Segments > 0:
		return nil, notValid("names both playlists and segments")
	case p.Multivariant() && r.parent != nil:
		return nil, notValid("names a playlist that itself names playlists, as in a loop")
	case p.Multivariant():
		return p, nil
	case !r.ended:
		return nil, live("its playlist has no EXT-X-ENDLIST")
	case len(p.media.Runs) == 0:
		return nil, notValid("names no segment")
	}
	return p, nil
}
