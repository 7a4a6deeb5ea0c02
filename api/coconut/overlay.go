package coconut

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/copra-video/copra/job"
)

const (
	maxOverlays    = 20
	maxOverlayText = 1000 // bytes
)

// overlayPositions are where an overlay may be.
var overlayPositions = []string{"topleft", "top", "topright", "left", "center", "right", "bottomleft", "bottom", "bottomright"}

// overlayColours are the names of colours.
var overlayColours = map[string]string{
	"white": "ffffff", "black": "000000", "gray": "808080", "red": "ff0000", "green": "00ff00", "blue": "0000ff",
	"yellow": "ffff00", "cyan": "00ffff", "magenta": "ff00ff", "orange": "ffa500",
}

// overlay reads the param 'overlay': hashes, each with a text, a timecode, an image or a
// LUT.
func (h hash) overlay() []job.Overlay {
	v := h.get("overlay")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return nil
	}
	elements := []*value{v}
	if v.kind == kindList {
		elements = v.list
	}
	if len(elements) > maxOverlays {
		h.refuse("overlay", "at most 20 of them")
		return nil
	}
	var list []job.Overlay
	for _, e := range elements {
		if e.kind == kindDeferred {
			continue
		}
		if e.kind != kindHash {
			h.d.refuse(h.reason, `%s is not valid: got %s, expected an array of overlays, such as [{"text": "Draft", "position": "top"}].`, h.subject("overlay"), e.describe())
			return nil
		}
		one := h
		one.v, one.before, one.outer = e, h.before+"overlay.", nil
		if o, ok := one.oneOverlay(); ok {
			list = append(list, o)
		}
	}
	return list
}

// oneOverlay reads an element of 'overlay'. ok is false for one that is not known yet.
func (h hash) oneOverlay() (o job.Overlay, ok bool) {
	var kinds []string
	for _, name := range []string{"text", "timecode", "image", "lut"} {
		if v := h.get(name); v != nil && (v.kind == kindDeferred || !blank(v)) {
			kinds = append(kinds, name)
		}
	}
	if len(kinds) != 1 {
		h.d.refuse(h.reason, "%s is not valid: expected one of 'text', 'timecode', 'image' and 'lut' in each of them, and got %d.", h.subject("overlay"), len(kinds))
		return o, false
	}
	names := []string{kinds[0], "start", "end"}
	switch kinds[0] {
	case "lut":
		names = names[:1]
		o.LUT = h.url("lut", inputSchemes...)
	case "image":
		names = append(names, "position", "margin", "opacity", "width")
		o.Image = h.url("image", inputSchemes...)
		o.Position, o.Width = h.oneOf("position", "topright", overlayPositions...), h.number("width", 0, 1, 100)
	default:
		names = append(names, "position", "margin", "opacity", "size", "color", "box", "box_color", "box_opacity")
		o.Text, o.Timecode = h.overlayText(), h.timecode()
		o.Position, o.Size = h.oneOf("position", "bottomleft", overlayPositions...), h.number("size", 5, 1, 50)
		o.Color, o.BoxColor = h.color("color", "white"), h.color("box_color", "black")
		o.Box, o.BoxOpacity = h.boolean("box"), h.number("box_opacity", 0.5, 0, 1)
	}
	h.only(names...)
	o.Margin, o.Opacity = h.number("margin", 4, 0, 50), h.number("opacity", 1, 0, 1)
	o.Start, o.End = h.number("start", 0, 0, maxSeconds), h.number("end", 0, 0, maxSeconds)
	if o.End > 0 && o.End <= o.Start {
		h.refuse("end", "a time after 'start'")
	}
	return o, h.get(kinds[0]).kind != kindDeferred
}

// overlayText reads a text that is shown as it is. It may have several lines.
func (h hash) overlayText() string {
	text := strings.ReplaceAll(h.str("text"), "\r\n", "\n")
	odd := func(r rune) bool { return r != '\n' && unicode.IsControl(r) }
	if len(text) > maxOverlayText || strings.ContainsFunc(text, odd) {
		h.refuse("text", "at most 1000 bytes without control characters besides the line feed")
		return ""
	}
	return text
}

var timecodeForm = regexp.MustCompile(`^(\d\d):(\d\d):(\d\d)[:;](\d\d)$`)

// timecode reads the timecode of the first frame; true is that of zero.
func (h hash) timecode() string {
	v := h.get("timecode")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return ""
	}
	if on, ok := parseBool(v); ok && on && v.kind == kindBool {
		return "00:00:00:00"
	}
	text := h.word("timecode")
	m := timecodeForm.FindStringSubmatch(text)
	fits := func(field, limit int) bool {
		n, err := strconv.Atoi(m[field])
		return err == nil && n < limit
	}
	if m == nil || !fits(1, 24) || !fits(2, 60) || !fits(3, 60) || !fits(4, 60) {
		h.refuse("timecode", `true, or the timecode of the first frame, such as "10:00:00:00", or "10:00:00;00" for drop frame`)
		return ""
	}
	return text
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// color reads a colour and returns its six hexadecimal digits.
func (h hash) color(name, def string) string {
	text := strings.ToLower(h.word(name))
	if text == "" {
		text = def
	}
	if hexColour.MatchString(text) {
		return text[1:]
	}
	if c, ok := overlayColours[text]; ok {
		return c
	}
	var names []string
	for n := range overlayColours {
		names = append(names, n)
	}
	slices.Sort(names)
	h.refuse(name, `a colour such as "#ff8800", or one of `+strings.Join(names, ", "))
	return "ffffff"
}
