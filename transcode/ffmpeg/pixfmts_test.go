package ffmpeg

import (
	"slices"
	"testing"

	"github.com/copra-video/copra/transcode/format"
)

// The table of codecs and ffmpeg agree on what encoders take: what POST accepts
// is not refused later.
func TestPixFmts(t *testing.T) {
	t.Parallel()
	found := tools(t).Capabilities()
	if got := found.PixelFormats("libx264"); !slices.Contains(got, "yuv420p10le") {
		t.Errorf("libx264 takes %v", got)
	}
	if found.PixelFormats("nope") != nil {
		t.Error("an unknown encoder takes something")
	}
	for _, name := range videoEncoders() {
		if found.Encoders.Has(name) && len(found.PixelFormats(name)) == 0 {
			t.Errorf("nothing is known of %s", name)
		}
	}
	h264, _ := format.LookupCodec(format.TrackVideo, "h264")
	for _, f := range h264.PixFmts {
		if !slices.Contains(found.PixelFormats("libx264"), f) {
			t.Errorf("libx264 does not take %s", f)
		}
	}
}

// A server asks only about the encoders whose pixel formats the build decides.
// Of all others the codec table knows them: this FFmpeg takes what is there.
func TestPixFmtsOfOtherEncoders(t *testing.T) {
	t.Parallel()
	found := tools(t).Capabilities()
	for _, c := range format.Codecs() {
		name := encoderOf(c)
		if c.Track != format.TrackVideo || !c.Encodable || slices.Contains(buildDependent, name) || !found.Encoders.Has(name) {
			continue
		}
		for _, f := range c.PixFmts {
			if !slices.Contains(found.PixelFormats(name), f) {
				t.Errorf("%s does not take %s, which the codec table has for %s", name, f, c.Name)
			}
		}
	}
}
