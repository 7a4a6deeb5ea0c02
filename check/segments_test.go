package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// TestSegmentLengths: a stream with segments and GOPs of lengths that were asked for holds
// every rule, with edges at the same times in all variants.
func TestSegmentLengths(t *testing.T) {
	t.Parallel()
	p := both(t, "mp4:0x64::quality=3,gop=0.5", "mp4:0x36::crf=30,gop=0.5", "mp4:x:64k")
	p.SegmentSeconds = 1.5
	for _, made := range streamtest.Publish(t, clipDir(t, testmedia.Clip(t, rated("30000/1001"))), p, transcode.Options{Presets: quick.Presets}) {
		reports, err := Stream(t.Context(), made.Root, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, rep := range reports {
			if !rep.OK() {
				t.Error(printed(reports))
			}
		}
		for _, track := range made.Package.Tracks {
			name := "stream-" + track.ID + ".m3u8"
			if made.Package.Layout == stream.TS {
				name = track.ID + "/stream.m3u8"
			}
			text, err := os.ReadFile(filepath.Join(made.Root, name))
			if n := strings.Count(string(text), "#EXTINF"); err != nil || n != 3 {
				t.Errorf("%s of %s has %d segments, expected 3 in 4.5 s:\n%s%v", track.ID, made.Package.Layout, n, text, err)
			}
		}
	}
}
