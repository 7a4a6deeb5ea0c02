package stream

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// textTrack is a track of subtitles: cues, cut where the segments of the media
// are. A player may begin anywhere, so each segment has all cues that are shown
// during it.
type textTrack struct {
	Track
	source string // work file
	cues   []cue
	edges  []float64 // seconds; segment i lasts from edges[i] to edges[i+1]
	// within are the cues of each segment, by their indices.
	within [][]int
}

// cue is one of WebVTT. Seconds count from the start of the time line.
type cue struct {
	start, end float64
	settings   string // "align:start line:0"
	text       string // lines, without a line end after the last
}

// readText reads the subtitles of a track.
func readText(fsys fs.FS, dir string, t Track) (*textTrack, error) {
	m := &textTrack{Track: t, source: path.Join(dir, t.Dir, t.Segments)}
	data, err := fs.ReadFile(fsys, m.source)
	if err != nil {
		return nil, fmt.Errorf("read subtitles: %w", err)
	}
	if m.cues, err = parseCues(data); err != nil {
		return nil, fmt.Errorf("subtitles %s are broken: %w", m.source, err)
	}
	return m, nil
}

// parseCues reads a WebVTT file. Notes, styles and regions are left out.
func parseCues(data []byte) ([]cue, error) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\ufffd").Replace(string(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if !strings.HasPrefix(text, "WEBVTT") {
		return nil, errors.New("they do not start with WEBVTT")
	}
	var cues []cue
	for block := range strings.SplitSeq(text, "\n\n") {
		lines := strings.Split(strings.Trim(block, "\n"), "\n")
		if len(lines) > 1 && !strings.Contains(lines[0], "-->") {
			lines = lines[1:] // an identifier, or the head of the file
		}
		from, to, timed := strings.Cut(lines[0], "-->")
		if !timed || strings.HasPrefix(block, "NOTE") || strings.HasPrefix(block, "STYLE") || strings.HasPrefix(block, "REGION") {
			continue
		}
		to, settings, _ := strings.Cut(strings.TrimSpace(to), " ")
		start, err1 := parseCueTime(from)
		end, err2 := parseCueTime(to)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		payload := strings.Join(lines[1:], "\n")
		if end <= start || strings.TrimSpace(payload) == "" {
			continue // never seen
		}
		cues = append(cues, cue{start, end, strings.TrimSpace(settings), payload})
	}
	return cues, nil
}

// parseCueTime reads "01:02:03.004" or "02:03.004".
func parseCueTime(s string) (float64, error) {
	bad := fmt.Errorf("the time %q of a cue is not valid", s)
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, bad
	}
	total := 0.0
	for _, p := range parts {
		v, err := strconv.ParseFloat(p, 64)
		if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) || v > 1e7 {
			return 0, bad
		}
		total = total*60 + v
	}
	return total, nil
}

// cueTime writes seconds as WebVTT does.
func cueTime(seconds float64) string {
	ms := int64(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// cut gives the track the edges of the media's segments.
func (m *textTrack) cut(media *trackInfo, end float64) {
	m.edges = []float64{0}
	for _, s := range media.segments[1:] {
		m.edges = append(m.edges, s.start)
	}
	m.edges = append(m.edges, max(end, m.edges[len(m.edges)-1]+0.001))
	m.within = make([][]int, len(m.edges)-1)
	for c, q := range m.cues {
		first, exact := slices.BinarySearch(m.edges, q.start)
		if !exact {
			first--
		}
		for i := max(0, first); i < len(m.within) && q.end > m.edges[i]; i++ {
			m.within[i] = append(m.within[i], c)
		}
	}
}

// segment is the file of segment i, or of all for -1. origin is the timestamp
// of 90 kHz that the media have at the start of the time line.
func (m *textTrack) segment(i int, origin int64) []byte {
	var w bytes.Buffer
	w.WriteString("WEBVTT\n")
	write := func(c cue) {
		fmt.Fprintf(&w, "\n%s --> %s", cueTime(c.start), cueTime(c.end))
		if c.settings != "" {
			w.WriteString(" " + c.settings)
		}
		w.WriteString("\n" + c.text + "\n")
	}
	if i < 0 {
		for _, c := range m.cues {
			if c.start < m.edges[len(m.edges)-1] {
				write(c)
			}
		}
		return w.Bytes()
	}
	// streams.md rule 5.3: without it players do not know where the cues belong.
	fmt.Fprintf(&w, "X-TIMESTAMP-MAP=MPEGTS:%d,LOCAL:00:00:00.000\n", origin)
	for _, c := range m.within[i] {
		write(m.cues[c])
	}
	return w.Bytes()
}

func (b *packager) textPath(m *textTrack, i int) string {
	if b.Layout == TS {
		return path.Join(m.Dir, fmt.Sprintf("text-%05d.vtt", i+1))
	}
	return fmt.Sprintf("%s-%05d.vtt", m.ID, i+1)
}

func (b *packager) textPlaylistPath(m *textTrack) string {
	if b.Layout == TS {
		return path.Join(m.Dir, "stream.m3u8")
	}
	return "stream-" + m.ID + ".m3u8"
}

// wholeTextPath is the file for DASH, whose players read subtitles at once.
func (b *packager) wholeTextPath(m *textTrack) string { return m.ID + ".vtt" }

// textFiles are the subtitles themselves.
func (b *packager) textFiles() []File {
	var files []File
	var origin int64
	if b.Layout == TS {
		origin = TSOrigin * tsClock
	}
	for _, m := range b.texts {
		if b.HLS {
			for i := range len(m.edges) - 1 {
				files = append(files, File{Path: b.textPath(m, i), Data: m.segment(i, origin), ContentType: typeText})
			}
		}
		if b.DASH {
			files = append(files, File{Path: b.wholeTextPath(m), Data: m.segment(-1, 0), ContentType: typeText})
		}
	}
	return files
}

func (b *packager) textPlaylist(m *textTrack) string {
	var w strings.Builder
	self := b.textPlaylistPath(m)
	b.header(&w)
	for i := range len(m.edges) - 1 {
		fmt.Fprintf(&w, "#EXTINF:%.6f,\n%s\n", m.edges[i+1]-m.edges[i], uri(self, b.textPath(m, i)))
	}
	w.WriteString("#EXT-X-ENDLIST\n")
	return w.String()
}

// textGroup is the group of all subtitles.
const textGroup = "subtitles"

// writeTexts lists the subtitles in the multivariant playlist.
func (b *packager) writeTexts(w *strings.Builder, self string) {
	names := map[string]bool{}
	standard := b.defaultTextIndex()
	for i, m := range b.texts {
		name := uniqueName(names, m.label())
		fmt.Fprintf(w, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=%s,NAME=%s,LANGUAGE=%s,DEFAULT=%s,AUTOSELECT=%s,FORCED=%s%s,URI=%s\n",
			quoted(textGroup), quoted(name), quoted(cmp.Or(shortLanguage(m.Language), "und")), yes(i == standard),
			yes(i == standard || !signals[m.Purpose].manual), yes(m.Forced), signals[m.Purpose].attributes(), quoted(uri(self, b.textPlaylistPath(m))))
	}
}

// label is the name of the track for viewers.
func (m *textTrack) label() string {
	name := cmp.Or(m.Name, languageName(m.Language), "Subtitles")
	if m.Name == "" && m.Purpose == SDH {
		name += " (SDH)"
	}
	return name
}

// defaultTextIndex is the index of the subtitles that are on unless a viewer
// chooses; -1: none.
func (b *packager) defaultTextIndex() int {
	for i, m := range b.texts {
		if m.Default {
			return i
		}
	}
	return -1
}

func yes(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

// textSets are the subtitles in DASH: one file each, beside the media.
func (b *packager) textSets() []xmlSet {
	var out []xmlSet
	standard := b.defaultTextIndex()
	for i, m := range b.texts {
		role := cmp.Or(signals[m.Purpose].role, "subtitle")
		if m.Forced {
			role = "forced-subtitle"
		}
		roles := []xmlDescriptor{{"urn:mpeg:dash:role:2011", role}}
		if i == standard && !m.Forced {
			roles = append(roles, xmlDescriptor{"urn:mpeg:dash:role:2011", "main"})
		}
		length := m.edges[len(m.edges)-1]
		out = append(out, xmlSet{
			ContentType: "text", MimeType: typeText, Lang: cmp.Or(shortLanguage(m.Language), "und"),
			Label:         m.label(),
			Accessibility: signals[m.Purpose].accessibility(),
			Roles:         roles,
			Representations: []xmlRepresentation{{
				ID: m.ID, Bandwidth: max(1, int(math.Ceil(float64(len(m.segment(-1, 0)))*8/length))),
				BaseURL: uri("", b.wholeTextPath(m)),
			}},
		})
	}
	return out
}

func (b *packager) textSummary(m *textTrack) Summary {
	s := Summary{ID: m.ID, Type: Text, Segments: len(m.edges) - 1, Frames: len(m.cues), Duration: m.edges[len(m.edges)-1]}
	s.Size = int64(len(m.segment(-1, 0)))
	if b.HLS {
		s.Playlist = b.textPlaylistPath(m)
	}
	return s
}
