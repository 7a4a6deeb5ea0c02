package recording

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// segments brings together what the three levels say.
func (c choice) segments() segmenting {
	var out segmenting
	for _, s := range []segmenting{c.p.segmenting, c.set.segmenting, c.r.segmenting} {
		if s.Base != nil {
			out.Base = s.Base
		}
		if s.List != nil {
			merged := *s.List
			if o := out.List; o != nil {
				merged.segBase = s.List.over(o.segBase)
				if merged.Initialization == nil {
					merged.Initialization = o.Initialization
				}
				if len(merged.URLs) == 0 {
					merged.URLs = o.URLs
				}
			}
			out.List = &merged
		}
		if s.Template != nil {
			merged := s.Template.inherit(out.Template)
			out.Template = &merged
		}
	}
	return out
}

// over returns b with what it lacks from o.
func (b segBase) over(o segBase) segBase {
	if b.Timescale == nil {
		b.Timescale = o.Timescale
	}
	if b.Offset == nil {
		b.Offset = o.Offset
	}
	return b
}

func (t template) inherit(o *template) template {
	if o == nil {
		return t
	}
	t.segBase = t.over(o.segBase)
	if t.Media == "" {
		t.Media = o.Media
	}
	if t.Initialization == "" {
		t.Initialization = o.Initialization
	}
	if t.StartNumber == nil {
		t.StartNumber = o.StartNumber
	}
	if t.EndNumber == nil {
		t.EndNumber = o.EndNumber
	}
	if t.Duration == 0 {
		t.Duration = o.Duration
	}
	if t.Timeline == nil {
		t.Timeline = o.Timeline
	}
	return t
}

func (b segBase) scale() float64 {
	if b.Timescale == nil || *b.Timescale == 0 {
		return 1
	}
	return float64(*b.Timescale)
}

// origin is the media time at the start of the Period, in seconds.
func (b segBase) origin() float64 {
	if b.Offset == nil {
		return 0
	}
	return float64(*b.Offset) / b.scale()
}

// template adds the pieces of a SegmentTemplate.
func (c choice) template(t *template, base *url.URL, length float64, run *Run) error {
	add := func(text string, number, time uint64, segment int) error {
		u, err := resolve(base, c.expand(text, number, time))
		if err == nil {
			run.add(Piece{URL: u, Number: segment})
		}
		return err
	}
	run.Origin = t.origin()
	if t.Initialization != "" {
		if err := add(t.Initialization, 0, 0, 0); err != nil {
			return err
		}
	}
	times, err := t.times(length)
	if err != nil {
		return err
	}
	first := uint64(1)
	if t.StartNumber != nil {
		first = *t.StartNumber
	}
	for i, at := range times {
		if err := add(t.Media, first+uint64(i), at, i+1); err != nil {
			return err
		}
	}
	return nil
}

// times lists the times of the segments of a template, in ticks.
func (t *template) times(length float64) (times []uint64, err error) {
	end := uint64(max(0, length*t.scale()))
	if t.Offset != nil {
		end += *t.Offset
	}
	if t.Timeline == nil {
		n := 0.0
		switch {
		case t.EndNumber != nil:
			first := uint64(1)
			if t.StartNumber != nil {
				first = *t.StartNumber
			}
			n = float64(*t.EndNumber) - float64(first) + 1
		case t.Duration > 0 && length > 0:
			n = math.Ceil(length*t.scale()/float64(t.Duration) - 0.001)
		default:
			return nil, notValid("does not say how many segments there are")
		}
		if n > MaxSegments {
			return nil, bounded(MaxSegments + 1)
		}
		for i := uint64(0); float64(i) < n; i++ {
			times = append(times, i*t.Duration)
		}
	} else {
		next := uint64(0)
		for i, s := range t.Timeline.S {
			if s.T != nil {
				next = *s.T
			}
			repeat := s.R
			if s.D == 0 {
				return nil, notValid("has a SegmentTimeline with a segment without duration")
			}
			if repeat < 0 {
				until := end
				if i+1 < len(t.Timeline.S) && t.Timeline.S[i+1].T != nil {
					until = *t.Timeline.S[i+1].T
				}
				if until <= next {
					return nil, notValid("has a SegmentTimeline of open length")
				}
				repeat = int64((until-next+s.D-1)/s.D) - 1
			}
			if repeat >= MaxSegments || len(times)+int(repeat) >= MaxSegments {
				return nil, bounded(MaxSegments + 1)
			}
			for range repeat + 1 {
				times = append(times, next)
				next += s.D
			}
		}
	}
	if len(times) == 0 {
		return nil, notValid("names no segment")
	}
	return times, nil
}

// identifier is a placeholder of a SegmentTemplate: $Number%05d$.
var identifier = regexp.MustCompile(`\$(RepresentationID|Number|Time|Bandwidth)?(%0[0-9]{1,2}d)?\$`)

// expand fills in a template (ISO/IEC 23009-1, section 5.3.9.4.4).
func (c choice) expand(text string, number, time uint64) string {
	return identifier.ReplaceAllStringFunc(text, func(s string) string {
		m := identifier.FindStringSubmatch(s)
		verb := m[2]
		if verb == "" {
			verb = "%d"
		}
		switch m[1] {
		case "RepresentationID":
			return c.r.ID
		case "Number":
			return fmt.Sprintf(verb, number)
		case "Time":
			return fmt.Sprintf(verb, time)
		case "Bandwidth":
			return fmt.Sprintf(verb, c.r.Bandwidth)
		}
		return "$"
	})
}

// run adds the pieces of a SegmentList.
func (l *list) run(base *url.URL, run *Run) error {
	run.Origin = l.origin()
	add := func(ref, span string, number int) error {
		p := Piece{URL: base, Number: number}
		var err error
		if ref != "" {
			if p.URL, err = resolve(base, ref); err != nil {
				return err
			}
		}
		if span != "" {
			from, to, _ := strings.Cut(span, "-")
			a, errA := strconv.ParseInt(from, 10, 62)
			b, errB := strconv.ParseInt(to, 10, 62)
			if errA != nil || errB != nil || a < 0 || b < a {
				return notValid("has a byte range that is not valid")
			}
			p.From, p.Length = a, b-a+1
		}
		run.add(p)
		return nil
	}
	if i := l.Initialization; i != nil {
		if err := add(i.SourceURL, i.Range, 0); err != nil {
			return err
		}
	}
	if err := bounded(len(l.URLs)); err != nil {
		return err
	}
	for i, s := range l.URLs {
		if err := add(s.Media, s.MediaRange, i+1); err != nil {
			return err
		}
	}
	return nil
}

func rebase(at *url.URL, list []string) (*url.URL, error) {
	if len(list) == 0 || strings.TrimSpace(list[0]) == "" {
		return at, nil
	}
	return resolve(at, list[0])
}
