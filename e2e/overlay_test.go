package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

var plainFilm = testmedia.Recipe{Name: "plain.mp4", Args: []string{
	"-f", "lavfi", "-i", "color=0x406080:s=320x240:r=10:d=1,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast",
	"-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-color_range", "tv",
}}

// TestOverlay: a real worker fetches a picture and a LUT, and ffmpeg in its sandbox finds
// fonts and draws all of it, over files and streams.
func TestOverlay(t *testing.T) {
	t.Parallel()
	srv, dir := shared(t), t.TempDir()
	mark, lut := filepath.Join(dir, "mark.png"), filepath.Join(dir, "swap.cube")
	ffmpeg := testmedia.Tool(t, "ffmpeg")
	if out, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=0x00ff00:s=40x40,format=rgb24", "-frames:v", "1", mark).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Red and blue change places; red changes fastest in the table.
	if err := os.WriteFile(lut, []byte("LUT_3D_SIZE 2\n0 0 0\n0 0 1\n0 1 0\n0 1 1\n1 0 0\n1 0 1\n1 1 0\n1 1 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay := []object{
		{"lut": inputs(t).add(lut)},
		{"image": inputs(t).add(mark), "position": "center", "width": 20},
		{"text": `It's 100% {pts}:x=0,drawtext`, "position": "bottom", "margin": 0, "size": 20, "color": "black", "box": true, "box_color": "white", "box_opacity": 1},
	}
	// The font has no such letters, and libass draws boxes: what counts is that it draws.
	text := filepath.Join(dir, "drawn.srt")
	if err := os.WriteFile(text, []byte("1\n00:00:00,000 --> 00:00:02,000\n"+strings.Repeat("中M", 15)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := srv.completed(t, 3*time.Minute, jobOf(inputs(t).add(testmedia.Clip(t, plainFilm)), object{
		"mkv":        object{"path": "/burn.mkv", "burn": inputs(t).add(text)},
		"mp4":        object{"path": "/a.mp4", "overlay": overlay},
		"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}, "overlay": overlay},
	}))
	file, stream := save(t, j.output(t, "mp4").URL, "a.mp4"), j.output(t, "httpstream").stream(t, "hls")
	burnt, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-ss", "0.5", "-i", save(t, j.output(t, "mkv").URL, "burn.mkv"), "-frames:v", "1", "-vf", "crop=iw:ih/4:0:ih*3/4,format=gray", "-f", "rawvideo", "-").Output()
	bright := 0
	for _, v := range burnt {
		if v > 180 {
			bright++
		}
	}
	if err != nil || bright < 50 {
		t.Errorf("no letters: %d of %d pixels are bright: %v", bright, len(burnt), err)
	}
	for what, c := range map[string]struct {
		crop string
		want [3]int
	}{
		"the film":       {"40:40:10:10", [3]int{0x80, 0x60, 0x40}},
		"the picture":    {"30:30:145:105", [3]int{0, 0xff, 0}},
		"the text's box": {"300:3:10:237", [3]int{0xff, 0xff, 0xff}},
	} {
		for _, name := range []string{file, stream} {
			rgb, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-ss", "0.5", "-i", name, "-frames:v", "1", "-vf", "format=gbrp,crop="+c.crop+",scale=1:1:flags=area,format=rgb24", "-f", "rawvideo", "-").Output()
			if err != nil || len(rgb) != 3 {
				t.Fatalf("%s: %v, %d bytes", name, err, len(rgb))
			}
			for i, want := range c.want {
				if d := int(rgb[i]) - want; d < -12 || d > 12 {
					t.Errorf("%s: %s is %v, want %v", filepath.Base(name), what, rgb, c.want)
					break
				}
			}
		}
	}
}
