package check

import (
	"encoding/hex"
	"strings"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/Eyevinn/mp4ff/mp4"
)

// protection is Common Encryption as an init segment says it.
type protection struct {
	scheme string // "cenc", "cbcs"
	keyID  string // hexadecimal
}

// unprotect gives encrypted sample entries their form before encryption, and returns
// how they are encrypted; nil: they are clear.
func unprotect(stsd *mp4.StsdBox) (*protection, error) {
	var sinf *mp4.SinfBox
	var err error
	switch {
	case stsd.Encv != nil:
		e := stsd.Encv
		if sinf, err = e.RemoveEncryption(); err != nil {
			return nil, err
		}
		switch e.Type() {
		case "avc1", "avc3":
			stsd.AvcX = e
		case "hvc1", "hev1":
			stsd.HvcX = e
		}
	case stsd.Enca != nil:
		e := stsd.Enca
		if sinf, err = e.RemoveEncryption(); err != nil {
			return nil, err
		}
		if e.Type() == "mp4a" {
			stsd.Mp4a = e
		}
	default:
		return nil, nil //nolint:nilnil // clear
	}
	p := &protection{}
	if sinf.Schm != nil {
		p.scheme = sinf.Schm.SchemeType
	}
	if sinf.Schi != nil && sinf.Schi.Tenc != nil {
		p.keyID = hex.EncodeToString(sinf.Schi.Tenc.DefaultKID)
	}
	return p, nil
}

// methods are METHOD of a key line by scheme.
var methods = map[string]string{"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}

// sampleKeys checks the key lines of a playlist whose segments hold Common
// Encryption, or are said to.
func (c *checker) sampleKeys(p *playlist) {
	var method string
	formats := map[string]bool{}
	for line := range strings.Lines(p.raw) {
		list, ok := strings.CutPrefix(strings.TrimSpace(line), "#EXT-X-KEY:")
		if !ok || strings.HasPrefix(list, "METHOD=AES-128") {
			continue
		}
		method, _, _ = strings.Cut(strings.TrimPrefix(list, "METHOD="), ",")
		_, format, _ := strings.Cut(list, "KEYFORMAT=")
		format, _, _ = strings.Cut(format, ",")
		c.hold("CENC", !formats[format], p.name, "there are two key lines with the KEYFORMAT %s", format)
		formats[format] = true
		if _, id, ok := strings.Cut(list, "KEYID=0x"); ok && p.init != nil && p.init.protection != nil {
			id, _, _ = strings.Cut(id, ",")
			c.hold("CENC", strings.EqualFold(id, p.init.protection.keyID), p.name, "KEYID is %s, the init segment has %s", id, p.init.protection.keyID)
		}
	}
	switch {
	case p.init == nil:
	case p.init.protection != nil:
		want := methods[p.init.protection.scheme]
		c.hold("CENC", method == want, p.name, "METHOD is %q, the scheme %s wants %q", method, p.init.protection.scheme, want)
	case method != "":
		c.fail("CENC", p.name, "METHOD is %s, and the init segment is of a clear track", method)
	}
}

// defaultKID is the key id of an AdaptationSet in hexadecimal and its scheme; "":
// it has none.
func defaultKID(set *mpd.AdaptationSetType, r *mpd.RepresentationType) (id, scheme string) {
	for _, cp := range append(append([]*mpd.ContentProtectionType{}, set.ContentProtections...), r.ContentProtections...) {
		if cp.SchemeIdUri == "urn:mpeg:dash:mp4protection:2011" {
			id, scheme = strings.ToLower(strings.ReplaceAll(cp.DefaultKID, "-", "")), cp.Value
		}
	}
	return id, scheme
}

// contentProtection compares the manifest with the init segment.
func (c *checker) contentProtection(t *dashTrack) {
	id, scheme := defaultKID(t.set, t.r)
	want := protection{}
	if t.init.protection != nil {
		want = *t.init.protection
	}
	if want == (protection{}) && id == "" && scheme == "" {
		return
	}
	c.hold("D.15", id == want.keyID && scheme == want.scheme, t.id, "the manifest says %q with the key %q, the init segment %q with %q", scheme, id, want.scheme, want.keyID)
}
