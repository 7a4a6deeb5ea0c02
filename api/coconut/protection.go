package coconut

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/protect"
)

// protectable refuses variants whose codec Copra does not encrypt.
func (h hash) protectable(p *job.StreamParams) {
	for _, f := range p.Variants {
		if c := f.VideoCodec(); c != "" && c != "h264" && c != "hevc" {
			h.d.refuse(h.reason, "%s is not valid: %s is encoded as %s, and protection is for h264 and hevc; leave out one of the two.", h.subject("protection"), quote(f.String()), c)
			return
		}
	}
}

// keyTracks are the classes of tracks that may have keys.
var keyTracks = []string{job.KeyAll, job.KeyVideo, job.KeyAudio, job.KeySD, job.KeyHD, job.KeyUHD}

const maxPSSH = 10

// serverKeys is the value of 'keys' that has the server make them.
const serverKeys = "server"

// protection reads the param 'protection' of an httpstream, an addition to Coconut;
// nil when it is absent. p is the rest of the stream.
func (h hash) protection(p *job.StreamParams) *job.Protection {
	v := h.get("protection")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return nil
	}
	if on, ok := parseBool(v); ok && on {
		v = &value{kind: kindHash}
		h.v = &value{kind: kindHash, members: append(slices.Clone(h.v.members), member{"protection", v})}
		h.v.members = slices.DeleteFunc(h.v.members, func(m member) bool { return m.name == "protection" && m.value != v })
	}
	inner, ok := h.hash("protection")
	if !ok {
		return nil
	}
	inner.secret = true // no message may show a key
	inner.only("scheme", "keys", "pssh", "license_url")
	c := &job.Protection{Scheme: inner.oneOf("scheme", protect.CBCS, protect.CBCS, protect.CENC), LicenseURL: inner.word("license_url")}
	if u := c.LicenseURL; u != "" && !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://") {
		inner.refuse("license_url", "an https:// address of a ClearKey license server")
	}
	if k := inner.get("keys"); k == nil || k.kind == kindString && k.text == serverKeys {
		c.ServerKeys = true
	} else {
		c.Keys = inner.contentKeys()
	}
	c.PSSH = inner.pssh()
	h.protectable(p)
	if p.HLS != nil && !p.HLS.EncryptionKey.IsZero() {
		h.d.refuse(h.reason, "%s is not valid: the segments are encrypted by 'hls.encryption_key' already; leave out one of the two.", h.subject("protection"))
	}
	if c.ServerKeys && c.LicenseURL != "" {
		inner.refuse("license_url", "no license_url beside keys that the server makes: it is that server")
	}
	if p.HLS != nil || p.DASH != nil && p.DASH.HLSFMP4 {
		inner.keyAddresses(c)
	}
	return c
}

// keyAddresses refuses keys that players of HLS could not find.
func (h hash) keyAddresses(c *job.Protection) {
	known := slices.ContainsFunc(c.PSSH, func(b []byte) bool {
		system, _, _ := protect.System(b)
		return system == protect.Widevine || system == protect.PlayReady
	})
	for _, k := range c.Keys {
		if k.URI == "" && !known {
			h.d.refuse(h.reason, "%s is not valid: players of HLS find a key by its 'uri' (skd:// for FairPlay, https:// for an address that answers with the 16 bytes of the key), or by a 'pssh' of Widevine or PlayReady; the key for %s has neither.",
				h.subject("keys"), quote(k.Track))
		}
	}
}

// contentKeys reads the keys. Together they must be for all tracks.
func (h hash) contentKeys() []job.ContentKey {
	const want = "an array of keys, such as [{\"track\": \"all\", \"kid\": \"32 hexadecimal digits\", \"key\": \"32 hexadecimal digits\"}]"
	v := h.get("keys")
	if v == nil || v.kind != kindList || len(v.list) == 0 {
		h.refuse("keys", want)
		return nil
	}
	var keys []job.ContentKey
	for _, e := range v.list {
		if !e.isHash() {
			h.refuse("keys", want)
			return nil
		}
		one := h
		one.v, one.before = e, h.before+"keys."
		one.only("track", "kid", "key", "uri")
		k := job.ContentKey{
			Track: one.oneOf("track", job.KeyAll, keyTracks...), KeyID: one.hex16("kid"), Key: job.NewSecret(one.hex16("key")), URI: one.word("uri"),
		}
		if strings.ContainsAny(k.URI, "\" ") || k.URI != "" && !strings.Contains(k.URI, ":") {
			one.refuse("uri", "a URI such as skd://... or https://...")
		}
		if slices.ContainsFunc(keys, func(o job.ContentKey) bool { return o.Track == k.Track }) {
			h.d.refuse(h.reason, "%s is not valid: there are two keys for %s, expected one for each of %s.", h.subject("keys"), quote(k.Track), strings.Join(keyTracks, ", "))
		}
		if slices.ContainsFunc(keys, func(o job.ContentKey) bool { return o.KeyID == k.KeyID && o.Key != k.Key }) {
			h.d.refuse(h.reason, "%s is not valid: two keys have the same 'kid'.", h.subject("keys"))
		}
		keys = append(keys, k)
	}
	has := func(tracks ...string) bool {
		return !slices.ContainsFunc(tracks, func(t string) bool {
			return !slices.ContainsFunc(keys, func(k job.ContentKey) bool { return k.Track == t })
		})
	}
	if !has(job.KeyAll) && !(has(job.KeyAudio) && (has(job.KeyVideo) || has(job.KeySD, job.KeyHD, job.KeyUHD))) {
		h.d.refuse(h.reason, "%s is not valid: some tracks would have no key, expected one with the 'track' all, or video and audio.", h.subject("keys"))
	}
	return keys
}

// hex16 reads 16 bytes as hexadecimal digits, which may have the dashes of a UUID.
func (h hash) hex16(name string) string {
	text := strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(h.word(name), "-", "")), "0x")
	if b, err := hex.DecodeString(text); err != nil || len(b) != 16 {
		h.refuse(name, "32 hexadecimal digits")
	}
	return text
}

// pssh reads whole pssh boxes in base64: one, or an array.
func (h hash) pssh() [][]byte {
	v := h.get("pssh")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return nil
	}
	list := v.list
	if v.kind == kindString {
		list = []*value{v}
	}
	var boxes [][]byte
	for _, e := range list {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(e.text))
		if _, _, ok := protect.System(b); e.kind != kindString || err != nil || !ok {
			h.refuse("pssh", "whole pssh boxes in base64")
			return nil
		}
		boxes = append(boxes, b)
	}
	if len(boxes) == 0 || len(boxes) > maxPSSH {
		h.refuse("pssh", "at most 10 pssh boxes in base64")
	}
	return boxes
}
