package testmedia

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

type facts struct {
	Streams []struct {
		Type       string `json:"codec_type"`
		Width      int    `json:"width"`
		Height     int    `json:"height"`
		PixFmt     string `json:"pix_fmt"`
		FieldOrder string `json:"field_order"`
		Channels   int    `json:"channels"`
		Start      string `json:"start_time"`
		Avg        string `json:"avg_frame_rate"`
		Frames     string `json:"nb_frames"`
		SAR        string `json:"sample_aspect_ratio"`
		Tags       struct{ Language string }
		Picture    struct {
			Attached int `json:"attached_pic"`
		} `json:"disposition"`
		SideData []struct {
			Rotation int `json:"rotation"`
		} `json:"side_data_list"`
	}
	Format struct {
		Start    string `json:"start_time"`
		Duration string `json:"duration"`
	}
}

func probe(t *testing.T, path string) facts {
	t.Helper()
	out, err := exec.Command(FFmpeg(t, "ffprobe"), "-v", "error", "-print_format", "json", "-show_streams", "-show_format", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var f facts
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func seconds(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every recipe must have the properties that it claims, with whatever ffmpeg made it.
func TestRecipes(t *testing.T) {
	if f := probe(t, Clip(t, Standard)); len(f.Streams) != 2 || f.Streams[0].Width != 320 || f.Streams[1].Channels != 2 || f.Format.Duration[:2] != "4." {
		t.Errorf("standard: %+v", f)
	}
	if f := probe(t, Clip(t, OddSize)); f.Streams[0].Width != 321 || f.Streams[0].Height != 181 {
		t.Errorf("odd: %+v", f)
	}
	if f := probe(t, Clip(t, Portrait90)); f.Streams[0].Width != 320 || len(f.Streams[0].SideData) == 0 || f.Streams[0].SideData[0].Rotation != -90 {
		t.Errorf("portrait: %+v", f)
	}
	if f := probe(t, Clip(t, Anamorphic)); f.Streams[0].SAR != "16:15" {
		t.Errorf("anamorphic: %+v", f)
	}
	if f := probe(t, Clip(t, VFR)); f.Streams[0].Avg == "25/1" || f.Streams[0].Frames != "75" {
		t.Errorf("vfr: %+v", f)
	}
	if f := probe(t, Clip(t, TenBit)); f.Streams[0].PixFmt != "yuv420p10le" {
		t.Errorf("ten bits: %+v", f)
	}
	if f := probe(t, Clip(t, Interlaced)); f.Streams[0].FieldOrder != "tt" || f.Streams[0].Frames != "100" {
		t.Errorf("interlaced: %+v", f)
	}
	if f := probe(t, Clip(t, LateAudio)); f.Streams[0].Start != "0.000000" || math.Abs(seconds(t, f.Streams[1].Start)-1.5) > 0.03 { // less the encoder's delay
		t.Errorf("late audio: %+v", f)
	}
	if f := probe(t, Clip(t, LateStart)); math.Abs(seconds(t, f.Format.Start)-36002) > 2 {
		t.Errorf("late start: %+v", f)
	}
	if f := probe(t, Clip(t, SurroundFivePointOne)); f.Streams[1].Channels != 6 {
		t.Errorf("surround: %+v", f)
	}
	if f := probe(t, Clip(t, OneFrame)); f.Streams[0].Frames != "1" {
		t.Errorf("one frame: %+v", f)
	}
	if f := probe(t, Clip(t, MultiAudio)); len(f.Streams) != 3 || f.Streams[1].Tags.Language != "eng" || f.Streams[2].Tags.Language != "fra" {
		t.Errorf("multi: %+v", f)
	}
	if f := probe(t, Clip(t, Subtitled)); len(f.Streams) != 4 || f.Streams[3].Type != "subtitle" {
		t.Errorf("subtitled: %+v", f)
	}
	if f := probe(t, Clip(t, CoverArt)); len(f.Streams) != 2 || f.Streams[1].Picture.Attached != 1 {
		t.Errorf("cover: %+v", f)
	}
	for _, r := range []Recipe{Short, NoAudio, AudioOnly, ShortAudio, Tagged, WebM, Photo, Logo, TruncatedTail} {
		if f := probe(t, Clip(t, r)); len(f.Streams) == 0 {
			t.Errorf("%s: no streams", r.Name)
		}
	}
	for _, r := range []Recipe{Truncated, HTML, Empty, Text, Playlist, Concat} {
		if err := exec.Command(FFmpeg(t, "ffprobe"), "-v", "quiet", "-protocol_whitelist", "file", "-format_whitelist", "mov", Clip(t, r)).Run(); err == nil {
			t.Errorf("%s: ffprobe takes it", r.Name)
		}
	}
}

func TestClipIsMadeOnce(t *testing.T) {
	a, err := os.Stat(Clip(t, Short))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.Stat(Clip(t, Short)); err != nil || !os.SameFile(a, b) {
		t.Errorf("made twice: %v", err)
	}
}

func TestCounter(t *testing.T) {
	clip := Counter(t, "30000/1001", 3, 128, 72)
	check := func(path string) {
		t.Helper()
		numbers, times := ReadFrames(t, path), FrameTimes(t, path)
		if len(numbers) != 90 || len(times) != len(numbers) {
			t.Fatalf("%d numbers, %d times, want %d", len(numbers), len(times), 90)
		}
		for i, n := range numbers {
			if n != i {
				t.Fatalf("frame %d shows %d", i, n)
			}
			if want := float64(n) * 1001 / 30000; math.Abs(times[i]-want) > 0.002 {
				t.Fatalf("frame %d at %v, want %v", i, times[i], want)
			}
		}
		beeps := Beeps(t, path)
		if len(beeps) != 3 {
			t.Fatalf("beeps %v", beeps)
		}
		for i, b := range beeps {
			if math.Abs(b-float64(i)) > 0.03 {
				t.Errorf("beep %d at %v", i, b)
			}
		}
	}
	check(clip)

	// The numbers must stay readable when frames are scaled down and compressed hard.
	small := filepath.Join(t.TempDir(), "small.mp4")
	if _, err := ffmpeg(t, "", nil, "-i", clip, "-vf", "scale=64:36", "-c:v", "libx264", "-preset", "veryfast", "-crf", "38", "-c:a", "aac", "-b:a", "48k", small); err != nil {
		t.Fatal(err)
	}
	check(small)
}

func TestBeepsOfLateAudio(t *testing.T) {
	b := Beeps(t, Clip(t, LateAudio))
	if len(b) != 4 || math.Abs(b[0]-1.5) > 0.03 {
		t.Errorf("beeps %v, want from 1.5 on", b)
	}
	if b := Beeps(t, Clip(t, MultiAudio)); len(b) != 4 {
		t.Errorf("beeps %v", b)
	}
}

func TestCounterCodeNeedsItsChecksum(t *testing.T) {
	for _, level := range []byte{0, 255} {
		gray := make([]byte, 64*64)
		for i := range gray {
			gray[i] = level
		}
		if n := ReadCounter(gray, 64, 64); n != -1 {
			t.Errorf("a frame of %d reads as %d", level, n)
		}
	}
}

func TestShared(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.mp4"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COPRA_TEST_MEDIA", dir)
	if got := Shared(t, "x.mp4"); got != filepath.Join(dir, "x.mp4") {
		t.Errorf("got %s", got)
	}
}
