package coconut

import (
	"encoding/hex"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

const maxVariants = 30

// stream decodes the params of httpstream outputs, coconut-v2.md section 5.4. The folders of
// hls and dash include the output's path, so Output.Path stays empty.
func (h hash) stream() *job.StreamParams {
	base := h.as(job.OutputPathNotValid).path("path")
	p := &job.StreamParams{PlaylistName: h.playlistName()}
	variants := h.get("variants")
	folders := 0 // that are known
	if inner, on := h.packaging("hls"); on {
		inner.only("path", "version", "variants", "encryption_key", "encryption_key_uri", "hls_encryption_key", "hls_encryption_key_uri")
		p.HLS = &job.HLSParams{Path: inner.folder(base), Version: inner.integer("version", 0, 3, 12)}
		folders += known(inner.get("path"))
		p.HLS.EncryptionKey, p.HLS.EncryptionKeyURI = h.encryption(inner)
		variants = first(variants, inner.get("variants"))
	}
	if inner, on := h.packaging("dash"); on {
		inner.only("path", "hlsfmp4", "variants")
		p.DASH = &job.DASHParams{Path: inner.folder(base), HLSFMP4: inner.boolean("hlsfmp4")}
		folders += known(inner.get("path"))
		variants = first(variants, inner.get("variants"))
	}
	switch {
	case p.HLS == nil && p.DASH == nil:
		h.d.refuse(h.reason, "%s is missing: expected one of them or both, such as {\"hls\": {\"path\": \"/hls\"}}.", h.subject("hls' or 'dash"))
	case folders == 2 && p.DASH.HLSFMP4 && p.HLS.Path == p.DASH.Path:
		h.d.refuse(job.OutputPathNotValid, "%s is not valid: hls and dash with hlsfmp4 would both write %s there, expected two folders.", h.subject("dash.path"), quote(p.PlaylistName+".m3u8"))
	}
	p.Variants, p.DefaultLadder = h.variants(variants)
	return p
}

func known(v *value) int {
	if v == nil || v.kind == kindDeferred {
		return 0
	}
	return 1
}

// as returns h with another reason for what it refuses.
func (h hash) as(reason job.Reason) hash {
	h.reason = reason
	return h
}

// packaging reads hls or dash: a hash, or a string that is its path; false is
// none.
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

// folder reads the path of a packaging, which people write as "hls/", "/hls"
// or "hls", below the path of the output.
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

// encryption reads the key of AES-128 from the hls hash, by its name there or
// by that of v1, which may also stand in the output.
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

// variants reads the renditions, by default the documented ladder. Some write
// them in hls or dash.
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

// silentVariant is a variant that has video alone where others have video and
// audio; nil when there is none. Variants of audio alone go with either.
func silentVariant(variants []format.Format) *format.Format {
	var silent *format.Format
	heard := false
	for i, f := range variants {
		switch {
		case f.VideoCodec() == "":
		case f.AudioCodec() == "":
			silent = &variants[i]
		default:
			heard = true
		}
	}
	if !heard {
		return nil
	}
	return silent
}

// variant reads one rendition and says what is wrong with it, "" for nothing.
func variant(v *value) (f format.Format, fault string) {
	if v.kind != kindString {
		return f, "got " + v.describe() + ", expected formats as strings, such as \"mp4:720p\""
	}
	f, err := format.Parse(v.text)
	if err != nil {
		return f, sentence(err)
	}
	if f.VideoCodec() == "" && f.AudioCodec() == "" {
		return f, quote(v.text) + " has neither video nor audio"
	}
	if err := format.SupportedVariant(f); err != nil {
		return f, sentence(err)
	}
	return f, ""
}

// defaultLadder is the ladder when there are no variants.
func defaultLadder() []format.Format {
	var ladder []format.Format
	for _, s := range format.DefaultLadder {
		if f, err := format.Parse(s); err == nil {
			ladder = append(ladder, f)
		}
	}
	return ladder
}

func first(values ...*value) *value {
	for _, v := range values {
		if v != nil && !blank(v) {
			return v
		}
	}
	return nil
}
