package e2e

import (
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// fullHD is large enough for every rung of the ladder up to 1080p. No output can
// copy its audio.
var fullHD = testmedia.Recipe{Name: "fullhd.mov", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25:d=1", "-f", "lavfi", "-i", "sine=f=1000:r=48000:d=1",
	"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le",
}}

// Renditions that several outputs share are encoded once: five heights and one
// audio, not eight and eight. The server is the test's own, since the test reads
// its counters.
func TestSharing(t *testing.T) {
	t.Parallel()
	srv := startStandalone(t, launch{args: []string{allow}}, openDir(t))
	input := inputs(t).add(testmedia.Clip(t, fullHD))
	encodes := func(medium string) float64 {
		return srv.metric(t, "copra_worker_encodes_total", `medium="`+medium+`"`)
	}
	j := srv.completed(t, 90*time.Second, jobOf(input, object{
		"mp4:720p::quality=4": object{"path": "/720.mp4"},
		"mp4:480p::quality=4": object{"path": "/480.mp4"},
		"mp4:360p::quality=4": object{"path": "/360.mp4"},
		"jpg:320x":            object{"path": "/thumb_%02d.jpg", "number": 5},
		"httpstream": object{
			"hls": object{"path": "/hls"},
			"variants": []string{
				"mp4:240p::quality=4", "mp4:360p::quality=4", "mp4:480p::quality=4", "mp4:720p::quality=4", "mp4:1080p::quality=4",
			},
		},
	}))
	if v, a := encodes("video"), encodes("audio"); v != 5 || a != 1 {
		t.Errorf("%v video and %v audio encodes, want 5 and 1", v, a)
	}
	for key, height := range map[string]int{"mp4:720p::quality=4": 720, "mp4:480p::quality=4": 480, "mp4:360p::quality=4": 360} {
		f := probe(t, j.output(t, key).URL)
		f.has(t, key, "aac")
		if _, h := f.video(t, key); h != height {
			t.Errorf("%s is %d high", key, h)
		}
	}
	if n := probe(t, j.output(t, "httpstream").stream(t, "hls")).count("video"); n != 5 {
		t.Errorf("the stream has %d variants", n)
	}
	if n := len(j.output(t, "jpg:320x").images(t)); n != 5 {
		t.Errorf("%d thumbnails", n)
	}
}
