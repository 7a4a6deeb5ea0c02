package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"path"
	"slices"
	"strings"
)

// The media types of what is published.
const (
	typeHLS       = "application/vnd.apple.mpegurl"
	typeDASH      = "application/dash+xml"
	typeTS        = "video/mp2t"
	typeFragment  = "video/iso.segment"
	typeInitVideo = "video/mp4"
	typeInitAudio = "audio/mp4"
	typeText      = "text/vtt"
	typeJPEG      = "image/jpeg"
)

// packager is a package on its way to files.
type packager struct {
	Package
	tracks []*trackInfo
	texts  []*textTrack
	sheets []sheet // of thumbnails
	target int     // EXT-X-TARGETDURATION, seconds
}

// Build measures the segments of a package in fsys, the work directory, and
// writes what describes them. Files come in publishing order: init and media
// segments, media and I-frame playlists, then the multivariant playlist and
// the manifest, so that whoever sees a playlist can fetch all it names. An
// error names the track and the segment that is missing or broken.
//
// keys gives the keys of encrypted tracks, which have to be measured too. It may
// be nil when all tracks are clear.
func Build(fsys fs.FS, p Package, keys Keys) ([]File, []Summary, error) {
	if err := p.check(keys); err != nil {
		return nil, nil, err
	}
	b := &packager{Package: p}
	longest := 0.0
	for _, t := range p.Tracks {
		if t.Type == Text {
			// Subtitles that could not be extracted are left out.
			if m, err := readText(fsys, p.Dir, t); err == nil {
				b.texts = append(b.texts, m)
			}
			continue
		}
		m, err := measure(fsys, p.Dir, p.Layout, t, keys)
		if err != nil {
			return nil, nil, fmt.Errorf("measure track %s: %w", t.ID, err)
		}
		b.tracks = append(b.tracks, m)
		longest = max(longest, m.end)
	}
	if p.Duration-longest > max(0.5, p.Duration*0.02) {
		return nil, nil, fmt.Errorf("the segments cover %.3f s of %.3f s", longest, p.Duration)
	}
	b.mergeLastSegments()
	for _, m := range b.texts {
		m.cut(b.referenceTrack(), longest)
	}
	b.target = b.targetDuration()
	files, err := b.mediaFiles(fsys)
	if err != nil {
		return nil, nil, err
	}
	files = append(files, b.textFiles()...)
	if err := b.readSheets(fsys, longest); err != nil {
		return nil, nil, err
	}
	files = append(files, b.sheetFiles()...)
	if p.HLS {
		files = append(files, b.hls()...)
	}
	if p.DASH {
		files = append(files, b.dash())
	}
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Path] {
			return nil, nil, fmt.Errorf("two files would be published as %s", f.Path)
		}
		seen[f.Path] = true
	}
	return files, b.summaries(), nil
}

// referenceTrack is the track whose segments the others are held against: the
// first one with video, else the first one.
func (b *packager) referenceTrack() *trackInfo {
	for _, m := range b.tracks {
		if m.video != nil {
			return m
		}
	}
	return b.tracks[0]
}

// mergeLastSegments gives audio as many segments as video.
func (b *packager) mergeLastSegments() {
	if v := b.referenceTrack(); v.video != nil {
		for _, m := range b.tracks {
			m.mergeLastSegment(len(v.segments))
		}
	}
}

// check refuses packages that cannot be described.
func (p *Package) check(keys Keys) error {
	if !slices.ContainsFunc(p.Tracks, func(t Track) bool { return t.Type != Text }) {
		return errors.New("a package needs a track with video or audio")
	}
	if p.Layout != TS && p.Layout != CMAF {
		return fmt.Errorf("the layout %q is not known", p.Layout)
	}
	if p.Layout == TS && p.DASH {
		return errors.New("DASH needs the layout cmaf")
	}
	if !p.HLS && !p.DASH {
		return errors.New("a package is for HLS or DASH or both")
	}
	ids := map[string]bool{}
	for _, t := range p.Tracks {
		switch {
		case t.ID == "" || ids[t.ID] || strings.ContainsAny(t.ID, "/ \t\r\n"):
			return fmt.Errorf("the track name %q is empty, in use already or not fit for a file name", t.ID)
		case t.Type == Muxed && p.Layout != TS:
			return fmt.Errorf("track %s: audio and video in one file need the layout ts", t.ID)
		case t.Type != Muxed && t.Type != Video && t.Type != Audio && t.Type != Text:
			return fmt.Errorf("track %s: the type %q is not supported", t.ID, t.Type)
		case t.Protection != nil && (p.Layout != CMAF || t.Type == Text):
			return fmt.Errorf("track %s: Common Encryption is for fragmented MP4", t.ID)
		case t.Encryption == nil:
		case p.Layout != TS:
			return fmt.Errorf("track %s: AES-128 needs the layout ts", t.ID)
		case t.Encryption.KeyURI == "":
			return fmt.Errorf("track %s: a key needs its address", t.ID)
		case keys == nil || len(keys(t.Encryption.KeyName)) == 0:
			return fmt.Errorf("track %s: there is no key %q", t.ID, t.Encryption.KeyName)
		}
		ids[t.ID] = true
	}
	return nil
}

// Published names. TS keeps a folder per rendition; CMAF, which DASH clients
// expect flat, has the track in the file name.

func (b *packager) initPath(m *trackInfo) string { return "init-" + m.ID + ".mp4" }

// Segment is segment n of a track, from 1, as Build publishes it when it does not
// have to change it.
func (p *Package) Segment(t Track, n int) File {
	name := fmt.Sprintf(t.Segments, n)
	f := File{Source: path.Join(p.Dir, t.Dir, name), Path: path.Join(t.Dir, name), ContentType: typeTS}
	if p.Layout == CMAF {
		f.Path, f.ContentType = fmt.Sprintf("%s-%05d.m4s", t.ID, n), typeFragment
	}
	return f
}

// Finalized is how many segments of a track Build will publish unchanged, when
// there are so many and more may come. The last one is not complete before there
// is another, and a short last one of audio may be merged into the one before.
func (p *Package) Finalized(t Track, there int) int {
	switch t.Type {
	case Text:
		return 0
	case Audio:
		return max(0, there-2)
	default:
		return max(0, there-1)
	}
}

func (b *packager) segmentPath(m *trackInfo, i int) string { return b.Segment(m.Track, i+1).Path }

func (b *packager) playlistPath(m *trackInfo) string {
	if b.Layout == TS {
		return path.Join(m.Dir, "stream.m3u8")
	}
	return "stream-" + m.ID + ".m3u8"
}

func (b *packager) iframesPath(m *trackInfo) string {
	if b.Layout == TS {
		return path.Join(m.Dir, "iframes.m3u8")
	}
	return "iframes-" + m.ID + ".m3u8"
}

// uri is a relative reference to a published path. from is the path of the
// playlist that holds it; both lie in the same folder or to is below it.
func uri(from, to string) string {
	if dir := path.Dir(from); dir != "." {
		to = strings.TrimPrefix(to, dir+"/")
	}
	parts := strings.Split(to, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	ref := strings.Join(parts, "/")
	if strings.Contains(parts[0], ":") {
		return "./" + ref // else what is before the colon would be a scheme
	}
	return ref
}

// mediaFiles are the init and media segments.
func (b *packager) mediaFiles(fsys fs.FS) ([]File, error) {
	var files []File
	for _, m := range b.tracks {
		if m.init != "" {
			kind := typeInitVideo
			if m.video == nil {
				kind = typeInitAudio
			}
			files = append(files, File{Path: b.initPath(m), Source: m.init, ContentType: kind})
		}
		for i, s := range m.segments {
			f := b.Segment(m.Track, i+1)
			if s.appended != "" {
				data, err := m.mergedSegment(fsys, i)
				if err != nil {
					return nil, err
				}
				f.Source, f.Data = "", data
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// mergedSegment is the content of segment i and of the one that is merged into
// it, as one segment.
func (m *trackInfo) mergedSegment(fsys fs.FS, i int) ([]byte, error) {
	var all []byte
	for n, name := range []string{m.segments[i].source, m.segments[i].appended} {
		if m.init == "" {
			d, err := m.readTS(fsys, name, i+n+1)
			if err != nil {
				return nil, err
			}
			all = append(all, d.clear...)
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read segment: %w", err)
		}
		all = append(all, data...)
	}
	if m.key != nil {
		return m.encrypt(all, i+1)
	}
	return all, nil
}

func (b *packager) summaries() []Summary {
	var out []Summary
	for _, m := range b.tracks {
		r := m.rates(b.target)
		s := Summary{
			ID: m.ID, Type: m.Type, Codecs: m.codecs(),
			Bandwidth: r.peak, AverageBandwidth: r.average,
			Segments: len(m.segments), Frames: m.frames, Duration: m.duration(),
			Size: m.initSize,
		}
		for _, seg := range m.segments {
			s.Size += seg.size
		}
		if m.video != nil {
			s.Width, s.Height = m.video.display()
			s.FrameRate = math.Round(m.rate*1000) / 1000
		}
		if b.HLS {
			s.Playlist = b.playlistPath(m)
		}
		out = append(out, s)
	}
	for _, m := range b.texts {
		out = append(out, b.textSummary(m))
	}
	return out
}
