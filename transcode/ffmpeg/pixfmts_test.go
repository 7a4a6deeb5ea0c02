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
	found := tools(t)
	if got := found.PixFmts("libx264"); !slices.Contains(got, "yuv420p10le") {
		t.Errorf("libx264 takes %v", got)
	}
	if found.PixFmts("nope") != nil {
		t.Error("an unknown encoder takes something")
	}
	for _, name := range videoEncoders() {
		if found.Has(Encoder, name) && len(found.PixFmts(name)) == 0 {
			t.Errorf("nothing is known of %s", name)
		}
	}
	h264, _ := format.LookupCodec(format.TrackVideo, "h264")
	for _, f := range h264.PixFmts {
		if !slices.Contains(found.PixFmts("libx264"), f) {
			t.Errorf("libx264 does not take %s", f)
		}
	}
}
