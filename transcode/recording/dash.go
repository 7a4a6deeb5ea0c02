package recording

import (
	"encoding/xml"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ReadDASH reads a manifest whose address is base. The error is a *job.Error.
func ReadDASH(data []byte, base *url.URL) (Recording, error) {
	var m mpd
	if err := xml.Unmarshal(data, &m); err != nil {
		return Recording{}, notValid("is not valid XML").WithCause(err)
	}
	if m.Type == "dynamic" {
		return Recording{}, live("its manifest is of type dynamic")
	}
	if len(m.Periods) == 0 || len(m.Periods) > 1000 {
		return Recording{}, notValid("has %d Periods; from 1 to 1000 are accepted", len(m.Periods))
	}
	root, err := rebase(base, m.BaseURL)
	if err != nil {
		return Recording{}, err
	}
	out := Recording{Protocol: DASH}
	total := 0
	for i := range m.Periods {
		tracks, err := m.period(i, root)
		if err != nil {
			return Recording{}, err
		}
		if i > 0 && len(tracks) < len(out.Tracks) {
			out.Tracks = out.Tracks[:len(tracks)] // a language that is not in all of it
		}
		for k, t := range tracks {
			total += t.Segments
			if i == 0 {
				out.Tracks = append(out.Tracks, t)
			} else if k < len(out.Tracks) {
				to := &out.Tracks[k]
				if to.Kind != t.Kind {
					return Recording{}, notValid("has other kinds of tracks in Period %d than in the first", i+1)
				}
				to.Runs, to.Segments, to.Bytes = append(to.Runs, t.Runs...), to.Segments+t.Segments, to.Bytes+t.Bytes
			}
		}
		if err := bounded(total); err != nil {
			return Recording{}, err
		}
	}
	return out, nil
}

// length is how long a Period is, in seconds; 0: not known.
func (m *mpd) length(i int) float64 {
	p := m.Periods[i]
	if d := seconds(p.Duration); d > 0 {
		return d
	}
	start := seconds(p.Start)
	if i+1 < len(m.Periods) {
		return max(0, seconds(m.Periods[i+1].Start)-start)
	}
	return max(0, seconds(m.Duration)-start)
}

// period chooses the tracks of a Period.
func (m *mpd) period(i int, root *url.URL) ([]Track, error) {
	p := &m.Periods[i]
	if p.Href != "" {
		return nil, notValid("names a Period that lies elsewhere (xlink), which is not followed")
	}
	at, err := rebase(root, p.BaseURL)
	if err != nil {
		return nil, err
	}
	var video, audio []choice
	for s := range p.Sets {
		set := &p.Sets[s]
		for r := range set.Representations {
			c := choice{p, set, &set.Representations[r]}
			switch {
			case len(set.Essential) > 0 || len(c.r.Essential) > 0: // trick play, tiles
			case c.kind() == "video":
				video = append(video, c)
			case c.kind() == "audio":
				audio = append(audio, c)
			}
		}
	}
	chosen := pick(video, audio)
	if len(chosen) == 0 {
		return nil, notValid("has neither video nor audio")
	}
	var tracks []Track
	for _, c := range chosen {
		t, err := c.track(at, m.length(i))
		if err != nil {
			return nil, err
		}
		tracks = append(tracks, t)
	}
	return tracks, nil
}

// choice is a Representation.
type choice struct {
	p   *period
	set *adaptationSet
	r   *representation
}

func (c choice) kind() string {
	if c.set.ContentType != "" {
		return c.set.ContentType
	}
	mime := c.r.MimeType
	if mime == "" {
		mime = c.set.MimeType
	}
	kind, _, _ := strings.Cut(mime, "/")
	return kind
}

func (c choice) pixels() int {
	side := func(own, set int) int { return min(max(own, set, 0), 1<<16) }
	return side(c.r.Width, c.set.Width) * side(c.r.Height, c.set.Height)
}

func (c choice) rate() float64 {
	text := c.r.FrameRate
	if text == "" {
		text = c.set.FrameRate
	}
	a, b, _ := strings.Cut(text, "/")
	n, _ := strconv.ParseFloat(a, 64) // 0 sorts last
	if d, err := strconv.ParseFloat(b, 64); err == nil && d > 0 {
		n /= d
	}
	return n
}

// main reports whether a set is not marked as something else than the main content.
func (c choice) main() bool {
	return len(c.set.Roles) == 0 || slices.ContainsFunc(c.set.Roles, func(r scheme) bool { return r.Value == "main" })
}

// pick returns the best video, the best sound of the first language, and that of other
// languages.
func pick(video, audio []choice) []choice {
	var out []choice
	best := -1
	for i, c := range video {
		if best < 0 {
			best = i
			continue
		}
		b := video[best]
		switch {
		case c.main() != b.main():
			if c.main() {
				best = i
			}
		case c.pixels() != b.pixels():
			if c.pixels() > b.pixels() {
				best = i
			}
		case c.rate() != b.rate():
			if c.rate() > b.rate() {
				best = i
			}
		case c.r.Bandwidth > b.r.Bandwidth:
			best = i
		}
	}
	if best >= 0 {
		out = append(out, video[best])
	}
	// One set for each language, that of the main content before others.
	var sets []*adaptationSet
	for _, wantMain := range []bool{true, false} {
		for _, c := range audio {
			have := slices.ContainsFunc(sets, func(s *adaptationSet) bool { return s == c.set || s.Lang == c.set.Lang })
			if c.main() == wantMain && !have && len(sets) < MaxTracks {
				sets = append(sets, c.set)
			}
		}
	}
	for _, set := range sets {
		var top choice
		for _, c := range audio {
			if c.set == set && (top.r == nil || c.r.Bandwidth > top.r.Bandwidth) {
				top = c
			}
		}
		out = append(out, top)
	}
	return out
}

// track lists the pieces of a Representation.
func (c choice) track(at *url.URL, length float64) (Track, error) {
	if len(c.set.Protection)+len(c.r.Protection) > 0 {
		return Track{}, encrypted("ContentProtection, as of Common Encryption")
	}
	base, err := rebase(at, c.set.BaseURL)
	if err == nil {
		base, err = rebase(base, c.r.BaseURL)
	}
	if err != nil {
		return Track{}, err
	}
	t := Track{Kind: c.kind(), Language: c.set.Lang, Name: strings.TrimSpace(c.set.Label), Bytes: int64(float64(max(0, c.r.Bandwidth)) / 8 * length)}
	run := Run{Duration: length}
	switch s := c.segments(); {
	case s.Template != nil && s.Template.Media != "":
		err = c.template(s.Template, base, length, &run)
	case s.List != nil && len(s.List.URLs) > 0:
		err = s.List.run(base, &run)
	default:
		run.Pieces = []Piece{{URL: base, Number: 1, Until: 1}}
		if s.Base != nil {
			run.Origin = s.Base.origin()
		}
	}
	if err != nil {
		return Track{}, err
	}
	for _, p := range run.Pieces {
		if p.Number > 0 {
			t.Segments += 1 + p.Until - p.Number
		}
	}
	t.Runs = []Run{run}
	return t, nil
}

// duration is an xs:duration of at most days.
var duration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$`)

// seconds reads an xs:duration; 0: it is none.
func seconds(text string) float64 {
	m := duration.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0
	}
	sum := 0.0
	for i, unit := range []float64{86400, 3600, 60, 1} {
		if n, err := strconv.ParseFloat(m[i+1], 64); err == nil {
			sum += n * unit
		}
	}
	return min(sum, 1e7)
}
