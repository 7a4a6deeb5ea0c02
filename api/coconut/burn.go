package coconut

import (
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
)

// burn reads the param 'burn': a hash with the address of captions or a track of the
// input, or the address alone; nil when it is absent.
func (h hash) burn() *job.Burn {
	v := h.get("burn")
	if v == nil || blank(v) {
		return nil
	}
	if v.kind == kindString || v.kind == kindDeferred {
		v = &value{kind: kindHash, members: []member{{"url", v}}}
	}
	if v.kind != kindHash {
		h.d.refuse(h.reason, `%s is not valid: got %s, expected captions to draw, such as {"url": "https://example.com/en.srt"} or {"track": "en"}.`, h.subject("burn"), v.describe())
		return nil
	}
	one := h
	one.v, one.before, one.outer = v, h.before+"burn.", nil
	one.only("url", "track", "language", "charset")
	given := func(name string) bool {
		v := one.get(name)
		return v != nil && (v.kind == kindDeferred || !blank(v))
	}
	switch {
	case given("url") == given("track"):
		h.d.refuse(h.reason, "%s is not valid: expected either 'url', the address of captions, or 'track', the number or the language of subtitles of the input.", h.subject("burn"))
	case given("track"):
		for _, name := range []string{"language", "charset"} {
			if given(name) {
				h.d.refuse(h.reason, "%s is not valid beside 'track': '%s' is of a file.", h.subject("burn"), name)
			}
		}
		return one.burnTrack()
	}
	b := &job.Burn{URL: one.url("url", inputSchemes...), Language: one.language("language"), Charset: one.word("charset")}
	if b.Charset != "" && !captions.KnownCharset(b.Charset) {
		one.refuse("charset", "a charset such as utf-8, windows-1252, shift_jis or gb18030")
	}
	if b.URL.IsZero() {
		return nil // what an expression stands for is known later
	}
	return b
}

// burnTrack reads the number or the language of a track; nil: it is not known yet.
func (h hash) burnTrack() *job.Burn {
	v := h.get("track")
	if v.kind == kindDeferred {
		return nil
	}
	if _, ok := parseNumber(v); ok {
		return &job.Burn{Track: h.integer("track", 1, 1, 1000)}
	}
	if v.kind != kindString {
		h.refuse("track", "a number from 1 on, or a language such as en")
		return nil
	}
	b := &job.Burn{TrackLanguage: h.language("track")}
	if b.TrackLanguage == "" {
		h.refuse("track", "a number from 1 on, or a language such as en")
	}
	return b
}
