package transcode

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/stream"
)

// edited changes the index of the MP4 in dir, which is at the end.
func edited(t testing.TB, dir string, edit func(trak *mp4.TrakBox, scale float64)) {
	t.Helper()
	data := []byte(text(t, dir, SourceName))
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, trak := range file.Moov.Traks {
		edit(trak, float64(file.Moov.Mvhd.Timescale))
	}
	var out bytes.Buffer
	out.Write(data[:file.Moov.StartPos])
	if err := file.Moov.Encode(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, SourceName), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// delayed delays a track by a second, and ends it after three seconds of its media.
func delayed(trak *mp4.TrakBox, scale float64) {
	list := trak.Edts.Elst[0]
	whole := list.Entries[0]
	whole.SegmentDuration = uint64(3 * scale)
	list.Entries = []mp4.ElstEntry{{SegmentDuration: uint64(scale), MediaTime: -1, MediaRateInteger: 1}, whole}
	trak.Tkhd.Duration = uint64(4 * scale)
}

// Sources whose packets lack times, whose clock begins before zero or late, and whose sound
// has a hole behind its first packet: files and streams last as long as what is shown, and
// are in step.
func TestOddClocks(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	film := beepAndFlash[:8]
	mp4Of := func(more ...string) string { return clip(t, append(slices.Clone(beepAndFlash), more...)...) }
	for name, tt := range map[string]struct {
		dir     func() string
		want    float64 // seconds
		streams int     // that are tried as well
		sounds  int     // encodes of the sound
	}{
		"AVI with B-frames": {func() string {
			return clip(t, append(slices.Clone(film), "-c:v", "mpeg4", "-bf", "2", "-c:a", "pcm_s16le", "-f", "avi")...)
		}, 4, 1, 1},
		"AVI with a pyramid of B-frames": {func() string {
			return clip(t, append(slices.Clone(film), "-c:v", "libx264", "-preset", "veryfast", "-bsf:v", "h264_mp4toannexb", "-c:a", "pcm_s16le", "-f", "avi")...)
		}, 4.08, 1, 1},
		"Matroska from before zero": {func() string {
			return mp4Of("-output_ts_offset", "-0.5", "-avoid_negative_ts", "disabled", "-f", "matroska")
		}, 4, 1, 1},
		"ASF from 7 s": {func() string {
			return clip(t, append(slices.Clone(film), "-c:v", "msmpeg4v3", "-c:a", "wmav2", "-output_ts_offset", "7.3", "-f", "asf")...)
		}, 4.04, 1, 1},
		"Matroska from 7 s": {func() string {
			return mp4Of("-output_ts_offset", "7.3", "-f", "matroska")
		}, 4.02, 1, 1},
		"MP4 delayed and cut": {func() string {
			dir := mp4Of("-f", "mp4")
			edited(t, dir, delayed)
			return dir
		}, 3, 1, 0},
		"MP4 without edit lists": {func() string {
			return mp4Of("-movflags", "+frag_keyframe+empty_moov", "-f", "mp4")
		}, 4.08, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tt.dir()
			m := measured(t, dir)
			if math.Abs(m.Duration-tt.want) > 0.05 {
				t.Errorf("lasts %.3f s, want %.3f", m.Duration, tt.want)
			}
			lines := []string{"mp4:80x::quality=3 path=/a.mp4", "httpstream hls=/h variants=mp4:80x::quality=3"}
			p := runMedia(t, dir, m, fast, lines[:1+tt.streams]...)
			names := []string{SourceName, p.Results[0].Files[0].Name}
			if tt.streams > 0 {
				k := p.Results[1].Packages[0]
				names = append(names, k.Dir+"/"+k.Tracks[0].Dir+"/segment-00001.ts")
			}
			if _, sounds := encodes(p); sounds != tt.sounds {
				t.Errorf("%d encodes of sound, want %d", sounds, tt.sounds)
			}
			for name, got := range lengths(t, dir, names[1]) {
				if math.Abs(got-tt.want) > 0.05 {
					t.Errorf("%s lasts %.3f s, want %.3f", name, got, tt.want)
				}
			}
			got := offsets(t, dir, names...)
			for _, name := range names[1:] {
				if math.Abs(got[name]-got[SourceName]) > 0.005 {
					t.Errorf("%s: flash - beep = %.3f s, in the source %.3f", name, got[name], got[SourceName])
				}
			}
		})
	}
}

// Sound that is copied from an encoder with 44 ms of priming, as Apple's has, is in step
// where no edit list is read too, though there are several tracks of it to choose from.
func TestLongPriming(t *testing.T) {
	t.Parallel()
	dir := clip(t, append(slices.Clone(beepAndFlash), "-map", "0:v", "-map", "1:a", "-map", "1:a", "-f", "mp4")...)
	edited(t, dir, func(trak *mp4.TrakBox, _ float64) {
		if trak.Mdia.Hdlr.HandlerType == "soun" {
			trak.Edts.Elst[0].Entries[0].MediaTime = 2112
		}
	})
	p := run(t, dir, fast, "httpstream hls=/h dash=/d hlsfmp4=true variants=mp4:80x::quality=3")
	if _, sounds := encodes(p); sounds != 0 {
		t.Fatalf("%d encodes of sound, want it copied", sounds)
	}
	for _, k := range p.Results[0].Packages {
		if k.Layout == stream.TS {
			continue
		}
		want, whole := math.NaN(), map[string]string{}
		for i, track := range k.Tracks {
			init := text(t, dir, k.Dir, track.Dir, "init.mp4")
			file, err := mp4.DecodeFile(strings.NewReader(init))
			if err != nil {
				t.Fatal(err)
			}
			begins := 0.0
			if edts := file.Init.Moov.Trak.Edts; edts != nil {
				begins = float64(edts.Elst[0].Entries[0].MediaTime) / float64(file.Init.Moov.Trak.Mdia.Mdhd.Timescale)
			}
			if i == 0 {
				want = begins
			}
			if math.Abs(begins-want) > 0.005 {
				t.Errorf("%s begins at %.3f s of its media, the picture at %.3f", track.ID, begins, want)
			}
			whole[track.ID] = init + text(t, dir, k.Dir, track.Dir, "segment-00001.m4s")
		}
		both := []string{SourceName, "picture.mp4", "sound.mp4", "both.mp4"}
		for i, track := range k.Tracks[:2] {
			if err := os.WriteFile(filepath.Join(dir, both[1+i]), []byte(whole[track.ID]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command(t, dir, "ffmpeg", "-v", "error", "-y", "-copyts", "-i", both[1], "-i", both[2], "-c", "copy", both[3])
		got := offsets(t, dir, SourceName, both[3])
		if math.Abs(got[both[3]]-got[SourceName]) > 0.005 {
			t.Errorf("flash - beep = %.3f s, in the source %.3f", got[both[3]], got[SourceName])
		}
	}
}

// Half the rate shows every second frame, and a third every third, whatever the clock of the
// container does to their times.
func TestPartsOfRates(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	for _, tt := range []struct {
		rate, container string
		to, part        int
	}{{"60", "matroska", 30, 2}, {"60", "matroska", 20, 3}, {"120", "flv", 60, 2}, {"50", "mp4", 25, 2}, {"60000/1001", "matroska", 15, 4}} {
		t.Run(fmt.Sprintf("%s to %d in %s", tt.rate, tt.to, tt.container), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			command(t, dir, "ffmpeg", "-v", "error", "-i", testmedia.Counter(t, tt.rate, 1, 64, 36), "-c", "copy", "-an", "-f", tt.container, SourceName)
			m := measured(t, dir)
			p := runMedia(t, dir, m, fast, fmt.Sprintf("mp4:64x_%dfps::quality=3 path=/a.mp4", tt.to))
			var want []int
			for n := 0; n < int(m.Video[0].Frames) || m.Video[0].Frames == 0 && n < tt.to*tt.part; n += tt.part {
				want = append(want, n)
			}
			got := testmedia.ReadFrames(t, filepath.Join(dir, p.Results[0].Files[0].Name))
			if !slices.Equal(got, want[:min(len(want), len(got))]) || len(got) < len(want)-1 {
				t.Errorf("frames %v, want %v", got, want)
			}
		})
	}
}
