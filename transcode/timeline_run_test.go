package transcode

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

// measured probes the source and brings in its time line, as a worker does.
func measured(t testing.TB, dir string) job.Media {
	t.Helper()
	m := probe(t, dir, SourceName)
	if !m.NeedsTimeline() {
		return m
	}
	args := []string{"-v", "error", "-i", SourceName}
	var streams []job.TimelineStream
	for _, v := range m.Video {
		args, streams = append(args, "-map", "0:"+strconv.Itoa(v.Index)), append(streams, job.TimelineStream{Index: v.Index, Video: true, Reorder: v.Reorder})
	}
	for _, a := range m.Audio {
		args, streams = append(args, "-map", "0:"+strconv.Itoa(a.Index)), append(streams, job.TimelineStream{Index: a.Index})
	}
	out, _ := command(t, dir, "ffmpeg", append(args, "-c", "copy", "-copyinkf", "-f", "framecrc", "-")...)
	line, err := job.ReadTimeline(strings.NewReader(out), streams)
	if err != nil {
		t.Fatal(err)
	}
	m.Measure(line)
	return m
}

// joinedByCat is a source of recordings one behind the other, as cat joins them.
func joinedByCat(t testing.TB, recordings ...[]string) string {
	t.Helper()
	dir := t.TempDir()
	var all []byte
	made := map[string][]byte{} // by their arguments
	for _, args := range recordings {
		part, ok := made[strings.Join(args, " ")]
		if !ok {
			part = []byte(text(t, clip(t, args...), SourceName))
			made[strings.Join(args, " ")] = part
		}
		all = append(all, part...)
	}
	if err := os.WriteFile(filepath.Join(dir, SourceName), all, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Sources whose length ffprobe can only estimate, whose time jumps, and whose
// sound changes on the way: every output lasts as long as what is decoded.
func TestMeasuredLengths(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	sound := func(more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", "sine=d=2:r=48000"}, append(more, "-f", "mpegts")...)
	}
	film := func(more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", "testsrc2=s=80x46:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2:r=48000", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"}, append(more, "-f", "mpegts")...)
	}
	stereo, surround := sound("-ac", "2", "-c:a", "ac3"), sound("-ac", "6", "-c:a", "ac3")
	aac, slower := sound("-ac", "2", "-c:a", "aac"), sound("-ac", "2", "-ar", "44100", "-c:a", "aac")
	const quietThenLoud = "anullsrc=r=44100:cl=stereo,atrim=0:10[a];anoisesrc=r=44100:d=2,aformat=channel_layouts=stereo[b];[a][b]concat=v=0:a=1"
	for name, tt := range map[string]struct {
		dir  func() string
		want float64
	}{
		"ADTS": {func() string {
			return clip(t, "-f", "lavfi", "-i", quietThenLoud, "-c:a", "aac", "-b:a", "128k", "-f", "adts")
		}, 12},
		"MP3 without Xing header": {func() string {
			return clip(t, "-f", "lavfi", "-i", quietThenLoud, "-q:a", "2", "-write_xing", "0", "-f", "mp3")
		}, 12},
		"two Ogg in a row": {func() string {
			one := []string{"-f", "lavfi", "-i", "sine=d=3:r=48000", "-c:a", "libvorbis", "-f", "ogg"}
			return joinedByCat(t, one, one)
		}, 6},
		"two transport streams":   {func() string { return joinedByCat(t, film(), film()) }, 4},
		"a jump up by 48 minutes": {func() string { return joinedByCat(t, film(), film("-output_ts_offset", "2880")) }, 4},
		"a day up, and back":      {func() string { return joinedByCat(t, film(), film("-output_ts_offset", "86400"), film()) }, 6},
		"over the 33 bits":        {func() string { return joinedByCat(t, film("-output_ts_offset", "95442"), film()) }, 4},
		"stereo, 5.1 in Matroska": {func() string {
			return clip(t, "-i", filepath.Join(joinedByCat(t, stereo, surround), SourceName), "-c", "copy", "-f", "matroska")
		}, 4},
		"stereo, 5.1, stereo": {func() string { return joinedByCat(t, stereo, surround, stereo) }, 6},
		"48, 44.1, 48 kHz":    {func() string { return joinedByCat(t, aac, slower, aac) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tt.dir()
			m := measured(t, dir)
			if math.Abs(m.Duration-tt.want) > 0.15 {
				t.Errorf("measured as %.3f s, want %.3f", m.Duration, tt.want)
			}
			lines := []string{"mp3 path=/a.mp3", "mp4:x:96k path=/a.mp4"}
			if len(m.Video) > 0 {
				lines = append(lines, "mp4:80x::quality=1 path=/v.mp4", "jpg:80x path=/p_%d.jpg number=3")
			}
			p := runMedia(t, dir, m, fast, lines...)
			names := slices.DeleteFunc(firstFiles(p), func(n string) bool { return strings.Contains(n, "%") })
			for name, got := range lengths(t, dir, names...) {
				if math.Abs(got-tt.want) > 0.15 {
					t.Errorf("%s lasts %.3f s, want %.3f", name, got, tt.want)
				}
			}
		})
	}
}

// A recording of 30 frames a second that drops to 3 on the way keeps all of its
// frames and their times in files. In streams frames are repeated and none is
// dropped.
func TestIrregularFrames(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=8", "-f", "lavfi", "-i", "sine=d=8",
		"-vf", "settb=1/30000,select='lt(t,3)+gte(t,5)+not(mod(n,10))',setpts='PTS+floor(random(1)*400)'", "-fps_mode", "passthrough",
		"-enc_time_base", "1/30000", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-video_track_timescale", "30000", "-c:a", "aac", "-f", "mp4")
	in := frames(t, dir, SourceName, false)
	if len(in) != 186 {
		t.Fatalf("the source has %d frames, want 186", len(in))
	}
	m := measured(t, dir)
	p := runMedia(t, dir, m, fast, "mp4:80x::quality=1 path=/a.mp4", "webm:80x path=/a.webm", "httpstream hls=/h dash=/d variants=mp4:80x::quality=1")
	for _, r := range p.Results[:2] {
		out := frames(t, dir, r.Files[0].Name, false)
		if len(out) != len(in) {
			t.Errorf("%s: %d frames, want %d", r.Files[0].Path, len(out), len(in))
			continue
		}
		for i := range in {
			if math.Abs(out[i]-in[i]) > 0.005 {
				t.Errorf("%s: frame %d is at %.4f s, in the source at %.4f", r.Files[0].Path, i, out[i], in[i])
				break
			}
		}
	}
	for _, k := range p.Results[2].Packages {
		if rate := k.Tracks[0].FrameRate; rate.Num != 30*rate.Den {
			t.Errorf("a stream at %d/%d frames a second, want 30", rate.Num, rate.Den)
		}
	}
}

// Slides stay for three seconds each, and are 0, 30, 60 ... bright. Pictures show
// the slide on screen, not the next one; an animation lasts as long as asked for.
func TestSlides(t *testing.T) {
	t.Parallel()
	for _, container := range [][]string{{"-c:v", "libvpx", "-f", "webm"}, {"-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4"}} {
		t.Run(container[len(container)-1], func(t *testing.T) {
			t.Parallel()
			dir := clip(t, append([]string{"-f", "lavfi", "-i", "color=black:s=64x36:r=25:d=20,geq=lum='40+floor(N/75)*30':cb=128:cr=128,select='not(mod(n,75))'", "-fps_mode", "passthrough"}, container...)...)
			m := measured(t, dir)
			p := runMedia(t, dir, m, fast, "png path=/p_%d.png offsets=1;5.9;6.1;11", "gif:64x path=/a.gif scene=1;3", "mp4:64x::quality=1 path=/a.mp4", "webm:64x path=/a.webm", "png path=/n_%d.png number=10")
			pictures := decodedAll(t, dir, picturesOf([]Result{p.Results[0], p.Results[4]})...)
			for n, slide := range []int{0, 1, 2, 3} {
				got := pictures[pictureName(p.Results[0], n)][0].gray()
				if want := float64(40+30*slide-16) * 255 / 219; math.Abs(got-want) > 8 {
					t.Errorf("picture %d is %.0f bright, want slide %d (%.0f)", n+1, got, slide, want)
				}
			}
			if m := probe(t, dir, p.Results[1].Files[0].Name); math.Abs(m.Duration-3) > 0.06 {
				t.Errorf("the animation lasts %.2f s, want 3", m.Duration)
			}
			for n := range 10 {
				got, slide := pictures[pictureName(p.Results[4], n)][0].gray(), min(6, int((float64(n)+0.5)/10*m.Duration/3))
				if want := min(255, float64(40+30*slide-16)*255/219); math.Abs(got-want) > 8 {
					t.Errorf("of ten pictures number %d is %.0f bright, want slide %d (%.0f)", n+1, got, slide, want)
				}
			}
			in := frames(t, dir, SourceName, false)
			for _, r := range p.Results[2:4] {
				if out := frames(t, dir, r.Files[0].Name, false); len(out) != len(in) || math.Abs(out[len(out)-1]-in[len(in)-1]) > 0.002 {
					t.Errorf("%s: frames at %v, in the source at %v", r.Files[0].Path, out, in)
				}
			}
		})
	}
}

// pictureName is the file of picture n, counted from 0.
func pictureName(r Result, n int) string {
	if r.Files[0].Count > 0 {
		return fmt.Sprintf(r.Files[0].Name, n+1)
	}
	return r.Files[n].Name
}
