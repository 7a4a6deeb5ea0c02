package coconut

import (
	"math"
	"regexp"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
	"github.com/copra-video/copra/transcode/format"
)

// streamKey is the key of streams in the outputs hash.
const streamKey = "httpstream"

// output is a decoded output. Until its expressions are evaluated, deferred params
// are missing.
type output struct {
	job.Output
	name        string // as in messages
	key         string // the param 'key'; "" if absent
	shownFormat string // the format as shown to clients
	condition   string
	deferred    map[string]bool // params that hold expressions
}

// Params by kind of output (coconut-v2.md sections 5.2 to 5.4), in the order of
// messages.
var (
	videoParams = []string{
		"path", "url", "if", "key", "format", "offset", "duration", "fit", "transpose", "vflip", "hflip",
		"deinterlace", "square", "crop", "watermark", "overlay", "burn", "copy", "quality_metrics", "captions", "caption_urls", "caption_languages", "caption_names",
	}
	imageParams = []string{
		"path", "url", "if", "key", "format", "number", "interval", "offsets", "square", "blur", "fit",
		"transpose", "vflip", "hflip", "watermark", "sprite", "vtt",
	}
	animatedParams = []string{
		"path", "url", "if", "key", "format", "scene", "square", "blur", "fit", "transpose", "vflip", "hflip",
		"watermark",
	}
	streamParams = []string{
		"path", "if", "key", "variants", "playlist_name", "segment_duration", "gop", "loudness", "protection", "thumbnails", "captions", "audio", "overlay", "burn", "surround", "copy", "quality_metrics", "hls", "dash", "hls_encryption_key",
		"hls_encryption_key_uri", "caption_urls", "caption_languages", "caption_names",
	}
)

// output decodes an output. name is its name in messages. vars is nil at POST, when
// only the syntax of expressions is checked.
func (d *decoder) output(mapKey, name string, v *value, vars expr.Vars) *output {
	o := &output{name: name, deferred: map[string]bool{}}
	h := hash{d: d, reason: job.OutputParamNotValid, before: "The param '", after: "' of the output '" + shorten(name) + "'"}
	h.v = d.params(mapKey, name, v)
	o.condition = h.condition()
	o.key = h.outputKey()
	h.v = h.evaluate(o, vars)
	if d.err != nil {
		return o
	}

	kind := format.KindStream
	if mapKey != streamKey {
		o.Format, o.shownFormat = h.format(mapKey)
		if d.err != nil {
			return o
		}
		kind = o.Format.Kind()
	}
	switch kind {
	case format.KindStream:
		o.Type, o.shownFormat = job.TypeStream, streamKey
		h = h.accept(kind, mapKey, streamParams)
		o.Stream = h.stream()
	case format.KindImage:
		o.Type = job.TypeImage
		h = h.accept(kind, mapKey, imageParams)
		h.destination(&o.Output)
		o.Image = h.image()
		h.checkSequence(o)
	case format.KindAnimated:
		o.Type = job.TypeImage
		h = h.accept(kind, mapKey, animatedParams)
		h.destination(&o.Output)
		o.Image = h.animated(o.Format)
	default:
		o.Type = job.TypeVideo
		h = h.accept(kind, mapKey, videoParams)
		h.destination(&o.Output)
		o.Video = h.video()
		h.checkCopied(o)
		h.checkCaptions(o)
		h.checkQuality(o)
		for name, used := range map[string]bool{"overlay": len(o.Video.Overlay) > 0, "burn": o.Video.Burn != nil} {
			if used && o.Format.VideoCodec() == "" {
				h.d.refuse(h.reason, "%s is not valid: %s has no video to lay anything over, so leave it out.", h.subject(name), quote(o.Format.String()))
			}
		}
	}
	return o
}

// checkCopied refuses params that change the picture when the video codec is copy.
func (h hash) checkCopied(o *output) {
	if o.Format.VideoCodec() != format.Copy {
		return
	}
	v := o.Video
	for _, p := range []struct {
		name string
		used bool
	}{
		{"fit", v.Fit == "crop"}, {"transpose", v.Transpose != nil}, {"vflip", v.VFlip}, {"hflip", v.HFlip},
		{"deinterlace", v.Deinterlace}, {"square", v.Square}, {"crop", v.CropW != ""}, {"watermark", v.Watermark != nil},
		{"overlay", len(v.Overlay) > 0}, {"burn", v.Burn != nil},
	} {
		if p.used {
			h.d.refuse(h.reason, "%s is not valid: the video codec 'copy' keeps the picture as it is, so leave out one of the two.", h.subject(p.name))
			return
		}
	}
}

// checkQuality refuses the comparison of an encode with its source where no picture is
// encoded.
func (h hash) checkQuality(o *output) {
	if !o.Video.QualityMetrics {
		return
	}
	switch o.Format.VideoCodec() {
	case "":
		h.d.refuse(h.reason, "%s is not valid: %s has no video that could be compared with the input's, so leave it out.", h.subject("quality_metrics"), quote(o.Format.String()))
	case format.Copy:
		h.d.refuse(h.reason, "%s is not valid: the video codec 'copy' loses nothing that could be measured, so leave out one of the two.", h.subject("quality_metrics"))
	}
}

// params normalizes an output to a hash. A string is its path; null and [] are an
// empty hash.
func (d *decoder) params(mapKey, name string, v *value) *value {
	switch {
	case v.kind == kindString && mapKey == streamKey:
		path := &value{kind: kindHash, members: []member{{"path", v}}}
		return &value{kind: kindHash, members: []member{{"hls", path}}}
	case v.kind == kindString:
		return &value{kind: kindHash, members: []member{{"path", v}}}
	case v.kind == kindNull || v.isHash():
		return &value{kind: kindHash, members: v.members}
	}
	d.refuse(job.OutputsNotValid, "The output '%s' is not a valid object: got %s, expected a hash of params.", shorten(name), v.describe())
	return &value{kind: kindHash}
}

// condition reads the param 'if' and checks its syntax. It is evaluated after the probe.
func (h hash) condition() string {
	v := h.get("if")
	if v == nil || v.kind == kindString && blank(v) {
		return ""
	}
	if v.kind != kindString {
		h.refuse("if", "a condition as a string, such as \"{{ input.width }} >= 1280\"")
		return ""
	}
	if len(v.text) > maxExpr {
		h.refuse("if", "a condition of at most 4096 bytes")
		return ""
	}
	if err := expr.CheckCondition(v.text); err != nil {
		h.d.refuse(h.reason, "%s is not valid: %s.", h.subject("if"), trimPeriod(err))
	}
	return v.text
}

// outputKey reads the param 'key'. It may have no expressions, because the answer to
// POST contains it.
func (h hash) outputKey() string {
	key := h.str("key")
	if len(key) > maxKey || hasControl(key) || expr.HasExpr(key) {
		h.refuse("key", "at most 255 bytes without control characters and without expressions")
		return ""
	}
	return key
}

// format reads the format from the key in the outputs hash, or from the param
// 'format', which replaces all of that key but the container. The second result is
// the format as clients see it.
func (h hash) format(mapKey string) (format.Format, string) {
	inner, _ := h.hash("format")
	if inner.empty() {
		f, err := format.Parse(mapKey)
		if err != nil {
			h.d.refuse(job.OutputFormatNotValid, "The format of the output '%s' is not valid: %s%s.", shorten(mapKey), trimPeriod(err), keyHint(mapKey))
		}
		return f, mapKey
	}
	members := map[string]any{}
	for _, m := range inner.v.members {
		if plain, known := m.value.plain(); known {
			members[m.name] = truncateFractions(m.name, plain)
		}
	}
	f, err := format.FromHash(mapKey, members)
	if err != nil {
		h.d.refuse(job.OutputFormatNotValid, "The param 'format' of the output '%s' is not valid: %s%s.", shorten(mapKey), trimPeriod(err), formatHint(mapKey, err))
		return f, mapKey
	}
	return f, f.String()
}

var fraction = regexp.MustCompile(`\.\d+`)

// truncateFractions removes fractions from members that are whole numbers. Half of an
// odd width is a common result of an expression.
func truncateFractions(name string, plain any) any {
	switch name {
	case "resolution", "video_bitrate", "audio_bitrate", "maxrate":
		switch v := plain.(type) {
		case string:
			return fraction.ReplaceAllString(v, "")
		case float64:
			return math.Trunc(v)
		}
	}
	return plain
}

// empty reports whether all members of the hash are null or "".
func (h hash) empty() bool {
	if h.v != nil {
		for _, m := range h.v.members {
			if m.value.kind != kindNull && !(m.value.kind == kindString && blank(m.value)) {
				return false
			}
		}
	}
	return true
}

// plain returns v as package format takes it. known is false for null and for values
// that are not evaluated yet.
func (v *value) plain() (plain any, known bool) {
	switch v.kind {
	case kindNull, kindDeferred:
		return nil, false
	case kindBool:
		return v.text == "true", true
	case kindNumber:
		n, ok := parseNumber(v)
		if !ok {
			return v.text, true
		}
		return n, true
	case kindString:
		return v.text, true
	default:
		return v.describe(), true
	}
}

// destination reads 'url' or 'path'. The path must have a file name.
func (h hash) destination(o *job.Output) {
	if u := h.get("url"); u != nil && !blank(u) {
		o.URL = h.url("url", uploadSchemes...)
		return
	}
	p := h
	p.reason = job.OutputPathNotValid
	if v := h.get("path"); v != nil && v.kind == kindDeferred {
		return
	}
	o.Path = p.path("path")
	if o.Path == "" || strings.HasSuffix(o.Path, "/") {
		p.refuse("path", "a path with a file name, such as \"/video.mp4\"")
	}
}

// checkSequence refuses several pictures whose path has no sequence variable, since
// they would overwrite each other.
func (h hash) checkSequence(o *output) {
	i := o.Image
	if i.VTT != nil && !o.URL.IsZero() {
		h.d.refuse(job.OutputPathNotValid, "%s is not valid: pictures and their 'vtt' cannot go to one URL, expected a 'path'.", h.subject("url"))
		return
	}
	several := i.Number > 1 || i.HasInterval || len(i.Offsets) > 1
	if i.Sprite != nil {
		// Without a limit all pictures are in one sprite sheet.
		several = i.Sprite.Limit > 0 && (i.HasInterval || i.Number > i.Sprite.Limit || len(i.Offsets) > i.Sprite.Limit)
	}
	if !several || o.deferred["path"] || hasSequence(o.Path) {
		return
	}
	if !o.URL.IsZero() {
		h.d.refuse(job.OutputPathNotValid, "%s is not valid: several pictures cannot go to one URL, expected a 'path' with a sequence variable such as %%.2d.", h.subject("url"))
		return
	}
	h.d.refuse(job.OutputPathNotValid, "%s is not valid: got %s, expected a sequence variable such as %%.2d or %%05d in it, because there are several pictures.", h.subject("path"), quote(o.Path))
}
