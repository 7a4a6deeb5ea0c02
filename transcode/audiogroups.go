package transcode

import (
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// audioGroup is an audio rendition of the ladder with the same settings for the
// source's other audio: within a group tracks differ in what they say, not in
// quality.
type audioGroup struct {
	id           string
	key          audioRendition
	withoutVideo bool // some variant is this audio without video
	alternatives []alternativeAudio
}

type alternativeAudio struct {
	key     audioRendition
	from    *job.AudioStream
	purpose stream.Purpose
	chosen  bool // it is the default one, in place of the source's
}

func (b *streamBuilder) audioGroups() []*audioGroup {
	var groups []*audioGroup
	ids := map[string]int{}
	for _, v := range b.variants {
		if v.audio == nil {
			continue
		}
		g := groupOf(groups, *v.audio)
		if g == nil {
			g = &audioGroup{id: unique(ids, "audio"), key: *v.audio}
			for i := range b.src.Audio {
				if o, ok := b.alternative(v, &b.src.Audio[i]); ok {
					g.alternatives = append(g.alternatives, o)
				}
			}
			g.alternatives = append(g.alternatives, b.fromFiles(v)...)
			groups = append(groups, g)
		}
		g.withoutVideo = g.withoutVideo || v.video == nil
	}
	return append(groups, b.surround()...)
}

// surroundGroup names the audio group of more channels than two in a codec, beside those of
// the variants.
func surroundGroup(codec string) string {
	if codec == "ac3" {
		return "surround"
	}
	return "surround-" + codec
}

// surround are the groups with all channels of the source's audio as AC-3 or E-AC-3, which
// televisions pass on to a receiver; nil: the stream is to have none.
func (b *streamBuilder) surround() (groups []*audioGroup) {
	if !b.hasSurround() {
		return nil
	}
	for _, codec := range b.params.Surround {
		if g, ok := b.surroundIn(codec); ok {
			groups = append(groups, g)
		}
	}
	return groups
}

// surroundIn is the group in one codec; false: there is no variant to play it with.
func (b *streamBuilder) surroundIn(codec string) (*audioGroup, bool) {
	at := slices.IndexFunc(b.variants, func(v variant) bool { return v.video != nil && v.audio != nil })
	if at < 0 {
		return nil, false
	}
	v := b.variants[at]
	v.format = surroundFormat(v.format, codec)
	key, err := b.streamAudio(v.format)
	if err != nil {
		return nil, false // it was planned before, see planStream
	}
	g := &audioGroup{id: surroundGroup(codec), key: key}
	for i := range b.src.Audio {
		if o, ok := b.alternative(v, &b.src.Audio[i]); ok {
			g.alternatives = append(g.alternatives, o)
		}
	}
	g.alternatives = append(g.alternatives, b.fromFiles(v)...)
	return g, true
}

// checkSurround says why a stream cannot have the surround that it wants; nil: it can, or
// wants none. A source with two channels has nothing to put there.
func (b *streamBuilder) checkSurround() *job.Error {
	if len(b.params.Surround) == 0 {
		return nil
	}
	if !b.hasSurround() {
		b.copyNotes = append(b.copyNotes, Note{Outputs: []int{b.output}, Text: "There is no surround: the input's sound has no more than two channels."})
		return nil
	}
	for _, codec := range b.params.Surround {
		if _, err := b.streamAudio(surroundFormat(format.Format{Container: "mp4"}, codec)); err != nil {
			return err
		}
	}
	return nil
}

// surroundFormat is the format of a variant with all channels in a codec.
func surroundFormat(f format.Format, codec string) format.Format {
	f.Audio = format.Audio{Codec: codec, Channels: "multi"}
	return f
}

// hasSurround reports whether a stream that wants surround has more than two channels.
func (b *streamBuilder) hasSurround() bool {
	return len(b.params.Surround) > 0 && b.src.audio != nil && b.src.audio.Channels > 2
}

func groupNamed(groups []*audioGroup, id string) *audioGroup {
	i := slices.IndexFunc(groups, func(g *audioGroup) bool { return g.id == id })
	if i < 0 {
		return nil
	}
	return groups[i]
}

func groupOf(groups []*audioGroup, key audioRendition) *audioGroup {
	i := slices.IndexFunc(groups, func(g *audioGroup) bool { return g.key == key })
	if i < 0 {
		return nil
	}
	return groups[i]
}

// alternative is what v asks for of another audio stream of the source; false
// when it is the same stream or cannot be used.
func (b *streamBuilder) alternative(v variant, a *job.AudioStream) (alternativeAudio, bool) {
	if a.Index == b.src.audio.Index || !usableAudio(*a) {
		return alternativeAudio{}, false
	}
	src := *b.src
	src.audio = a
	alone := *b.planner
	alone.src = &src
	key, err := alone.streamAudio(v.format)
	return alternativeAudio{key: key, from: a, purpose: audioPurpose(*a)}, err == nil
}
