package coconut

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

const maxVariants = 30

// stream decodes the params of httpstream outputs (coconut-v2.md section 5.4). The
// folders of hls and dash include the output's path, so Output.Path stays empty.
func (h hash) stream() *job.StreamParams {
	base := h.as(job.OutputPathNotValid).path("path")
	p := &job.StreamParams{PlaylistName: h.playlistName(), Copy: h.oneOf("copy", "", copyModes...)}
	variants := h.get("variants")
	folders := 0 // not deferred
	if inner, on := h.packaging("hls"); on {
		inner.only("path", "version", "variants", "encryption_key", "encryption_key_uri", "encryption_iv", "hls_encryption_key", "hls_encryption_key_uri")
		p.HLS = &job.HLSParams{Path: inner.folder(base), Version: inner.integer("version", 0, 3, 12)}
		folders += countGiven(inner.get("path"))
		p.HLS.EncryptionKey, p.HLS.EncryptionKeyURI = h.encryption(inner)
		if iv := inner.get("encryption_iv"); iv != nil && iv.kind != kindDeferred && !blank(iv) {
			if p.HLS.EncryptionIV = inner.hex16("encryption_iv"); p.HLS.EncryptionKey.IsZero() {
				h.d.refuse(h.reason, "%s is missing: an 'encryption_iv' has no meaning without a key.", h.subject("hls.encryption_key"))
			}
		}
		variants = firstGiven(variants, inner.get("variants"))
	}
	if inner, on := h.packaging("dash"); on {
		inner.only("path", "hlsfmp4", "variants")
		p.DASH = &job.DASHParams{Path: inner.folder(base), HLSFMP4: inner.boolean("hlsfmp4")}
		folders += countGiven(inner.get("path"))
		variants = firstGiven(variants, inner.get("variants"))
	}
	switch {
	case p.HLS == nil && p.DASH == nil:
		h.d.refuse(h.reason, "%s is missing: expected one of them or both, such as {\"hls\": {\"path\": \"/hls\"}}.", h.subject("hls' or 'dash"))
	case folders == 2 && p.DASH.HLSFMP4 && p.HLS.Path == p.DASH.Path:
		h.d.refuse(job.OutputPathNotValid, "%s is not valid: hls and dash with hlsfmp4 would both write %s there, expected two folders.", h.subject("dash.path"), quote(p.PlaylistName+".m3u8"))
	}
	p.Variants, p.DefaultLadder = h.variants(variants)
	h.loudness(p.Variants)
	h.segments(p)
	p.QualityMetrics = h.boolean("quality_metrics")
	if withVideo := func(f format.Format) bool { return f.VideoCodec() != "" }; p.QualityMetrics && len(p.Variants) > 0 && !slices.ContainsFunc(p.Variants, withVideo) {
		h.d.refuse(h.reason, "%s is not valid: no variant has video that could be compared with the input's, so leave it out.", h.subject("quality_metrics"))
	}
	p.Protection = h.protection(p)
	p.Thumbnails = h.thumbnails()
	p.Captions = h.captions()
	p.Audio = h.audioFiles()
	h.checkAudioFiles(p)
	p.Overlay = h.overlay()
	p.Burn = h.burn()
	p.Surround = h.surround()
	if len(p.Surround) > 0 && p.HLS != nil && (p.HLS.Version == 3 || !p.HLS.EncryptionKey.IsZero()) {
		h.d.refuse(h.reason, "%s is not valid beside an 'hls.version' of 3 or 'hls.encryption_key': AC-3 and E-AC-3 go into fragmented MP4, so leave out one of the two.", h.subject("surround"))
	}
	if p.HLS != nil && p.HLS.Version == 3 && len(p.Captions) > 0 {
		h.d.refuse(h.reason, "%s is not valid beside an 'hls.version' of 3: playlists of that version know no captions.", h.subject("captions"))
	}
	return p
}

// The pictures of a stream by default, and their bounds. Browsers and television sets
// decode no picture of any size.
const (
	thumbnailWidth, thumbnailColumns, thumbnailRows = 320, 5, 5
	maxThumbnailWidth, maxThumbnailCells            = 1280, 20
	maxSheetWidth                                   = 8192
	minThumbnailInterval                            = 0.5
)

// thumbnails reads the param 'thumbnails' of an httpstream, an addition to Coconut; nil
// when it is absent or false.
func (h hash) thumbnails() *job.Thumbnails {
	inner, on := h.toggle("thumbnails")
	if !on {
		return nil
	}
	inner.only("interval", "width", "columns", "rows")
	t := &job.Thumbnails{
		Interval: inner.number("interval", 0, 0, maxSeconds),
		Width:    inner.integer("width", thumbnailWidth, 16, maxThumbnailWidth),
		Columns:  inner.integer("columns", thumbnailColumns, 1, maxThumbnailCells),
		Rows:     inner.integer("rows", thumbnailRows, 1, maxThumbnailCells),
	}
	if t.Interval = math.Round(t.Interval*1000) / 1000; t.Interval > 0 && t.Interval < minThumbnailInterval {
		inner.refuse("interval", "0 for one by the length of the input, or at least 0.5 seconds")
	}
	if w := t.Columns * t.Width; w > maxSheetWidth {
		h.d.refuse(h.reason, "%s is not valid: %d columns of %d pixels make sheets %d pixels wide, expected at most %d.", h.subject("thumbnails"), t.Columns, t.Width, w, maxSheetWidth)
	}
	return t
}

// loudness gives the param 'loudness' to all variants with audio that have none of
// their own.
func (h hash) loudness(variants []format.Format) {
	v := h.get("loudness")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return
	}
	target := math.Round(10*h.number("loudness", 0, -40, -5)) / 10
	for i := range variants {
		f := &variants[i]
		if f.AudioCodec() != "" && f.Options.Loudness == 0 {
			f.Options.Loudness = target
		}
	}
}

func countGiven(v *value) int {
	if v == nil || v.kind == kindDeferred {
		return 0
	}
	return 1
}

// as returns h with another reason for its errors.
func (h hash) as(reason job.Reason) hash {
	h.reason = reason
	return h
}

// packaging reads 'hls' or 'dash', a hash or a string that is its path. It returns
// false when it is absent.
func (h hash) packaging(name string) (hash, bool) {
	v := h.get(name)
	if v == nil || v.kind != kindDeferred && blank(v) {
		return hash{}, false
	}
	if v.kind == kindString || v.kind == kindDeferred {
		inner := h
		inner.v, inner.before = &value{kind: kindHash, members: []member{{"path", v}}}, h.before+name+"."
		return inner, true
	}
	return h.hash(name)
}

// folder reads the path of a packaging, below the path of the output. "hls/", "/hls"
// and "hls" are the same.
func (h hash) folder(base string) string {
	if v := h.get("path"); v != nil && v.kind == kindDeferred {
		return ""
	}
	h = h.as(job.OutputPathNotValid)
	p := h.path("path")
	if p == "" {
		h.refuse("path", "a folder, such as \"/hls\"")
		return ""
	}
	return folder(base, p)
}

func (h hash) playlistName() string {
	v := h.get("playlist_name")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return "master"
	}
	name := h.word("playlist_name")
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".m3u8"), ".mpd")
	if name == "" || strings.Trim(name, ".") == "" || len(name) > 100 || strings.ContainsAny(name, `/\?#%"<>&`) {
		h.refuse("playlist_name", `a name without slashes and any of ?#%"<>&, such as "master"`)
		return "master"
	}
	return name
}

// encryption reads the AES-128 key and its URI. They may have the names of version 2
// in the hls hash, or those of version 1 in the hls hash or in the output.
func (h hash) encryption(hls hash) (job.Secret, string) {
	key, uri := job.Secret{}, ""
	for _, at := range []struct {
		h            hash
		keyAt, uriAt string
	}{
		{hls, "encryption_key", "encryption_key_uri"},
		{hls, "hls_encryption_key", "hls_encryption_key_uri"},
		{h, "hls_encryption_key", "hls_encryption_key_uri"},
	} {
		at.h.secret = true
		if text := at.h.word(at.keyAt); text != "" && key.IsZero() {
			if raw, err := hex.DecodeString(text); err != nil || len(raw) != 16 {
				at.h.refuse(at.keyAt, "32 hexadecimal digits")
			}
			key = job.NewSecret(text)
		}
		if text := at.h.word(at.uriAt); text != "" && uri == "" {
			if strings.ContainsAny(text, "\" ") {
				at.h.refuse(at.uriAt, "a URI")
			}
			uri = text
		}
	}
	if key.IsZero() && uri != "" && h.get("hls_encryption_key") == nil && hls.get("encryption_key") == nil && hls.get("hls_encryption_key") == nil {
		h.d.refuse(h.reason, "%s is missing: expected 32 hexadecimal digits beside the 'encryption_key_uri'.", h.subject("hls.encryption_key"))
	}
	if uri == "" && !key.IsZero() && h.get("hls_encryption_key_uri") == nil && hls.get("encryption_key_uri") == nil && hls.get("hls_encryption_key_uri") == nil {
		h.d.refuse(h.reason, "%s is missing: expected the URI from which players fetch the 'encryption_key'.", h.subject("hls.encryption_key_uri"))
	}
	return key, uri
}

// variants reads the variants. The default is the ladder of the documentation, for
// which the second result is true.
func (h hash) variants(v *value) ([]format.Format, bool) {
	if v == nil || v.kind == kindDeferred || blank(v) || v.isHash() && len(v.members) == 0 {
		return defaultLadder(), true
	}
	list := v.list
	if v.kind == kindString {
		list = []*value{v}
	}
	if len(list) == 0 || len(list) > maxVariants {
		h.d.refuse(h.reason, "%s is not valid: got %s, expected an array of 1 to %d formats, such as [\"mp4:360p\", \"mp4:720p\"].", h.subject("variants"), v.describe(), maxVariants)
		return nil, false
	}
	var variants []format.Format
	for _, e := range list {
		if e.kind == kindDeferred {
			continue
		}
		f, fault := variant(e)
		if fault != "" {
			h.d.refuse(job.OutputFormatNotValid, "%s is not valid: %s.", h.subject("variants"), fault)
			return nil, false
		}
		variants = append(variants, f)
	}
	if silent := silentVariant(variants); silent != nil {
		h.d.refuse(job.OutputFormatNotValid, "%s is not valid: %s has no audio while others with video have, and players stall when they switch; expected audio in all of them or in none.",
			h.subject("variants"), quote(silent.String()))
		return nil, false
	}
	return variants, false
}

// silentVariant returns a variant with video and no audio, if others have both; else
// nil. Variants without video do not matter.
func silentVariant(variants []format.Format) *format.Format {
	var silent *format.Format
	hasAudio := false
	for i, f := range variants {
		switch {
		case f.VideoCodec() == "":
		case f.AudioCodec() == "":
			silent = &variants[i]
		default:
			hasAudio = true
		}
	}
	if !hasAudio {
		return nil
	}
	return silent
}

// variant reads one variant. fault is what is wrong with it, "" if it is valid.
func variant(v *value) (f format.Format, fault string) {
	if v.kind != kindString {
		return f, "got " + v.describe() + ", expected formats as strings, such as \"mp4:720p\""
	}
	f, err := format.Parse(v.text)
	if err != nil {
		return f, trimPeriod(err)
	}
	if f.VideoCodec() == "" && f.AudioCodec() == "" {
		return f, quote(v.text) + " has neither video nor audio"
	}
	if err := format.SupportedVariant(f); err != nil {
		return f, trimPeriod(err)
	}
	return f, ""
}

// defaultLadder returns the variants of a request that names none.
func defaultLadder() []format.Format {
	var ladder []format.Format
	for _, s := range format.DefaultLadder {
		if f, err := format.Parse(s); err == nil {
			ladder = append(ladder, f)
		}
	}
	return ladder
}

func firstGiven(values ...*value) *value {
	for _, v := range values {
		if v != nil && !blank(v) {
			return v
		}
	}
	return nil
}
