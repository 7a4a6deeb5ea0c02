package captions

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
)

// ttml reads a TTML document.
type ttml struct {
	frameRate, subFrames, tickRate float64
	styles                         map[string]ttmlStyle // by id; of regions too
	cues                           []Cue
}

type ttmlStyle struct{ italic, bold, underlined, top bool }

// ttmlElement is an open element.
type ttmlElement struct {
	name       string
	begin, end float64 // seconds
	style      ttmlStyle
	preserve   bool
	text       *strings.Builder // where its text goes; nil: it is not shown
	own        bool             // text is its alone
	close      string           // tags that end with it
}

const maxTTMLDepth = 100

func parseTTML(text string) ([]Cue, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	d.Entity = xml.HTMLEntity
	t := &ttml{frameRate: 30, subFrames: 1, styles: map[string]ttmlStyle{}}
	stack := []ttmlElement{{end: math.Inf(1)}}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return t.cues, nil
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, refuse("The captions are TTML that is broken in line %d.", line)
		}
		top := &stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			if len(stack) > maxTTMLDepth {
				return nil, refuse("The captions are TTML that is nested more than %d deep.", maxTTMLDepth)
			}
			e, err := t.open(token, top)
			if err != nil {
				return nil, err
			}
			stack = append(stack, e)
		case xml.EndElement:
			if top.text != nil {
				top.text.WriteString(top.close)
			}
			if top.own && !math.IsInf(top.end, 1) {
				c := Cue{Start: milliseconds(top.begin), End: milliseconds(top.end), Text: top.text.String()}
				if top.style.top {
					c.Settings = "line:0"
				}
				t.cues = append(t.cues, c)
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if top.text != nil {
				top.text.WriteString(escape(space(string(token), top.preserve)))
			}
		}
	}
}

func milliseconds(seconds float64) int64 { return int64(math.Round(seconds * 1000)) }

// space collapses white space as XML does unless it is told to keep it.
func space(s string, preserve bool) string {
	if preserve {
		return s
	}
	var b strings.Builder
	blank := false
	for _, r := range s {
		switch r {
		case ' ', '\t', '\n', '\r':
			blank = true
			continue
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(r)
	}
	if blank {
		b.WriteByte(' ')
	}
	return b.String()
}

// open begins an element within parent.
func (t *ttml) open(token xml.StartElement, parent *ttmlElement) (ttmlElement, error) {
	attrs := map[string]string{}
	for _, a := range token.Attr {
		attrs[a.Name.Local] = strings.TrimSpace(a.Value)
	}
	e := ttmlElement{name: token.Name.Local, begin: parent.begin, end: parent.end, style: parent.style, preserve: parent.preserve, text: parent.text}
	if s, ok := attrs["space"]; ok {
		e.preserve = s == "preserve"
	}
	switch e.name {
	case "tt":
		t.rates(attrs)
	case "style", "region":
		s := t.style(ttmlStyle{}, attrs)
		if id := attrs["id"]; id != "" {
			t.styles[id] = s
		}
		if parent.name == "region" { // a style inside of a region is the region's
			parent.style = t.style(parent.style, attrs)
		}
		e.style = s
	case "br":
		if e.text != nil {
			e.text.WriteByte('\n')
		}
	case "metadata":
		e.text = nil
	}
	if e.name != "style" && e.name != "region" {
		e.style = t.style(e.style, attrs)
	}
	timed := attrs["begin"] != "" || attrs["end"] != "" || attrs["dur"] != ""
	if timed {
		var err error
		if e.begin, e.end, err = t.interval(attrs, *parent); err != nil {
			return e, err
		}
	}
	shown := parent.style
	if e.name == "p" || e.name == "span" && timed {
		e.text, e.own = &strings.Builder{}, true
		shown = ttmlStyle{}
	}
	if e.text != nil {
		e.writeTags(shown)
	}
	return e, nil
}

// writeTags opens the tags of its style, of which shown is written already.
func (e *ttmlElement) writeTags(shown ttmlStyle) {
	for _, t := range []struct {
		tag      string
		on, have bool
	}{{"b", e.style.bold, shown.bold}, {"i", e.style.italic, shown.italic}, {"u", e.style.underlined, shown.underlined}} {
		if t.on && !t.have {
			e.text.WriteString("<" + t.tag + ">")
			e.close = "</" + t.tag + ">" + e.close
		}
	}
}

// interval is the time of an element. It counts from the begin of its parent and
// ends with it.
func (t *ttml) interval(attrs map[string]string, parent ttmlElement) (begin, end float64, err error) {
	begin, end = parent.begin, parent.end
	read := func(name string) (float64, bool) {
		s := attrs[name]
		if s == "" {
			return 0, false
		}
		v, ok := t.time(s)
		if !ok && err == nil {
			err = refuse("The captions are TTML with a time that is not valid: %q.", shorten(s))
		}
		return v, ok
	}
	if v, ok := read("begin"); ok {
		begin = parent.begin + v
	}
	if v, ok := read("end"); ok {
		end = min(end, parent.begin+v)
	}
	if v, ok := read("dur"); ok {
		end = min(end, begin+v)
	}
	return begin, end, err
}

func shorten(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

// rates reads what frames and ticks are.
func (t *ttml) rates(attrs map[string]string) {
	number := func(name string, def float64) float64 {
		if v, err := strconv.ParseFloat(attrs[name], 64); err == nil && v > 0 && v <= 1e9 {
			return v
		}
		return def
	}
	_, framed := attrs["frameRate"]
	t.frameRate = number("frameRate", 30)
	if a, b, ok := strings.Cut(attrs["frameRateMultiplier"], " "); ok {
		num, err1 := strconv.ParseFloat(a, 64)
		den, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
		if err1 == nil && err2 == nil && num > 0 && den > 0 {
			t.frameRate *= num / den
		}
	}
	t.subFrames = number("subFrameRate", 1)
	def := 1.0
	if framed {
		def = t.frameRate * t.subFrames
	}
	t.tickRate = number("tickRate", def)
}

// time reads a time expression: "00:01:02.5", "00:01:02:12" with frames, "62.5s".
func (t *ttml) time(s string) (float64, bool) {
	if parts := strings.Split(s, ":"); len(parts) >= 3 {
		ms, ok := parseClock(strings.Join(parts[:3], ":"))
		if !ok || len(parts) > 4 {
			return 0, false
		}
		seconds := float64(ms) / 1000
		if len(parts) == 4 {
			frames, sub, _ := strings.Cut(parts[3], ".")
			n, err := strconv.ParseFloat(frames, 64)
			if err != nil || n < 0 {
				return 0, false
			}
			if k, err := strconv.ParseFloat(sub, 64); err == nil {
				n += k / t.subFrames
			}
			seconds += n / t.frameRate
		}
		return seconds, true
	}
	at := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.", r) })
	if at <= 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(s[:at], 64)
	if err != nil || v > 1e13 {
		return 0, false
	}
	unit, ok := map[string]float64{"h": 3600, "m": 60, "s": 1, "ms": 0.001, "f": 1 / t.frameRate, "t": 1 / t.tickRate}[s[at:]]
	seconds := v * unit
	return seconds, ok && seconds < 1e9
}

// style adds what attributes say to a style.
func (t *ttml) style(s ttmlStyle, attrs map[string]string) ttmlStyle {
	for id := range strings.FieldsSeq(attrs["style"] + " " + attrs["region"]) {
		o := t.styles[id]
		s.italic, s.bold, s.underlined, s.top = s.italic || o.italic, s.bold || o.bold, s.underlined || o.underlined, s.top || o.top
	}
	if v, ok := attrs["fontStyle"]; ok {
		s.italic = v == "italic" || v == "oblique"
	}
	if v, ok := attrs["fontWeight"]; ok {
		s.bold = v == "bold"
	}
	if v, ok := attrs["textDecoration"]; ok {
		s.underlined = strings.Contains(v, "underline") && !strings.Contains(v, "noUnderline")
	}
	if v, ok := attrs["displayAlign"]; ok {
		s.top = v == "before"
	}
	return s
}
