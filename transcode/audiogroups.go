package transcode

import (
	"slices"

	"github.com/copra-video/copra/job"
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
	key  audioRendition
	from *job.AudioStream
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
			groups = append(groups, g)
		}
		g.withoutVideo = g.withoutVideo || v.video == nil
	}
	return groups
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
	return alternativeAudio{key, a}, err == nil
}
