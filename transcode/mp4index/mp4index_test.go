package mp4index

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

func command(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testmedia.Tool(t, name), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.String())
	}
	return out
}

// TestAdd: what the index says is what ffmpeg finds when it reads all packets, or
// nothing.
func TestAdd(t *testing.T) {
	dir := t.TempDir()
	video := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=3", "-f", "lavfi", "-i", "sine=d=3", "-c:v", "libx264", "-preset", "medium", "-c:a", "aac"}
	closed := filepath.Join(dir, "closed.mp4")
	command(t, "ffmpeg", append(slices.Clone(video), "-x264-params", "keyint=20:scenecut=0", closed)...)
	for _, c := range []struct {
		name string
		args []string
		want string // "": as ffmpeg says; "open": and that is an open GOP; "none"
	}{
		{"closed", nil, ""},
		{"open.mp4", append(slices.Clone(video), "-x264-params", "keyint=20:scenecut=0:open-gop=1:bframes=3:b-adapt=0"), "open"},
		{"index at the front.mov", []string{"-v", "error", "-i", closed, "-c", "copy", "-movflags", "+faststart"}, ""},
		{"late video.mp4", []string{"-v", "error", "-i", closed, "-itsoffset", "0.7", "-i", closed, "-map", "0:a", "-map", "1:v", "-c", "copy"}, ""},
		{"from 1 s on.mp4", []string{"-v", "error", "-ss", "1", "-i", closed, "-c", "copy"}, "none"},
		{"fragments.mp4", []string{"-v", "error", "-i", closed, "-c", "copy", "-movflags", "+frag_keyframe+empty_moov"}, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := closed
			if c.args != nil {
				file = filepath.Join(dir, c.name)
				command(t, "ffmpeg", append(c.args, file)...)
			}
			m, err := job.ParseMedia(command(t, "ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", file))
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := Add(f, m.Size, &m); err != nil {
				t.Fatal(err)
			}
			got := m.Video[0].GOPs
			if c.want == "none" {
				if got != nil {
					t.Errorf("the index says %+v, want nothing", got)
				}
				return
			}
			packets := command(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-c", "copy", "-f", "framecrc", "-")
			line, err := job.ReadTimeline(strings.NewReader(string(packets)), []job.TimelineStream{{Video: true}})
			if err != nil {
				t.Fatal(err)
			}
			want := line.Streams[0].GOPs
			if got == nil || len(got.Keyframes) != len(want.Keyframes) || got.Open != want.Open || got.Open != (c.want == "open") ||
				math.Abs(got.Longest-want.Longest) > 0.001 || math.Abs(float64(got.Peak)/float64(want.Peak)-1) > 0.001 {
				t.Fatalf("the index says %+v, want %+v", got, want)
			}
			for i, k := range want.Keyframes {
				if math.Abs(got.Keyframes[i]-k) > 0.001 {
					t.Errorf("keyframe %d at %v s, want %v", i, got.Keyframes[i], k)
				}
			}
		})
	}
}

// TestDamaged: of a damaged index nothing is believed, and nothing panics.
func TestDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.mp4")
	command(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1", "-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart", file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := job.ParseMedia(command(t, "ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", file))
	if err != nil {
		t.Fatal(err)
	}
	add := func(data []byte) (*job.GOPs, error) {
		these := m
		these.Video = slices.Clone(m.Video)
		err := Add(strings.NewReader(string(data)), int64(len(data)), &these)
		return these.Video[0].GOPs, err
	}
	if g, err := add(whole); err != nil || g == nil {
		t.Fatalf("whole: %v, %v", g, err)
	}
	for _, n := range []int{0, 7, 40, 100, 500} {
		if g, err := add(whole[:n]); err == nil || g != nil {
			t.Errorf("the first %d bytes: %v, %v", n, g, err)
		}
	}
	// Each byte of the index changed: no panic, and keyframes within the file.
	for i := range min(len(whole), 1500) {
		broken := slices.Clone(whole)
		broken[i] ^= 0x81
		g, _ := add(broken)
		if g != nil && (len(g.Keyframes) == 0 || len(g.Keyframes) > 25) {
			t.Errorf("byte %d changed: %+v", i, g)
		}
	}
}
