package ffmpeg

import (
	"slices"
	"testing"

	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// ffmpeg takes the pixel formats of the codec table: what POST accepts is not
// refused later.
func TestPixFmts(t *testing.T) {
	t.Parallel()
	found := tools(t).Capabilities()
	if got := found.PixelFormats("libx264"); !slices.Contains(got, "yuv420p10le") {
		t.Errorf("libx264 takes %v", got)
	}
	if found.PixelFormats("nope") != nil {
		t.Error("an unknown encoder takes something")
	}
	for _, name := range encoder.VideoNames(func(*encoder.Video) bool { return true }) {
		if found.Encoders.Has(name) && len(found.PixelFormats(name)) == 0 {
			t.Errorf("nothing is known of %s", name)
		}
	}
	h264 := codec.Lookup(codec.Video, "h264")
	for _, f := range h264.PixFmts {
		if !slices.Contains(found.PixelFormats("libx264"), f) {
			t.Errorf("libx264 does not take %s", f)
		}
	}
}

// A server asks only about the encoders whose pixel formats depend on the build.
// This FFmpeg takes the formats that the codec table has for all others.
func TestPixFmtsOfOtherEncoders(t *testing.T) {
	t.Parallel()
	found := tools(t).Capabilities()
	for _, c := range codec.Codecs() {
		for _, name := range encoder.VideoNames(func(e *encoder.Video) bool {
			return !e.BuildDependent && e.Codec() == c && found.Encoders.Has(e.Name)
		}) {
			for _, f := range c.PixFmts {
				if !slices.Contains(found.PixelFormats(name), f) {
					t.Errorf("%s does not take %s, which the codec table has for %s", name, f, c.Name)
				}
			}
		}
	}
}
