package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/Eyevinn/hls-m3u8/m3u8"
	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/internal/nopanic"
)

// playlist is a media playlist with all its segments, after reading.
type playlist struct {
	at          *url.URL
	name        string
	raw         string
	contentType string
	list        *m3u8.MediaPlaylist
	segments    []*segment
	init        *initSegment
	fragmented  bool
	text        bool
	keys        []m3u8.Key
	target      int  // EXT-X-TARGETDURATION; the parser raises its own value to fit
	locked      bool // encrypted, and the key could not be fetched
}

// hlsStream is a whole HLS stream.
type hlsStream struct {
	*checker
	raw      string
	master   *m3u8.MasterPlaylist
	variants []*variant
	iframes  []*variant
	audios   []*rendition
	texts    []*rendition
}

type variant struct {
	*m3u8.Variant
	*playlist
}

type rendition struct {
	*m3u8.Alternative
	*playlist // nil: muxed into the variants
}

// hls reads a stream from its multivariant playlist, or from a media playlist
// alone, and checks it.
func (c *checker) hls(ctx context.Context, f file) error {
	s := &hlsStream{checker: c, raw: string(f.data)}
	c.contentType("10.4", f.at, f.contentType)
	if !strings.Contains(s.raw, "#EXT-X-STREAM-INF") {
		p, err := c.playlist(ctx, f)
		if err != nil {
			return err
		}
		s.variants = []*variant{{&m3u8.Variant{}, p}}
		s.media()
		return nil
	}
	list, kind, err := decode(f.data)
	if err != nil || kind != m3u8.MASTER {
		return fmt.Errorf("read multivariant playlist: %w", cmpErr(err, "it is none"))
	}
	s.master = list.(*m3u8.MasterPlaylist)
	if err := s.load(ctx); err != nil {
		return err
	}
	s.media()
	s.listing()
	return s.images(ctx)
}

func cmpErr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// decode reads a playlist: strictly, and if that fails, as tolerantly as players
// do.
func decode(data []byte) (m3u8.Playlist, m3u8.ListType, error) {
	list, kind, err := decodeAs(data, true)
	if err != nil {
		list, kind, err = decodeAs(data, false)
	}
	return list, kind, err
}

func decodeAs(data []byte, strict bool) (list m3u8.Playlist, kind m3u8.ListType, err error) {
	defer nopanic.Recover(&err)
	return m3u8.DecodeFrom(bytes.NewReader(data), strict)
}

// load reads every playlist that the multivariant one names.
func (s *hlsStream) load(ctx context.Context) error {
	read := map[string]*playlist{}
	get := func(ref string) (*playlist, error) {
		u, err := resolve(s.base, ref)
		if err != nil {
			return nil, err
		}
		if p, ok := read[u.String()]; ok {
			return p, nil
		}
		f, err := s.read(ctx, u, 0, 0)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.name(u), err)
		}
		p, err := s.playlist(ctx, f)
		if err != nil {
			return nil, err
		}
		read[u.String()] = p
		return p, nil
	}
	for _, v := range s.master.Variants {
		p, err := get(v.URI)
		if err != nil {
			return err
		}
		if v.Iframe {
			s.iframes = append(s.iframes, &variant{v, p})
		} else {
			s.variants = append(s.variants, &variant{v, p})
		}
	}
	if len(s.variants) == 0 {
		return errors.New("the multivariant playlist names no variant")
	}
	for _, a := range s.master.GetAllAlternatives() {
		r := &rendition{Alternative: a}
		if a.URI != "" {
			p, err := get(a.URI)
			if err != nil {
				return err
			}
			r.playlist = p
		}
		switch a.Type {
		case "AUDIO":
			s.audios = append(s.audios, r)
		case "SUBTITLES":
			s.texts = append(s.texts, r)
		}
	}
	return nil
}

// playlist reads a media playlist and its segments.
func (c *checker) playlist(ctx context.Context, f file) (*playlist, error) {
	p := &playlist{at: f.at, name: c.name(f.at), raw: string(f.data), contentType: f.contentType}
	list, kind, err := decode(f.data)
	if err != nil || kind != m3u8.MEDIA {
		return nil, fmt.Errorf("read media playlist %s: %w", p.name, cmpErr(err, "it is none"))
	}
	p.list = list.(*m3u8.MediaPlaylist)
	if _, after, ok := strings.Cut(p.raw, "#EXT-X-TARGETDURATION:"); ok {
		_, _ = fmt.Sscanf(after, "%d", &p.target) // 0 breaks its rules
	}
	c.contentType("10.4", p.at, p.contentType)
	if m := p.list.Map; m != nil {
		p.fragmented = true
		if err := c.loadInit(ctx, p, m); err != nil {
			return nil, err
		}
	}
	last := int64(0)
	lastURI := ""
	for _, m := range p.list.GetAllSegments() {
		if m == nil {
			continue
		}
		u, err := resolve(p.at, m.URI)
		if err != nil {
			return nil, err
		}
		s := &segment{at: u, name: c.name(u), extinf: m.Duration, offset: m.Offset, limit: m.Limit}
		if s.limit > 0 && s.offset == 0 && m.URI == lastURI {
			s.offset = last // a range without a start continues the last one
		}
		last, lastURI = s.offset+s.limit, m.URI
		p.keys = append(p.keys, m.Keys...)
		p.segments = append(p.segments, s)
		p.text = p.text || strings.HasSuffix(u.Path, ".vtt") || strings.HasSuffix(u.Path, ".webvtt")
	}
	p.keys = append(slices.Clone(p.list.Keys), p.keys...)
	if len(p.segments) == 0 {
		return nil, fmt.Errorf("media playlist %s has no segments", p.name)
	}
	if p.list.Iframe {
		return p, c.loadFrames(ctx, p)
	}
	return p, c.loadSegments(ctx, p)
}

func (c *checker) loadInit(ctx context.Context, p *playlist, m *m3u8.Map) error {
	u, err := resolve(p.at, m.URI)
	if err != nil {
		return err
	}
	f, err := c.read(ctx, u, m.Offset, m.Limit)
	if err == nil {
		p.init, err = readInit(f.data)
	}
	if err != nil {
		return fmt.Errorf("read init segment %s: %w", c.name(u), err)
	}
	c.contentType("10.4", f.at, f.contentType)
	return nil
}

// loadSegments reads all segments, several at once.
func (c *checker) loadSegments(ctx context.Context, p *playlist) error {
	key, err := c.key(ctx, p)
	if err != nil {
		p.locked = true
		c.fail("AES", p.name, "%v", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.options.Fetches)
	for i, s := range p.segments {
		g.Go(func() error {
			f, err := c.read(ctx, s.at, s.offset, s.limit)
			if err != nil {
				s.err = fmt.Errorf("it cannot be read: %w", err)
				return context.Cause(ctx)
			}
			s.size, s.contentType = int64(len(f.data)), f.contentType
			if key != nil {
				number := int(p.list.SeqNo) + i
				if f.data, s.err = key.decrypt(f.data, number); s.err != nil {
					return nil //nolint:nilerr // the segment's trouble is a finding, the check goes on
				}
			}
			if !p.locked {
				s.err = s.parse(ctx, p, f.data)
			}
			return nil
		})
	}
	return g.Wait()
}

// errNoMap is the error of a segment that needs an initialization segment, in a
// playlist that names none.
var errNoMap = errors.New("it is fragmented MP4 without EXT-X-MAP")

func (s *segment) parse(ctx context.Context, p *playlist, data []byte) error {
	switch {
	case p.init != nil:
		return s.readFragments(p.init, data)
	case len(data) > 0 && data[0] == 0x47:
		return s.readTS(ctx, data)
	case bytes.HasPrefix(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("WEBVTT")):
		if !bytes.Contains(data, []byte("X-TIMESTAMP-MAP")) {
			s.faults = append(s.faults, "it has no X-TIMESTAMP-MAP")
		}
		return nil
	case len(data) > 8 && (string(data[4:8]) == "moof" || string(data[4:8]) == "styp" || string(data[4:8]) == "ftyp"):
		return errNoMap
	}
	return errors.New("it is neither TS nor fragmented MP4 nor WebVTT")
}

// expected are the types of files by their suffix.
var expected = map[string][]string{
	".m3u8": {"application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl"},
	".ts":   {"video/mp2t"},
	".mp4":  {"video/mp4", "audio/mp4"},
	".m4s":  {"video/iso.segment", "video/mp4", "audio/mp4"},
	".vtt":  {"text/vtt"},
	".mpd":  {"application/dash+xml"},
}

// contentType checks the type that a server gives for a file.
func (c *checker) contentType(rule string, u *url.URL, got string) {
	dot := strings.LastIndexByte(u.Path, '.')
	if got == "" || dot < 0 {
		return
	}
	want, known := expected[strings.ToLower(u.Path[dot:])]
	if !known {
		return
	}
	c.hold(rule, slices.Contains(want, strings.ToLower(got)), c.name(u), "Content-Type is %s, want %s", got, want[0])
}
