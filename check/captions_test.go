package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode"
)

// TestCaptionsInPictures: captions that lie in the pictures of the source are in those of the
// stream, and are signalled. At another frame rate they are left out, since half of their
// letters would be.
func TestCaptionsInPictures(t *testing.T) {
	t.Parallel()
	clip := testmedia.ClosedCaptions(t, 5, "HELLO CAPTIONS")
	o := transcode.Options{Presets: quick.Presets, SegmentSeconds: 2}
	for _, c := range []struct {
		variant string
		there   bool
	}{{"mp4:96x54::quality=3", true}, {"mp4:96x54_15fps::quality=3", false}} {
		for _, p := range streamtest.Publish(t, clipDir(t, clip), both(t, c.variant), o) {
			reports, err := Stream(t.Context(), p.Root, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, rep := range reports {
				if !rep.OK() {
					t.Error(printed(reports))
				}
			}
			master, err := os.ReadFile(filepath.Join(p.Root, "master.m3u8"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",`, `INSTREAM-ID="CC1"`, `,CLOSED-CAPTIONS="cc"`} {
				if strings.Contains(string(master), want) != c.there {
					t.Errorf("%s %s: %s should be there: %v\n%s", p.Package.Layout, c.variant, want, c.there, master)
				}
			}
			if mpd, err := os.ReadFile(filepath.Join(p.Root, "master.mpd")); err == nil && strings.Contains(string(mpd), `schemeIdUri="urn:scte:dash:cc:cea-608:2015" value="CC1=und"`) != c.there {
				t.Errorf("%s\n%s", c.variant, mpd)
			}
			if got := pictureCaptions(t, p.Root); strings.Contains(got, "HELLO CAPTIONS") != c.there || strings.Contains(got, "H") != c.there {
				t.Errorf("%s %s: the captions are %q", p.Package.Layout, c.variant, got)
			}
		}
	}
}

// pictureCaptions are the captions in the pictures of a stream's first variant, as ffmpeg
// decodes them.
func pictureCaptions(t *testing.T, root string) string {
	t.Helper()
	ffmpeg := testmedia.FFmpeg(t, "ffmpeg")
	if out, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-y", "-allowed_extensions", "ALL", "-i", filepath.Join(root, "master.m3u8"), "-map", "0:v:0", "-c", "copy", filepath.Join(root, "joined.mp4")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-f", "lavfi", "-i", "movie=joined.mp4[out0+subcc]", "-map", "s", "-f", "srt", "-")
	cmd.Dir = root
	out, _ := cmd.Output() // without captions it fails
	return string(out)
}
