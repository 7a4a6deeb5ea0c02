package captions

import (
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// times reads a line "00:00:01,000 --> 00:00:02.500 rest". Hours may be missing, and
// what else people write is understood too.
func times(line string) (start, end int64, rest string, ok bool) {
	from, to, found := strings.Cut(line, "-->")
	if !found {
		return 0, 0, "", false
	}
	start, ok = parseClock(strings.TrimRight(from, "-"))
	if !ok {
		return 0, 0, "", false
	}
	to = strings.TrimSpace(to)
	at := len(to)
	if i := strings.IndexFunc(to, func(r rune) bool { return !strings.ContainsRune("-0123456789:., \t", r) }); i >= 0 {
		at = i
	}
	end, ok = parseClock(to[:at])
	return start, end, strings.TrimSpace(to[at:]), ok
}

// parseClock reads "01:02:03,004", "02:03.004" and "3.5" in milliseconds.
func parseClock(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if strings.ContainsAny(s, " \t") {
		s = strings.Join(strings.Fields(s), "")
	}
	s, negative := strings.CutPrefix(s, "-")
	s = strings.ReplaceAll(s, ",", ".")
	parts := strings.Split(s, ":")
	if len(parts) > 4 {
		return 0, false
	}
	if len(parts) == 4 { // hh:mm:ss:ms
		parts = append(parts[:2], parts[2]+"."+parts[3])
	}
	total := 0.0
	for i, p := range parts {
		if p == "" || strings.Trim(p, "0123456789.") != "" || i < len(parts)-1 && strings.Contains(p, ".") {
			return 0, false
		}
		v, err := strconv.ParseFloat(p, 64)
		if err != nil || v > 1e7 {
			return 0, false
		}
		total = total*60 + v
	}
	ms := int64(total*1000 + 0.5)
	if negative {
		ms = -ms
	}
	return ms, true
}

// parseSRT reads SubRip. What is between two lines with times is text, but for the
// number before the second.
func parseSRT(text string) ([]Cue, error) {
	var cues []Cue
	var block []string
	finish := func(last bool) {
		if len(cues) == 0 {
			block = nil
			return
		}
		for len(block) > 0 && strings.TrimSpace(block[len(block)-1]) == "" {
			block = block[:len(block)-1]
		}
		if n := len(block); !last && n > 0 && isNumber(block[n-1]) {
			block = block[:n-1]
		}
		c := &cues[len(cues)-1]
		c.Text, c.Settings = srtText(strings.Join(block, "\n"))
		block = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if start, end, _, ok := times(line); ok {
			finish(false)
			cues = append(cues, Cue{Start: start, End: end})
			continue
		}
		block = append(block, line)
	}
	finish(true)
	return cues, nil
}

func isNumber(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && strings.Trim(line, "0123456789") == ""
}

var (
	overrides = regexp.MustCompile(`\{[^{}]*\}`)
	srtTag    = regexp.MustCompile(`(?i)</?([a-z]+)[^<>]*>`)
	entity    = regexp.MustCompile(`&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});`)
)

// srtText brings the text of SubRip to WebVTT: bold, italic and underlined stay, and
// the place that "{\an8}" names.
func srtText(text string) (out, settings string) {
	if !strings.ContainsAny(text, "{<") {
		return escape(text), ""
	}
	text = overrides.ReplaceAllStringFunc(text, func(o string) string {
		if at := alignment(o); at > 0 {
			settings = place(at)
		} else if !strings.HasPrefix(o, `{\`) && !strings.HasPrefix(strings.ToLower(o), "{y:") {
			return o // braces that were written to be read
		}
		return ""
	})
	var b strings.Builder
	at := 0
	for _, m := range srtTag.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(escape(text[at:m[0]]))
		at = m[1]
		switch name := strings.ToLower(text[m[2]:m[3]]); name {
		case "b", "i", "u":
			if text[m[0]+1] == '/' {
				b.WriteString("</" + name + ">")
			} else {
				b.WriteString("<" + name + ">")
			}
		case "br":
			b.WriteByte('\n')
		case "font", "s", "ruby", "rt", "span", "c", "v", "strong", "em":
		default:
			b.WriteString(escape(text[m[0]:m[1]])) // not a tag
		}
	}
	b.WriteString(escape(text[at:]))
	return b.String(), settings
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\u200e", "&lrm;", "\u200f", "&rlm;")

// escape writes plain text, which may hold entities already, for WebVTT.
func escape(text string) string {
	if strings.Contains(text, "&") {
		text = entity.ReplaceAllStringFunc(text, html.UnescapeString)
	}
	return escapes.Replace(text)
}

// place are the settings for a place as ASS counts them, by the keys of a number pad.
func place(at int) string {
	var s []string
	switch (at - 1) % 3 {
	case 0:
		s = append(s, "align:left")
	case 2:
		s = append(s, "align:right")
	}
	switch (at - 1) / 3 {
	case 1:
		s = append(s, "line:50%")
	case 2:
		s = append(s, "line:0")
	}
	return strings.Join(s, " ")
}

// settingNames are the settings of a cue that stay. Regions are left out with their
// definitions.
var settingNames = []string{"vertical", "line", "position", "size", "align"}

// parseWebVTT reads WebVTT. Notes, styles and regions are left out.
func parseWebVTT(text string) ([]Cue, error) {
	var cues []Cue
	open := false
	for line := range strings.SplitSeq(text, "\n") {
		start, end, settings, ok := times(line)
		switch {
		case ok:
			cues = append(cues, Cue{Start: start, End: end, Settings: keptSettings(settings)})
			open = true
		case strings.TrimSpace(line) == "" || strings.Contains(line, "-->"):
			open = false
		case open:
			cues[len(cues)-1].Text += line + "\n"
		}
	}
	return cues, nil
}

func keptSettings(s string) string {
	var kept []string
	for f := range strings.FieldsSeq(s) {
		if name, value, ok := strings.Cut(f, ":"); ok && value != "" && len(f) < 64 && slices.Contains(settingNames, name) {
			kept = append(kept, f)
		}
	}
	return strings.Join(kept, " ")
}
