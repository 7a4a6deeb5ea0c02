package captions

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Style is how captions without a style of their own are drawn into a picture.
type Style struct {
	Size  float64 // of letters, in 288ths of the height
	Color string  // six hexadecimal digits
}

// assHeader is the beginning of a file of ASS for a picture of any size: libass scales
// places and letters from PlayRes. The letters have an outline, so that they can be read on
// anything. Colours are AABBGGRR.
const assHeader = `[Script Info]
ScriptType: v4.00+
PlayResX: 512
PlayResY: 288
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,sans-serif,%g,&H00%s,&H00%[2]s,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,1.2,0,2,26,26,14,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
`

// ASS returns a file of captions as ASS, to be drawn into a picture. One that is ASS
// already keeps its fonts, colours and places, and style does not count. A file without
// cues draws nothing.
func ASS(data []byte, h Hint, style Style) ([]byte, error) {
	cues, err := Parse(data, h)
	if err != nil && !errors.Is(err, ErrNoCues) {
		return nil, err
	}
	if text, err := decode(data, h); err == nil {
		text = strings.TrimPrefix(text, "\ufeff")
		if start := text[:min(len(text), 13)]; strings.EqualFold(start, "[Script Info]") {
			return []byte(text), nil
		}
	}
	var b bytes.Buffer
	rgb := (style.Color + "ffffff")[:6]
	fmt.Fprintf(&b, assHeader, style.Size, strings.ToUpper(rgb[4:6]+rgb[2:4]+rgb[0:2]))
	for _, c := range cues {
		fmt.Fprintf(&b, "Dialogue: 0,%s,%s,Default,,0,0,0,,%s%s\n", assClock(c.Start), assClock(c.End), assPlace(c.Settings), assEvent(c.Text))
	}
	return b.Bytes(), nil
}

// assClock is a time of ASS, which counts hundredths.
func assClock(ms int64) string {
	cs := (ms + 5) / 10
	return fmt.Sprintf("%d:%02d:%02d.%02d", cs/360_000, cs/6000%60, cs/100%60, cs%100)
}

// assPlace is the override for the place that the settings of a cue name: above, in the
// middle or below, left, right or between.
func assPlace(settings string) string {
	at := 2
	for s := range strings.FieldsSeq(settings) {
		name, value, _ := strings.Cut(s, ":")
		value, _, _ = strings.Cut(value, ",")
		switch name {
		case "line":
			var n float64
			_, err := fmt.Sscanf(value, "%g", &n)
			percent := strings.HasSuffix(value, "%")
			switch {
			case err != nil || n < 0:
			case percent && n >= 34 && n <= 66:
				at += 3
			case percent && n < 34, !percent && n < 5: // of some fifteen lines
				at += 6
			}
		case "align":
			switch value {
			case "left", "start":
				at--
			case "right", "end":
				at++
			}
		}
	}
	if at == 2 {
		return ""
	}
	return fmt.Sprintf(`{\an%d}`, at)
}

var vttTag = regexp.MustCompile(`<[^<>]*>`)

// assEvent brings the text of a cue to ASS. Nothing in it can be an override: braces are
// escaped, and a backslash is followed by a word joiner.
func assEvent(text string) string {
	plain := strings.NewReplacer(`\`, "\\\u2060", "{", `\{`, "}", `\}`, "\n", `\N`, "\r", "")
	var b strings.Builder
	at := 0
	for _, m := range vttTag.FindAllStringIndex(text, -1) {
		b.WriteString(plain.Replace(html.UnescapeString(text[at:m[0]])))
		at = m[1]
		switch tag := text[m[0]:m[1]]; tag {
		case "<b>", "<i>", "<u>":
			b.WriteString(`{\` + tag[1:2] + "1}")
		case "</b>", "</i>", "</u>":
			b.WriteString(`{\` + tag[2:3] + "0}")
		}
	}
	b.WriteString(plain.Replace(html.UnescapeString(text[at:])))
	return b.String()
}
