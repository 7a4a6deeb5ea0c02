package format

import (
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// Kind is what a container holds, which decides the type of an output.
type Kind = codec.Kind

// The kinds of container. An Audio container makes an output of Coconut type
// "video" too: clients know only video, image and httpstream.
const (
	KindVideo    = codec.KindVideo
	KindAudio    = codec.KindAudio
	KindImage    = codec.KindImage    // jpg, png, webp
	KindAnimated = codec.KindAnimated // gif, webp_anim
	KindStream   = codec.KindStream
)

// Copy is the codec name that passes the source's stream through.
const Copy = codec.Copy

// codecNames lists the codecs of a track that want lets through.
func codecNames(t codec.Track, want func(*codec.Codec) bool) string {
	var names []string
	for _, c := range codec.Codecs() {
		if c.Track == t && want(c) {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// containerNames lists the containers that want lets through.
func containerNames(want func(*codec.Container) bool) string {
	var names []string
	for _, c := range codec.Containers() {
		if want(c) {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// union lists what list has of any codec, each once, in the order of the table.
func union(list func(*codec.Codec) []string) []string {
	var all []string
	for _, c := range codec.Codecs() {
		for _, name := range list(c) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}
