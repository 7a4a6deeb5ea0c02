package transcode

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/codec"
)

// Each encoder knows the tunes of its codec, and they lose no frame.
func TestTunes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := os.ReadFile(testmedia.Counter(t, "25", 1, 64, 64))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, SourceName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range []string{"h264", "hevc", "vp9", "av1"} {
		for _, tune := range codec.Lookup(codec.Video, name).Tunes {
			lines = append(lines, "mp4:"+name+"::quality=5,tune="+tune+" path=/"+name+tune+".mp4")
		}
	}
	want := testmedia.ReadFrames(t, filepath.Join(dir, SourceName))
	for _, r := range run(t, dir, fast, lines...).Results {
		if got := testmedia.ReadFrames(t, filepath.Join(dir, r.Files[0].Name)); !slices.Equal(got, want) {
			t.Errorf("%s: frames %d, want %d", r.Files[0].Path, got, want)
		}
	}
}
