package coconut

import (
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

const (
	maxPictures      = 100 // number and offsets
	maxAnimatedWidth = 500
)

// image decodes the params of jpg, png and webp outputs, coconut-v2.md section 5.3.
func (h hash) image() *job.ImageParams {
	p := &job.ImageParams{
		Number:    h.integer("number", 0, 1, maxPictures),
		Interval:  h.number("interval", 0, 0, maxSeconds),
		Offsets:   h.offsets(),
		Square:    h.boolean("square"),
		Blur:      h.integer("blur", 0, 0, 5),
		Fit:       h.fit(),
		Transpose: h.transpose(),
		VFlip:     h.boolean("vflip"),
		HFlip:     h.boolean("hflip"),
		Watermark: h.watermark(),
		Sprite:    h.sprite(),
		VTT:       h.vtt(),
	}
	if v := h.get("interval"); v != nil && !blank(v) {
		p.HasInterval = v.kind != kindDeferred
	}
	if len(p.Offsets) > 0 && (p.HasInterval || p.Number > 0 && p.Number != len(p.Offsets)) {
		h.d.refuse(h.reason, "%s is not valid beside 'number' or 'interval': give one of them.", h.subject("offsets"))
	}
	return p
}

// offsets reads the times of pictures, an array or a single number.
func (h hash) offsets() []float64 {
	v := h.get("offsets")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return nil
	}
	list := v.list
	if v.kind != kindList {
		list = []*value{v}
	}
	if len(list) > maxPictures {
		h.refuse("offsets", "at most 100 of them")
		return nil
	}
	var offsets []float64
	for _, e := range list {
		if e.kind == kindDeferred {
			return nil
		}
		n, ok := parseNumber(e)
		if !ok || n < 0 || n > maxSeconds {
			h.d.refuse(h.reason, "%s is not valid: got %s, expected an array of seconds, such as [1, 5.5].", h.subject("offsets"), e.describe())
			return nil
		}
		offsets = append(offsets, n)
	}
	return offsets
}

// toggle reads a param that is a boolean or a hash of options. on is false when it
// is absent or false. For true the hash is empty.
func (h hash) toggle(name string) (inner hash, on bool) {
	v := h.get(name)
	if v == nil || v.kind == kindDeferred {
		return hash{}, false
	}
	if b, ok := parseBool(v); ok {
		inner = h
		inner.v, inner.before = &value{kind: kindHash}, h.before+name+"."
		return inner, b
	}
	if v.isHash() {
		// PHP encodes a hash without options as [], which means true here.
		inner, on = h.hash(name)
		return inner, on
	}
	h.refuse(name, "true, false or a hash")
	return hash{}, false
}

func (h hash) sprite() *job.Sprite {
	inner, on := h.toggle("sprite")
	if !on {
		return nil
	}
	inner.only("columns", "limit")
	return &job.Sprite{Columns: inner.integer("columns", 4, 1, 100), Limit: inner.integer("limit", 0, 0, 10000)}
}

func (h hash) vtt() *job.VTT {
	inner, on := h.toggle("vtt")
	if !on {
		return nil
	}
	inner.only("filename")
	t := &job.VTT{Filename: inner.path("filename")}
	if strings.ContainsAny(t.Filename, `/\`) {
		inner.refuse("filename", "a file name without slashes")
	}
	return t
}

// animated decodes the params of gif and webp_anim outputs.
func (h hash) animated(f format.Format) *job.ImageParams {
	p := &job.ImageParams{
		Square:    h.boolean("square"),
		Blur:      h.integer("blur", 0, 0, 5),
		Fit:       h.fit(),
		Transpose: h.transpose(),
		VFlip:     h.boolean("vflip"),
		HFlip:     h.boolean("hflip"),
		Watermark: h.watermark(),
		Scene:     &job.Scene{Number: 1, Duration: 5},
	}
	if inner, on := h.toggle("scene"); on {
		inner.only("number", "duration")
		p.Scene.Number = inner.integer("number", 1, 1, 10)
		p.Scene.Duration = inner.number("duration", 5, 0.1, 600)
	}
	if f.Video.Resolution.Width > maxAnimatedWidth {
		h.d.refuse(job.OutputFormatNotValid, "The format %s is not valid: an animation is at most %d pixels wide.", quote(f.String()), maxAnimatedWidth)
	}
	return p
}
