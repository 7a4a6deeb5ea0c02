package coconut

import (
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

const maxAudioFiles = 20

// audioFiles reads the param 'audio' of an httpstream, an addition to Coconut: hashes, or
// strings that are addresses.
func (h hash) audioFiles() []job.AudioFile {
	v := h.get("audio")
	if v == nil || v.kind == kindDeferred || blank(v) {
		return nil
	}
	elements := []*value{v}
	if v.kind == kindList {
		elements = v.list
	}
	if len(elements) > maxAudioFiles {
		h.refuse("audio", "at most 20 of them")
		return nil
	}
	var list []job.AudioFile
	defaults := 0
	for _, e := range elements {
		a := h.audioFile(e)
		if a.Default {
			defaults++
		}
		list = append(list, a)
	}
	if defaults > 1 {
		h.d.refuse(h.reason, "%s is not valid: only one of them can be the 'default'.", h.subject("audio"))
	}
	// What an expression stands for is known later.
	return slices.DeleteFunc(list, func(a job.AudioFile) bool { return a.URL.IsZero() })
}

// audioFile reads one element of 'audio'.
func (h hash) audioFile(e *value) job.AudioFile {
	if e.kind == kindString || e.kind == kindDeferred {
		e = &value{kind: kindHash, members: []member{{"url", e}}}
	}
	if e.kind != kindHash {
		h.d.refuse(h.reason, "%s is not valid: got %s, expected an array of tracks, such as [{\"url\": \"https://example.com/de.m4a\", \"language\": \"de\"}].",
			h.subject("audio"), e.describe())
		return job.AudioFile{}
	}
	one := h
	one.v, one.before, one.outer = e, h.before+"audio.", nil
	one.only("url", "language", "name", "default", "role")
	a := job.AudioFile{
		URL: one.url("url", inputSchemes...), Language: one.language("language"), Name: one.captionName("name"),
		Default: one.boolean("default"), Role: one.oneOf("role", "", job.AudioRoles()...),
	}
	if u := one.get("url"); u == nil || u.kind != kindDeferred && blank(u) {
		one.refuse("url", "the URL of a file with sound")
	}
	return a
}

// checkAudioFiles refuses files with sound in a stream that has no place for them.
func (h hash) checkAudioFiles(p *job.StreamParams) {
	hears := func(f format.Format) bool { return f.AudioCodec() != "" }
	switch {
	case len(p.Audio) == 0:
	case p.HLS != nil && p.HLS.Version == 3:
		h.d.refuse(h.reason, "%s is not valid beside an 'hls.version' of 3: playlists of that version have no tracks to choose from.", h.subject("audio"))
	case len(p.Variants) > 0 && !slices.ContainsFunc(p.Variants, hears):
		h.d.refuse(h.reason, "%s is not valid: no variant has audio, so no player would look for it; expected variants with audio.", h.subject("audio"))
	}
}

// surround reads the param 'surround' of an httpstream, an addition to Coconut: true for
// AC-3, or codecs.
func (h hash) surround() []string {
	v := h.get("surround")
	if b, ok := parseBool(v); ok {
		if b {
			return job.SurroundCodecs()[:1]
		}
		return nil
	}
	var list []string
	for _, w := range h.words("surround") {
		codec := strings.ToLower(w.text)
		if !slices.Contains(job.SurroundCodecs(), codec) {
			h.refuse("surround", wantSurround)
			return nil
		}
		if !slices.Contains(list, codec) {
			list = append(list, codec)
		}
	}
	return list
}

const wantSurround = `true for AC-3, or an array of "ac3" and "eac3"`
