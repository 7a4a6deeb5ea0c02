package coconut

import (
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
)

// maxSeconds is the maximum of times: a hundred days.
const maxSeconds = 100 * 24 * 3600

// video decodes the params of video and audio outputs (coconut-v2.md section 5.2).
func (h hash) video() *job.VideoParams {
	p := &job.VideoParams{
		Offset:      h.number("offset", 0, 0, maxSeconds),
		Duration:    h.number("duration", 0, 0, maxSeconds),
		Fit:         h.fit(),
		Transpose:   h.transpose(),
		VFlip:       h.boolean("vflip"),
		HFlip:       h.boolean("hflip"),
		Deinterlace: h.boolean("deinterlace"),
		Square:      h.boolean("square"),
		Watermark:   h.watermark(),
		Copy:        h.oneOf("copy", "", copyModes...),
		Captions:    h.captions(),
		Overlay:     h.overlay(),
		Burn:        h.burn(),

		QualityMetrics: h.boolean("quality_metrics"),
	}
	p.CropW, p.CropH = h.crop()
	return p
}

func (h hash) fit() string { return h.oneOf("fit", "pad", "pad", "crop") }

// transpose reads 0 to 3, the values of ffmpeg's transpose filter, nil if absent.
func (h hash) transpose() *int {
	v := h.get("transpose")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return nil
	}
	n := h.integer("transpose", 0, 0, 3)
	return &n
}

// crop reads "W:H". Width and height may be arithmetic with the variables of ffmpeg's
// crop filter, such as "iw/2:ih". Characters that separate filters are not allowed.
func (h hash) crop() (w, height string) {
	v := h.get("crop")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return "", ""
	}
	w, height, ok := strings.Cut(v.text, ":")
	w, height = strings.TrimSpace(w), strings.TrimSpace(height)
	if v.kind != kindString || !ok || !cropSide(w) || !cropSide(height) {
		h.refuse("crop", "\"W:H\", such as \"640:360\" or \"iw/2:ih\"")
		return "", ""
	}
	return w, height
}

// cropVars are the variables of a crop, with values for checking its syntax.
var cropVars = expr.Vars{"iw": 1e6, "ih": 1e6, "in_w": 1e6, "in_h": 1e6}

func cropSide(s string) bool {
	if s == "" || s == "0" || len(s) > 100 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_0123456789.+-*/(), ") != "" {
		return false
	}
	_, err := expr.Eval("{%"+s+"%}", cropVars)
	return err == nil
}

// watermark reads the watermark: a hash, or a string that is its URL. It is nil for
// false and "".
func (h hash) watermark() *job.Watermark {
	v := h.get("watermark")
	if v == nil || v.kind == kindDeferred || blank(v) || v.isHash() && len(v.members) == 0 {
		return nil
	}
	w := &job.Watermark{Position: "topright"}
	if v.kind == kindString {
		w.URL = h.url("watermark", inputSchemes...)
		return w
	}
	inner, ok := h.hash("watermark")
	if !ok {
		return nil
	}
	inner.only("url", "position")
	w.URL = inner.url("url", inputSchemes...)
	if u := inner.get("url"); u == nil || blank(u) {
		inner.refuse("url", "the URL of a PNG picture")
	}
	w.Position = inner.oneOf("position", "topright", "topleft", "topright", "bottomleft", "bottomright")
	return w
}
