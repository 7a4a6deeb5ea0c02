package coconut

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/codec"
)

const (
	maxCaptions    = 50
	maxCaptionName = 100 // bytes
)

// captions reads the param 'captions': hashes, or strings that are addresses.
func (h hash) captions() []job.Captions {
	list := h.oldCaptions()
	v := h.get("captions")
	if v != nil && v.kind != kindDeferred && !blank(v) {
		elements := []*value{v}
		if v.kind == kindList {
			elements = v.list
		}
		for _, e := range elements {
			list = append(list, h.caption(e))
		}
	}
	if len(list) > maxCaptions {
		h.refuse("captions", "at most 50 of them")
	}
	defaults, spoken := 0, 0
	for _, c := range list {
		if c.Default {
			defaults++
		}
		if c.Speech {
			spoken++
		}
	}
	if spoken > 1 {
		h.d.refuse(h.reason, "%s is not valid: only one of them can be of the 'speech', in the language that is spoken.", h.subject("captions"))
	}
	if defaults > 1 {
		h.d.refuse(h.reason, "%s is not valid: only one of them can be the 'default'.", h.subject("captions"))
	}
	// What an expression stands for is known later.
	return slices.DeleteFunc(list, func(c job.Captions) bool { return c.URL.IsZero() && !c.Speech })
}

// caption reads one element of 'captions'.
func (h hash) caption(e *value) job.Captions {
	const want = "an array of captions, such as [{\"url\": \"https://example.com/en.srt\", \"language\": \"en\"}]"
	if e.kind == kindString || e.kind == kindDeferred {
		e = &value{kind: kindHash, members: []member{{"url", e}}}
	}
	if e.kind != kindHash {
		h.d.refuse(h.reason, "%s is not valid: got %s, expected %s.", h.subject("captions"), e.describe(), want)
		return job.Captions{}
	}
	one := h
	one.v, one.before, one.outer = e, h.before+"captions.", nil
	one.only("url", "speech", "language", "name", "default", "forced", "sdh", "charset")
	c := job.Captions{
		URL: one.url("url", inputSchemes...), Speech: one.boolean("speech"), Language: one.language("language"), Name: one.captionName("name"),
		Default: one.boolean("default"), Forced: one.boolean("forced"), SDH: one.boolean("sdh"), Charset: one.word("charset"),
	}
	switch u := one.get("url"); {
	case c.Speech:
		for _, name := range []string{"url", "charset"} {
			if v := one.get(name); v != nil && !blank(v) {
				h.d.refuse(h.reason, "%s is not valid beside 'speech': the text comes from the sound, so leave out '%s'.", h.subject("captions"), name)
			}
		}
	case u == nil || u.kind != kindDeferred && blank(u):
		one.refuse("url", "the URL of a file with SRT, WebVTT, TTML or ASS, or 'speech' of true")
	}
	if c.Charset != "" && !captions.KnownCharset(c.Charset) {
		one.refuse("charset", "a charset such as utf-8, windows-1252, shift_jis or gb18030")
	}
	return c
}

// captionName reads a name for viewers. Playlists hold it in quotation marks.
func (h hash) captionName(name string) string {
	text := h.word(name)
	if len(text) > maxCaptionName || strings.ContainsAny(text, "\"<>") {
		h.refuse(name, "a name of at most 100 bytes without any of \"<>")
		return ""
	}
	return text
}

// language reads a language tag and returns it as BCP 47 has it; "" for one that is
// absent.
func (h hash) language(name string) string {
	text := h.word(name)
	if text == "" {
		return ""
	}
	tag, err := language.Parse(text)
	if err != nil || len(text) > 35 {
		h.refuse(name, "a language tag such as en, pt-BR or zh-Hant")
		return ""
	}
	if tag == language.Und {
		return ""
	}
	return tag.String()
}

// oldCaptions reads the names of version 1: addresses, and beside them languages and
// names in the same order, each an array or one string with commas.
func (h hash) oldCaptions() []job.Captions {
	var urls []*value
	for _, u := range h.words("caption_urls") {
		if n := len(urls); n > 0 && !strings.Contains(u.text, "://") {
			urls[n-1].text += "," + u.text // the comma was part of an address
			continue
		}
		urls = append(urls, u)
	}
	var list []job.Captions
	for _, u := range urls {
		one := h
		one.v = &value{kind: kindHash, members: []member{{"caption_urls", u}}}
		list = append(list, job.Captions{URL: one.url("caption_urls", inputSchemes...)})
	}
	for _, p := range []string{"caption_languages", "caption_names"} {
		values := h.words(p)
		if len(values) > len(urls) {
			h.refuse(p, "no more of them than 'caption_urls'")
			return list
		}
		for i, v := range values {
			one := h
			one.v = &value{kind: kindHash, members: []member{{p, v}}}
			if p == "caption_languages" {
				list[i].Language = one.language(p)
			} else {
				list[i].Name = one.captionName(p)
			}
		}
	}
	return list
}

// words reads an array of strings, or one string with commas.
func (h hash) words(name string) []*value {
	v := h.get(name)
	switch {
	case v == nil || v.kind == kindDeferred || blank(v):
		return nil
	case v.kind == kindString:
		var list []*value
		for s := range strings.SplitSeq(v.text, ",") {
			list = append(list, &value{kind: kindString, text: strings.TrimSpace(s)})
		}
		return list
	case v.kind == kindList && !slices.ContainsFunc(v.list, func(e *value) bool { return e.kind != kindString }):
		return v.list
	}
	h.refuse(name, "an array of strings")
	return nil
}

// checkCaptions refuses captions that the output cannot have.
func (h hash) checkCaptions(o *output) {
	if len(o.Video.Captions) == 0 {
		return
	}
	switch c := codec.LookupContainer(o.Format.Container); {
	case c == nil || c.Subtitles == "":
		h.d.refuse(h.reason, "%s is not valid: captions go into mp4, mov, mkv and httpstream, and not into %s.", h.subject("captions"), o.Format.Container)
	case o.Format.Options.Frag:
		h.d.refuse(h.reason, "%s is not valid: captions do not go into a fragmented file, so leave out 'frag'.", h.subject("captions"))
	}
}
