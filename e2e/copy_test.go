package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// fitting has a keyframe every 2 s and closed GOPs, so a variant of a stream can be cut of it.
var fitting = testmedia.Recipe{Name: "fitting.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=8",
	"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-x264-params", "keyint=50:min-keyint=50:scenecut=0:open-gop=0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k",
}}

// packets are the checksums of the encoded video, as an MP4 would have it, in the order of
// decoding.
func packets(t *testing.T, name string) (list []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", name, "-map", "0:v:0", "-c", "copy", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("packets of %s: %v", name, err)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ","); !strings.HasPrefix(line, "#") {
			list = append(list, fields[len(fields)-1])
		}
	}
	return list
}

// TestCopyAuto: with copy auto a file and the variant of a stream that are what the input is
// already have its very packets, beside a variant that is encoded; without, they do not.
func TestCopyAuto(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	clip := testmedia.Clip(t, fitting)
	want := packets(t, clip)
	for _, mode := range []string{"auto", "off"} {
		spec := jobOf(inputs(t).add(clip), object{
			"mp4": object{"path": "/a.mp4"},
			"httpstream": object{
				"variants": []string{"mp4:80x::quality=1", "mp4:320x"}, "hls": object{"path": "/hls"}, "dash": object{"path": "/dash", "hlsfmp4": true},
			},
		})
		spec["settings"] = object{"copy": mode}
		j := srv.completed(t, 5*time.Minute, spec)
		var got [3][]string
		got[0] = packets(t, save(t, j.output(t, "mp4").URL, "a.mp4"))
		stream := j.output(t, "httpstream")
		for _, kind := range []string{"hls", "hlsfmp4", "dash"} {
			follows(t, stream.stream(t, kind))
		}
		got[1] = packets(t, sibling(t, stream.stream(t, "hlsfmp4"), "stream-180p.m3u8"))
		// In TS parameter sets stand before each keyframe; as an MP4 they do not.
		ts := filepath.Join(t.TempDir(), "ts.mp4")
		if out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", sibling(t, stream.stream(t, "hls"), "180p/stream.m3u8"), "-map", "0:v", "-c", "copy", "-bsf:v", "filter_units=remove_types=7|8|9", ts).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got[2] = packets(t, ts)
		notes := srv.notes(t, j.ID)
		copied := slices.ContainsFunc(notes["httpstream"], func(n string) bool {
			return strings.HasPrefix(n, "Video of the variant 180p copied") && strings.Contains(n, "46p (its size is")
		}) &&
			slices.ContainsFunc(notes["mp4"], func(n string) bool { return strings.HasPrefix(n, "Video copied: it is h264") })
		if copied != (mode == "auto") {
			t.Errorf("copy %s: the notes %q", mode, notes)
		}
		for i, name := range []string{"file", "fragmented MP4"} {
			if same := slices.Equal(got[i], want); same != (mode == "auto") || len(want) != 200 {
				t.Errorf("copy %s: the %s has %d packets, the %d of the input: %v", mode, name, len(got[i]), len(want), same)
			}
		}
		if same := slices.Equal(got[2][1:], want[1:]); same != (mode == "auto") {
			t.Errorf("copy %s: TS has %d packets, the %d of the input: %v", mode, len(got[2]), len(want), same)
		}
	}
}

// sibling is the address of a playlist beside another one.
func sibling(t *testing.T, address, name string) string {
	t.Helper()
	at := regexp.MustCompile(`[^/]+$`).FindStringIndex(address)
	if at == nil {
		t.Fatalf("%s has no last part", address)
	}
	return address[:at[0]] + name
}
