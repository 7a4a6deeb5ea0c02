package ffmpeg

import (
	"slices"

	"github.com/copra-video/copra/transcode"
)

// Capabilities returns what this ffmpeg can do, as the planner takes it.
func (t *Toolchain) Capabilities() transcode.Capabilities {
	c := transcode.Capabilities{
		Version: t.version, Major: t.major, Minor: t.minor,
		Encoders: t.featureSet(Encoder), Decoders: t.featureSet(Decoder), Filters: t.featureSet(Filter),
		Muxers: t.featureSet(Muxer), Demuxers: t.featureSet(Demuxer),
		PixFmts: make(map[string][]string, len(t.pixFmts)),
	}
	for encoder, list := range t.pixFmts {
		c.PixFmts[encoder] = slices.Clone(list)
	}
	return c
}

func (t *Toolchain) featureSet(kind string) transcode.Set {
	names := make([]string, 0, len(t.features[kind]))
	for name := range t.features[kind] {
		names = append(names, name)
	}
	return transcode.NewSet(names...)
}
