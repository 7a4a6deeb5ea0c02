package coconut

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// decoder keeps the first error. Methods that read members continue after an error
// and return zero values, so that decoding can be written as a list of members.
type decoder struct {
	err *job.Error
}

func (d *decoder) refuse(reason job.Reason, format string, args ...any) {
	if d.err == nil {
		d.err = job.Errorf(reason, format, args...)
	}
}

// hash reads the members of one hash (JSON object) of the request, as leniently as
// clients need: numbers as strings and strings as numbers, booleans in several
// spellings, null for absent members.
type hash struct {
	d      *decoder
	v      *value
	reason job.Reason // of its errors
	// A message names a member as before + name + after:
	// "The param 'hls." + "path" + "' of the output 'httpstream'".
	before, after string
	secret        bool // messages must not quote values
	// outer are the params of the output around a hash that is a param.
	outer []string
}

// section returns a reader for a section of the job: settings, input, storage or
// notification.
func (d *decoder) section(name string, reason job.Reason, v *value) hash {
	return hash{d: d, v: v, reason: reason, before: "The " + name + " '", after: "'"}
}

func (h hash) subject(name string) string { return h.before + name + h.after }

func (h hash) get(name string) *value { return h.v.get(name) }

// refuse reports that a member is wrong, and what is expected.
func (h hash) refuse(name, want string) {
	v := h.get(name)
	switch {
	case v == nil:
		h.d.refuse(h.reason, "%s is missing: expected %s%s.", h.subject(name), want, h.v.misspelt(name))
	case h.secret:
		h.d.refuse(h.reason, "%s is not valid: expected %s.", h.subject(name), want)
	default:
		h.d.refuse(h.reason, "%s is not valid: got %s, expected %s.", h.subject(name), v.describe(), want)
	}
}

// hash returns a member that is a hash. ok is false when it is absent or not one.
func (h hash) hash(name string) (inner hash, ok bool) {
	v := h.get(name)
	if v == nil {
		return hash{}, false
	}
	if !v.isHash() {
		h.refuse(name, "a hash")
		return hash{}, false
	}
	inner = h
	inner.v, inner.before = v, h.before+name+"."
	return inner, true
}

// only refuses members whose name is not in names.
func (h hash) only(names ...string) {
	h.onlyOr(func(m member) string { return h.outerHint(m.name) }, names...)
}

// onlyOr is only. hint says where an unknown member belongs, "" if that is not known.
func (h hash) onlyOr(hint func(m member) string, names ...string) {
	for _, m := range h.v.members {
		if slices.Contains(names, m.name) {
			continue
		}
		text := hint(m)
		if text == "" {
			text = nearestHint(m.name, names)
		}
		if text != "" {
			h.d.refuse(h.reason, "%s is not valid: %s. Accepted here are %s.", h.subject(shorten(m.name)), text, strings.Join(names, ", "))
		}
		h.d.refuse(h.reason, "%s is not valid: there is no such param, accepted are %s.", h.subject(shorten(m.name)), strings.Join(names, ", "))
		return
	}
}

// str returns a string. Numbers and booleans are returned as they are written.
func (h hash) str(name string) string {
	v := h.get(name)
	if v == nil || v.kind == kindDeferred {
		return ""
	}
	if v.kind == kindList || v.kind == kindHash {
		h.refuse(name, "a string")
		return ""
	}
	return v.text
}

// word returns a string without surrounding space. It may have at most 1024 bytes
// and no control characters.
func (h hash) word(name string) string {
	s := strings.TrimSpace(h.str(name))
	if len(s) > maxPath || hasControl(s) {
		h.refuse(name, fmt.Sprintf("at most %d bytes without control characters", maxPath))
		return ""
	}
	return s
}

// oneOf returns a string that must be one of words, or def if it is absent or empty.
func (h hash) oneOf(name, def string, words ...string) string {
	s := h.word(name)
	if s == "" {
		return def
	}
	if !slices.Contains(words, s) {
		h.refuse(name, "one of "+strings.Join(words, ", "))
		return def
	}
	return s
}

// boolean returns a bool, written as true, 1, "true", "1", "yes" or "on" or as
// their opposites. "" is false.
func (h hash) boolean(name string) bool {
	v := h.get(name)
	b, ok := parseBool(v)
	if !ok {
		h.refuse(name, "true or false")
	}
	return b
}

// flag is boolean for members of which clients also send hashes and arrays: true
// unless they are empty.
func (h hash) flag(name string) bool {
	if v := h.get(name); v != nil && (v.kind == kindHash || v.kind == kindList) {
		return len(v.members)+len(v.list) > 0
	}
	return h.boolean(name)
}

// optionalBool is boolean, and nil when the member is absent.
func (h hash) optionalBool(name string) *bool {
	if h.get(name) == nil {
		return nil
	}
	b := h.boolean(name)
	return &b
}

func parseBool(v *value) (b, ok bool) {
	if v == nil || v.kind == kindDeferred {
		return false, true
	}
	if v.kind == kindList || v.kind == kindHash {
		return false, false
	}
	switch strings.ToLower(strings.TrimSpace(v.text)) {
	case "true", "1", "1.0", "yes", "on":
		return true, true
	case "false", "0", "0.0", "no", "off", "":
		return false, true
	}
	return false, false
}

// number returns a number from low to high, or def for an absent member, "" or false.
func (h hash) number(name string, def, low, high float64) float64 {
	v := h.get(name)
	if v == nil || v.kind == kindDeferred || blank(v) {
		return def
	}
	n, ok := parseNumber(v)
	if !ok || n < low || n > high {
		h.refuse(name, "a number "+bounds(low, high))
		return def
	}
	return n
}

// integer is number for whole numbers.
func (h hash) integer(name string, def, low, high int) int {
	v := h.get(name)
	if v == nil || v.kind == kindDeferred || blank(v) {
		return def
	}
	n, ok := parseNumber(v)
	if !ok || n != math.Trunc(n) || n < float64(low) || n > float64(high) {
		h.refuse(name, "a whole number "+bounds(float64(low), float64(high)))
		return def
	}
	return int(n)
}

func bounds(low, high float64) string {
	return fmt.Sprintf("from %s to %s", strconv.FormatFloat(low, 'f', -1, 64), strconv.FormatFloat(high, 'f', -1, 64))
}

// blank reports whether v is what clients send for an absent value: "" or false.
func blank(v *value) bool {
	return v.kind == kindBool && v.text == "false" || v.kind == kindString && strings.TrimSpace(v.text) == ""
}

func parseNumber(v *value) (float64, bool) {
	if v.kind != kindNumber && v.kind != kindString {
		return 0, false
	}
	text := strings.TrimSpace(v.text)
	// ParseFloat would accept hexadecimal, underscores, "inf" and "nan" too.
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}
