package e2e

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// facts is ffprobe's description of a result.
type facts struct {
	Streams []struct {
		Type     string `json:"codec_type"`
		Codec    string `json:"codec_name"`
		Width    int    `json:"width"`
		Height   int    `json:"height"`
		Channels int    `json:"channels"`
		Rate     string `json:"sample_rate"`
		PixFmt   string `json:"pix_fmt"`
		DAR      string `json:"display_aspect_ratio"`
		Frames   string `json:"nb_read_frames"`
	} `json:"streams"`
	Format struct {
		Name     string `json:"format_name"`
		Filename string `json:"filename"`
		Duration string `json:"duration"`
	} `json:"format"`
}

// probe runs ffprobe on a file or on the address of a result.
func probe(t testing.TB, from string, more ...string) facts {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	args := append([]string{"-v", "error", "-print_format", "json", "-show_streams", "-show_format"}, more...)
	out, err := exec.CommandContext(ctx, testmedia.FFmpeg(t, "ffprobe"), append(args, from)...).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", from, err)
	}
	var f facts
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// has fails the test unless there is a stream of the codec.
func (f facts) has(t testing.TB, what, codec string) {
	t.Helper()
	for _, s := range f.Streams {
		if s.Codec == codec {
			return
		}
	}
	t.Errorf("%s has no %s stream: %+v", what, codec, f.Streams)
}

func (f facts) lasts(t testing.TB, what string, seconds, tolerance float64) {
	t.Helper()
	d, err := strconv.ParseFloat(f.Format.Duration, 64)
	if err != nil || math.Abs(d-seconds) > tolerance {
		t.Errorf("%s lasts %q seconds, want %v", what, f.Format.Duration, seconds)
	}
}

func (f facts) video(t testing.TB, what string) (w, h int) {
	t.Helper()
	for _, s := range f.Streams {
		if s.Type == "video" {
			return s.Width, s.Height
		}
	}
	t.Errorf("%s has no video: %+v", what, f.Streams)
	return 0, 0
}

func (f facts) count(kind string) int {
	n := 0
	for _, s := range f.Streams {
		if s.Type == kind {
			n++
		}
	}
	return n
}

// save downloads an address into a file of the test.
func save(t testing.TB, url, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, fetch(t, url), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inOrder fails the test unless the frames are 0 to n-1, each once.
func inOrder(t testing.TB, what string, frames []int, n int) {
	t.Helper()
	if len(frames) != n {
		t.Errorf("%s has %d frames, want %d: %v", what, len(frames), n, frames)
		return
	}
	for i, f := range frames {
		if f != i {
			t.Errorf("frame %d of %s shows %d", i, what, f)
			return
		}
	}
}
