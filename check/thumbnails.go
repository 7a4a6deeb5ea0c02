package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // sheets are JPEG, as a rule
	_ "image/png"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/Eyevinn/dash-mpd/mpd"
)

// Pictures that players show on their bar lie on sheets: in HLS image playlists name
// them, in DASH a set of its own. No parser of ours knows the tags of the former, which
// are no part of RFC 8216.

// tiles is how pictures lie on a sheet.
type tiles struct {
	columns, rows, width, height int
	interval                     float64 // seconds for each
}

// sheet reads a sheet, and returns what is wrong with it, "" if nothing is.
func (c *checker) sheet(ctx context.Context, u *url.URL, t tiles) string {
	f, err := c.read(ctx, u, 0, 0)
	if err != nil {
		return fmt.Sprintf("it cannot be read: %v", err)
	}
	p, kind, err := image.DecodeConfig(bytes.NewReader(f.data))
	switch want := [2]int{t.columns * t.width, t.rows * t.height}; {
	case err != nil:
		return fmt.Sprintf("it is no picture: %v", err)
	case f.contentType != "" && !strings.EqualFold(f.contentType, "image/"+kind):
		return fmt.Sprintf("Content-Type is %s, and it is %s", f.contentType, kind)
	case p.Width != want[0] || p.Height != want[1]:
		return fmt.Sprintf("it has %dx%d pixels, and %dx%d pictures of %dx%d have %dx%d", p.Width, p.Height, t.columns, t.rows, t.width, t.height, want[0], want[1])
	}
	return ""
}

var attribute = regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^,]*)`)

// attributes are those of a tag of a playlist.
func attributes(line string) map[string]string {
	list := map[string]string{}
	_, after, _ := strings.Cut(line, ":")
	for _, m := range attribute.FindAllStringSubmatch(after, -1) {
		list[m[1]] = strings.Trim(m[2], `"`)
	}
	return list
}

// images checks the image playlists that the multivariant playlist names.
func (s *hlsStream) images(ctx context.Context) error {
	for line := range strings.Lines(s.raw) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "#EXT-X-IMAGE-STREAM-INF:") {
			continue
		}
		a := attributes(line)
		s.hold("A.4", a["URI"] != "" && a["BANDWIDTH"] != "" && a["RESOLUTION"] != "", s.name(s.base), "URI, BANDWIDTH or RESOLUTION is missing: %s", line)
		u, err := resolve(s.base, a["URI"])
		if err != nil {
			return err
		}
		f, err := s.read(ctx, u, 0, 0)
		if err != nil {
			return fmt.Errorf("read %s: %w", s.name(u), err)
		}
		s.contentType("10.4", f.at, f.contentType)
		s.imagePlaylist(ctx, f, a["RESOLUTION"])
	}
	return nil
}

// imagePlaylist checks the sheets of a playlist, whose pictures have the size
// resolution.
func (s *hlsStream) imagePlaylist(ctx context.Context, f file, resolution string) {
	where := s.name(f.at)
	s.hold("A.4", bytes.Contains(f.data, []byte("#EXT-X-IMAGES-ONLY")) && bytes.Contains(f.data, []byte("#EXT-X-ENDLIST")), where, "EXT-X-IMAGES-ONLY or EXT-X-ENDLIST is missing")
	var t tiles
	var sum, duration, target float64
	for lines := bufio.NewScanner(bytes.NewReader(f.data)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case tag == "#EXT-X-TARGETDURATION":
			target, _ = strconv.ParseFloat(value, 64)
		case tag == "#EXTINF":
			duration, _ = strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
		case tag == "#EXT-X-TILES":
			t = tiles{}
			a := attributes(line)
			_, size := fmt.Sscanf(a["RESOLUTION"], "%dx%d", &t.width, &t.height)
			_, layout := fmt.Sscanf(a["LAYOUT"], "%dx%d", &t.columns, &t.rows)
			t.interval, _ = strconv.ParseFloat(a["DURATION"], 64)
			s.hold("A.4", errors.Join(size, layout) == nil && t.interval > 0 && a["RESOLUTION"] == resolution, where, "%s does not fit RESOLUTION=%s", line, resolution)
		case line != "" && !strings.HasPrefix(line, "#"):
			u, err := resolve(f.at, line)
			if err != nil {
				s.fail("A.4", where, "%v", err)
				continue
			}
			fault := s.sheet(ctx, u, t)
			s.hold("A.4", fault == "", s.name(u), "%s", fault)
			s.hold("A.4", duration > 0 && duration <= float64(t.columns*t.rows)*t.interval+0.001 && math.Round(duration) <= target, s.name(u),
				"EXTINF is %g s, its pictures have %g s and EXT-X-TARGETDURATION is %g s", duration, float64(t.columns*t.rows)*t.interval, target)
			sum += duration
		}
	}
	if v := s.variants[0]; len(v.segments) > 0 {
		length := 0.0
		for _, seg := range v.segments {
			length += seg.extinf
		}
		s.hold("A.4", math.Abs(sum-length) <= t.interval, where, "the pictures cover %.3f s, the stream has %.3f s", sum, length)
	}
}

// tileSchemes are those by which sets say how pictures lie on a sheet.
var tileSchemes = map[string]bool{"http://dashif.org/guidelines/thumbnail_tile": true, "http://dashif.org/thumbnail_tile": true}

// imageSet checks a Representation of pictures.
func (c *checker) imageSet(ctx context.Context, t *dashTrack, period float64) error {
	l := tiles{columns: 1, rows: 1}
	found := false
	for _, p := range append(t.r.EssentialProperties, t.set.EssentialProperties...) {
		if tileSchemes[string(p.SchemeIdUri)] {
			_, err := fmt.Sscanf(p.Value, "%dx%d", &l.columns, &l.rows)
			found = err == nil && l.columns > 0 && l.rows > 0
		}
	}
	width, height := int(max(t.r.Width, t.set.Width)), int(max(t.r.Height, t.set.Height))
	tpl := t.r.GetSegmentTemplate()
	c.hold("D.16", found && tpl != nil && width%max(1, l.columns) == 0 && height%max(1, l.rows) == 0, t.id,
		"there is no tile of %s, no SegmentTemplate, or %dx%d pixels are not whole pictures", "http://dashif.org/guidelines/thumbnail_tile", width, height)
	if !found || tpl == nil {
		return nil
	}
	l.width, l.height = width/l.columns, height/l.rows
	times, lengths, err := segmentTimes(tpl, period)
	if err != nil {
		return err
	}
	times = times[:min(len(times), sheetsOf(tpl, len(times)))]
	for i, time := range times {
		u, err := resolve(t.base, expand(tpl.Media, t.r, firstNumber(tpl)+uint64(i), time))
		if err != nil {
			return err
		}
		fault := c.sheet(ctx, u, l)
		c.hold("D.16", fault == "", c.name(u), "%s", fault)
	}
	last := len(times) - 1
	// Sound may last a little longer than the picture, and then so does the Period.
	end := float64(times[last]+lengths[last]) / float64(tpl.GetTimescale())
	interval := float64(lengths[last]) / float64(tpl.GetTimescale()) / float64(l.columns*l.rows)
	c.hold("D.16", end > period-interval, t.id, "the pictures end at %.3f s, the Period at %.3f s", end, period)
	return nil
}

// sheetsOf is how many segments there are at most, by endNumber.
func sheetsOf(tpl *mpd.SegmentTemplateType, most int) int {
	if tpl.EndNumber == nil {
		return most
	}
	return max(1, int(*tpl.EndNumber)-int(firstNumber(tpl))+1)
}
