package transcode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/copra-video/copra/job"
)

// TestDolbyVision: pictures of profile 5 are refused with a sentence, its sound is encoded,
// and both are copied. Of profile 8.1, the base is HDR10.
func TestDolbyVision(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	command(t, dir, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x96:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1", "-c:v", "libx265", "-preset", "ultrafast",
		"-x265-params", "log-level=none", "-tag:v", "hvc1", "-c:a", "aac", "plain.mp4")
	for _, c := range []struct {
		profile, base byte
		refused       bool
	}{{5, 0, true}, {8, 1, false}} {
		m := probedDolby(t, dir, c.profile, c.base)
		p := Build(outputs(t, "mp4:360p", "jpg:100x", "mp3:128k", "mp4:copy:copy", "httpstream hls=/hls variants=mp4:240p"), m, Options{})
		for i, want := range []bool{c.refused, c.refused, false, false, c.refused} {
			err := p.Results[i].Err
			if (err != nil) != want || want && !strings.Contains(err.Message, "Dolby Vision of profile 5") {
				t.Errorf("profile %d, output %d: %v", c.profile, i+1, err)
			}
		}
	}
}

// probedDolby is plain.mp4 with the box of a profile of Dolby Vision, as ffprobe sees it.
func probedDolby(t *testing.T, dir string, profile, base byte) job.Media {
	t.Helper()
	f, err := mp4.ReadMP4File(filepath.Join(dir, "plain.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	record := make([]byte, 24) // version 1.0, level 1, with RPU and base layer
	record[0], record[2], record[3], record[4] = 1, profile<<1, 1<<3|1<<2|1, base<<4
	for _, trak := range f.Moov.Traks {
		if entry := trak.Mdia.Minf.Stbl.Stsd.HvcX; entry != nil {
			entry.AddChild(mp4.CreateUnknownBox("dvcC", 8+uint64(len(record)), record))
		}
	}
	out, err := os.Create(filepath.Join(dir, "dolby.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Encode(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	text, _ := command(t, dir, "ffprobe", "-v", "error", "-print_format", "json", "-show_streams", "-show_format", "dolby.mp4")
	m, err := job.ParseMedia([]byte(text))
	if err != nil || !strings.Contains(text, "DOVI configuration record") {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}
