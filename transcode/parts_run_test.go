package transcode

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

// probedPart is a file as a part, under a name in dir.
func probedPart(t testing.TB, dir, file string) Part {
	t.Helper()
	name := fmt.Sprintf("part-%s", filepath.Base(file))
	if err := os.Link(file, filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out, _ := command(t, dir, "ffprobe", "-v", "error", "-print_format", "json", "-show_streams", "-show_format", name)
	m, err := job.ParseMedia([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	return Part{Media: m, Name: name}
}

// joinParts joins parts in dir, and returns the plan and the path of the file.
func joinParts(t testing.TB, dir string, parts ...Part) (JoinedSource, string) {
	t.Helper()
	j, err := JoinSource(parts, Capabilities{})
	if err != nil {
		t.Fatal(err)
	}
	command(t, dir, "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, j.Step.Op.FFmpeg.Args...)...)
	return j, filepath.Join(dir, SourceName)
}

// TestJoinSource: of two ranges of a film, black between them, and a silent clip of another
// size and rate, each frame and each beep is where it belongs.
func TestJoinSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	film := probedPart(t, dir, testmedia.Counter(t, "30000/1001", 6, 128, 72))
	silent := filepath.Join(dir, "silent.mkv")
	command(t, dir, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=red:s=64x64:r=25:d=1", "-c:v", "libx264", "-preset", "ultrafast", silent)
	still := filepath.Join(dir, "card.png")
	command(t, dir, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=blue:s=40x40", "-frames:v", "1", still)

	first, second, clip, card := film, film, probedPart(t, dir, silent), probedPart(t, dir, still)
	first.Offset, first.Length = 1, 1.5
	second.Offset, second.FadeOut = 3.5, 0.2
	card.Length = 0.5
	j, out := joinParts(t, dir, first, Part{Black: 0.5}, second, clip, card)

	rate := 30000. / 1001
	want := counted(30, 45)
	want = append(want, slices.Repeat([]int{-1}, 15)...)
	want = append(want, counted(105, 75-6)...) // the last of its frames fade
	got := testmedia.ReadFrames(t, out)
	total := 45 + 15 + 75 + 30 + 15
	if len(got) != total || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the frames are\n%v, %d of them, want\n%v and %d in all", got, len(got), want, total)
	}
	for i, at := range testmedia.FrameTimes(t, out) {
		if math.Abs(at-float64(i)/rate) > 1e-4 {
			t.Errorf("frame %d is at %.5f s", i, at)
			break
		}
	}
	if math.Abs(j.Duration-float64(total)/rate) > 1e-6 || j.Media.Video[0].Frames != int64(total) {
		t.Errorf("planned %.3f s and %d frames", j.Duration, j.Media.Video[0].Frames)
	}
	// The film beeps at 1, 2, 4 and 5 s.
	begin := float64(60) / rate
	beeps := testmedia.Beeps(t, out)
	places := []float64{0, 1, begin + 0.5, begin + 1.5}
	if len(beeps) != len(places) {
		t.Fatalf("beeps at %v, want %v", beeps, places)
	}
	for i, at := range beeps {
		if math.Abs(at-places[i]) > 0.002 {
			t.Errorf("a beep at %.4f s, want %.4f s", at, places[i])
		}
	}
	m := probedPart(t, dir, out).Media
	if v, a := m.Video[0], m.Audio[0]; v.Width != 128 || v.Height != 72 || v.FPS != j.Media.Video[0].FPS || a.SampleRate != j.Media.Audio[0].SampleRate || a.Channels != j.Media.Audio[0].Channels {
		t.Errorf("the file is %+v with %+v, planned as %+v", v, a, j.Media)
	}
	// Bars beside the square clip, and the card.
	for _, c := range []struct {
		frame int
		x     int
		bars  bool
	}{{150, 4, true}, {150, 64, false}, {175, 64, false}} {
		raw, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", SourceName, "-vf", fmt.Sprintf("select=eq(n\\,%d),crop=2:2:%d:36,format=gray", c.frame, c.x), "-frames:v", "1", "-f", "rawvideo", "-")
		if level := raw[0]; (level < 10) != c.bars {
			t.Errorf("frame %d has a brightness of %d at %d, bars: %v", c.frame, level, c.x, c.bars)
		}
	}
}

func counted(from, n int) []int {
	var list []int
	for k := range n {
		list = append(list, from+k)
	}
	return list
}

// TestJoinSamples: ranges of sound are exact to the sample.
func TestJoinSamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const rate = 8000
	wav := filepath.Join(dir, "ramp.wav")
	command(t, dir, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='(n-16000)/32768':s=%d:d=4", rate), "-c:a", "pcm_s16le", wav)
	p := probedPart(t, dir, wav)
	a, b, c := p, p, p
	a.Offset, a.Length = 0.25, 0.5
	b.Offset, b.Length = 3, 0.125
	c.Length = 1. / 3
	_, out := joinParts(t, dir, a, Part{Black: 0.01}, b, c)
	raw, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", out, "-f", "f32le", "-")
	var want []int
	want = append(want, counted(2000, 4000)...)
	want = append(want, slices.Repeat([]int{16000}, 80)...)
	want = append(want, counted(24000, 1000)...)
	want = append(want, counted(0, 2667)...)
	var got []int
	for s := range slices.Chunk([]byte(raw), 4) {
		got = append(got, 16000+int(math.Round(32768*float64(math.Float32frombits(binary.LittleEndian.Uint32(s))))))
	}
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("sample %d is that of %d, want %d", i, got[i], want[i])
		}
	}
}

// TestJoinFaults: what cannot be joined has a sentence that says which part it is.
func TestJoinFaults(t *testing.T) {
	m := film(640, 360)
	for _, c := range []struct {
		name  string
		parts []Part
		says  string
	}{
		{"beyond the end", []Part{{Media: m, Name: "a"}, {Media: m, Name: "b", Offset: m.Duration + 1}}, "The input 2 lasts"},
		{"a picture", []Part{{Media: job.Media{FormatName: "png_pipe", Video: []job.VideoStream{{Width: 10, Height: 10}}}, Name: "a"}}, "The input 1 is a picture"},
		{"nothing", []Part{{Black: 1}, {Black: 2}}, "no picture and no sound"},
		{"too short", []Part{{Media: m, Name: "a", Length: 0.01}}, "less than two frames"},
		{"no streams", []Part{{Media: job.Media{FormatName: "matroska,webm", Duration: 3}, Name: "a"}}, "The input 1 has neither"},
	} {
		if _, err := JoinSource(c.parts, Capabilities{}); err == nil || !strings.Contains(err.Message, c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
