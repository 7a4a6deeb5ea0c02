package captions

import (
	"cmp"
	"strconv"
	"strings"
)

// bottom is the usual place.
const bottom = 2

// assStyle is what is kept of a style of ASS.
type assStyle struct {
	place  int // by the keys of a number pad
	italic bool
}

// parseASS reads SSA and ASS. Drawings are left out, and of the styles the place and
// italics are kept.
func parseASS(text string) ([]Cue, error) {
	var cues []Cue
	styles := map[string]assStyle{}
	section := ""
	var format []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section, format = strings.ToLower(line), nil
			continue
		}
		kind, rest, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
		case "format":
			format = nil
			for f := range strings.SplitSeq(rest, ",") {
				format = append(format, strings.ToLower(strings.TrimSpace(f)))
			}
		case "style":
			f := assFields(format, rest)
			styles[f["name"]] = newAssStyle(f, section)
		case "dialogue":
			if len(format) == 0 {
				format = []string{"layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"}
			}
			f := assFields(format, rest)
			start, ok1 := parseClock(f["start"])
			end, ok2 := parseClock(f["end"])
			if ok1 && ok2 {
				c := Cue{Start: start, End: end}
				c.Text, c.Settings = assText(f["text"], styles[strings.TrimPrefix(f["style"], "*")])
				cues = append(cues, c)
			}
		}
	}
	return cues, nil
}

// assFields are the fields of a line by their names. The last one may hold commas.
func assFields(format []string, line string) map[string]string {
	fields := map[string]string{}
	for i, v := range strings.SplitN(line, ",", len(format)) {
		if i < len(format) {
			if i < len(format)-1 {
				v = strings.TrimSpace(v)
			}
			fields[format[i]] = v
		}
	}
	return fields
}

func newAssStyle(f map[string]string, section string) assStyle {
	s := assStyle{italic: f["italic"] == "-1" || f["italic"] == "1"}
	s.place, _ = strconv.Atoi(f["alignment"])
	if !strings.Contains(section, "+") {
		s.place = oldPlace(s.place)
	}
	if s.place < 1 || s.place > 9 {
		s.place = bottom
	}
	return s
}

// oldPlace is a place as SSA counts it: 1 to 3 below, 5 to 7 above, 9 to 11 between.
func oldPlace(at int) int {
	switch {
	case at >= 5 && at <= 7:
		return at + 2
	case at >= 9 && at <= 11:
		return at - 5
	}
	return at
}

// alignment is the place in a block "{\an8}" or "{\a6}"; 0: there is none.
func alignment(block string) int {
	for tag := range strings.SplitSeq(strings.Trim(block, "{}"), `\`) {
		if n, ok := strings.CutPrefix(tag, "an"); ok {
			if at, err := strconv.Atoi(strings.TrimSpace(n)); err == nil && at >= 1 && at <= 9 {
				return at
			}
		} else if n, ok := strings.CutPrefix(tag, "a"); ok {
			if at, err := strconv.Atoi(strings.TrimSpace(n)); err == nil && at >= 1 && at <= 11 {
				return oldPlace(at)
			}
		}
	}
	return 0
}

var breaks = strings.NewReplacer(`\N`, "\n", `\n`, "\n", `\h`, " ")

// assText brings a text of ASS to WebVTT.
func assText(text string, style assStyle) (out, settings string) {
	at, drawing := style.place, false
	var b strings.Builder
	open := map[string]bool{}
	toggle := func(tag string, on bool) {
		switch {
		case on && !open[tag]:
			b.WriteString("<" + tag + ">")
		case !on && open[tag]:
			b.WriteString("</" + tag + ">")
		}
		open[tag] = on
	}
	toggle("i", style.italic)
	write := func(part string) {
		if !drawing {
			b.WriteString(escape(breaks.Replace(part)))
		}
	}
	for {
		before, rest, found := strings.Cut(text, "{")
		block, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			write(text)
			break
		}
		write(before)
		if n := alignment(block); n > 0 {
			at = n
		}
		for tag := range strings.SplitSeq(block, `\`) {
			for _, t := range []string{"i", "b", "u"} {
				if n, ok := strings.CutPrefix(tag, t); ok {
					if v, err := strconv.Atoi(strings.TrimSpace(n)); err == nil {
						toggle(t, v != 0)
					}
				}
			}
			if n, ok := strings.CutPrefix(tag, "p"); ok {
				if v, err := strconv.Atoi(strings.TrimSpace(n)); err == nil {
					drawing = v > 0
				}
			}
		}
		text = after
	}
	for _, t := range []string{"u", "b", "i"} {
		toggle(t, false)
	}
	return b.String(), place(cmp.Or(at, bottom))
}
