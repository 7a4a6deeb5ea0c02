package testmedia

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A counter frame is sixteen blocks, four by four, dark or bright: twelve bits
// of the number, from the top left on, the highest first, and four of a
// checksum. Blocks are so large that scaling and hard compression leave them
// readable.
const (
	counterBits = 12
	// MaxFrames is how many frames a counter can tell apart.
	MaxFrames    = 1 << counterBits
	dark, bright = 40, 210
)

// counterCode returns the sixteen bits of a number: twelve of the number, four of its
// checksum.
func counterCode(n int) int { return n<<4 | (n>>8^n>>4^n^0xA)&0xF }

// Counter makes an MP4 (H.264, AAC) of w x h at fps ("25", "30000/1001") of
// which every frame shows its number, and that beeps on every full second.
func Counter(t testing.TB, fps string, seconds float64, w, h int) string {
	t.Helper()
	Long(t)
	rate := parseRate(t, fps)
	frames := int(math.Round(rate * seconds))
	if frames > MaxFrames || w < 16 || h < 16 || w%2 != 0 || h%2 != 0 {
		t.Fatalf("counter of %d frames, %dx%d: at most %d frames, and even sides of at least 16", frames, w, h, MaxFrames)
	}
	id := fmt.Appendf(nil, "counter 2 %s %v %d %d", fps, seconds, w, h)
	return cached(t, "counter.mp4", id, func(out string) error {
		read, write := io.Pipe()
		go func() { write.CloseWithError(writeFrames(write, frames, w, h)) }()
		defer read.Close()
		sound := strings.Replace(beeps2, ":d=4", fmt.Sprintf(":d=%v", seconds), 1)
		_, err := ffmpeg(t, "", read, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", w, h), "-r", fps, "-i", "pipe:0",
			"-f", "lavfi", "-i", sound, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-g", "50", "-c:a", "aac", "-b:a", "96k", out)
		return err
	})
}

func parseRate(t testing.TB, fps string) float64 {
	t.Helper()
	a, b, ok := strings.Cut(fps, "/")
	if !ok {
		b = "1"
	}
	num, err1 := strconv.ParseFloat(a, 64)
	den, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil || num <= 0 || den <= 0 {
		t.Fatalf("frame rate %q", fps)
	}
	return num / den
}

func writeFrames(to io.Writer, frames, w, h int) error {
	frame := bytes.Repeat([]byte{128}, w*h*3/2)
	for n := range frames {
		code := counterCode(n)
		for y := range h {
			for x := range w {
				bit := y*4/h*4 + x*4/w
				frame[y*w+x] = dark
				if code>>(15-bit)&1 == 1 {
					frame[y*w+x] = bright
				}
			}
		}
		if _, err := to.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// ReadCounter reads the number that a gray frame of w x h shows; -1 for none.
func ReadCounter(gray []byte, w, h int) int {
	code := 0
	for bit := range 16 {
		// The middle of each block: its edges suffer from scaling.
		x0, x1 := (bit%4)*w/4+w/16, (bit%4+1)*w/4-w/16
		y0, y1 := (bit/4)*h/4+h/16, (bit/4+1)*h/4-h/16
		sum, n := 0, 0
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				sum += int(gray[y*w+x])
				n++
			}
		}
		code <<= 1
		if sum > n*(dark+bright)/2 {
			code |= 1
		}
	}
	if n := code >> 4; counterCode(n) == code {
		return n
	}
	return -1
}

// ReadFrames decodes the first video stream of a file, playlist or manifest
// that was made of a Counter clip and returns the number of each frame in the
// order of display; -1 for a frame that shows none.
func ReadFrames(t testing.TB, path string) []int {
	t.Helper()
	const side = 64
	// passthrough: every frame of the file, none doubled or dropped.
	raw, err := ffmpeg(t, "", nil, "-i", path, "-map", "0:v:0", "-vf", fmt.Sprintf("scale=%d:%d:flags=area,format=gray", side, side),
		"-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for frame := range slices.Chunk(raw, side*side) {
		if len(frame) == side*side {
			numbers = append(numbers, ReadCounter(frame, side, side))
		}
	}
	return numbers
}

// FrameTimes returns the presentation time of each frame of the first video stream, in
// seconds from the start of the file, in the order of display.
func FrameTimes(t testing.TB, path string) []float64 {
	t.Helper()
	out, err := exec.Command(FFmpeg(t, "ffprobe"), "-v", "error", "-select_streams", "v:0", "-print_format", "json",
		"-show_entries", "packet=pts_time,flags:format=start_time", path).Output()
	if err != nil {
		t.Fatalf("run ffprobe: %v", err)
	}
	var doc struct {
		Packets []struct {
			Time  string `json:"pts_time"`
			Flags string `json:"flags"`
		}
		Format struct {
			Start string `json:"start_time"`
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	start, _ := strconv.ParseFloat(doc.Format.Start, 64)
	var times []float64
	for _, p := range doc.Packets {
		if strings.Contains(p.Flags, "D") {
			continue // the edit list leaves it out: it is decoded, but not shown
		}
		at, err := strconv.ParseFloat(p.Time, 64)
		if err != nil {
			t.Fatalf("a packet without time in %s", path)
		}
		times = append(times, at-start)
	}
	slices.Sort(times)
	return times
}

// Beeps returns when each beep of the first audio stream begins, in seconds
// from the start of the file.
func Beeps(t testing.TB, path string) []float64 {
	t.Helper()
	return BeepsFrom(t, path, 0)
}

// BeepsFrom is Beeps for a file whose presentation begins start seconds after its first
// packet: players do not play the priming of the encoder.
func BeepsFrom(t testing.TB, path string, start float64) []float64 {
	t.Helper()
	const rate = 48000
	// aresample puts silence where the stream begins late or has a hole of 5 ms or more,
	// such as the one behind priming that a longer first packet stands for.
	args := []string{"-i", path}
	if strings.HasSuffix(path, ".mpd") || strings.HasSuffix(path, ".m3u8") {
		// ffmpeg 7 takes an edit list off fragmented MP4 by the number of samples that it
		// decodes: where a longer first packet stands for the priming, it takes off sound
		// (docs/decisions/0030-tracks-in-step-without-edit-lists.md). Its dash demuxer opens
		// each segment anew, and takes it off each of them. This leaves all where they are.
		args = append([]string{"-flags2", "+skip_manual"}, args...)
	}
	raw, err := ffmpeg(t, "", nil, append(args, "-map", "0:a:0", "-af", "aresample=async=1:min_hard_comp=0.005:first_pts=0", "-ac", "1", "-ar", strconv.Itoa(rate), "-f", "s16le", "pipe:1")...)
	if err != nil {
		t.Fatal(err)
	}
	samples := make([]int, len(raw)/2)
	peak := 0
	for i := range samples {
		v := int(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		samples[i] = max(v, -v)
		peak = max(peak, samples[i])
	}
	if peak < 1000 {
		return nil
	}
	var found []float64
	quiet := rate // samples since the last loud one
	for i, v := range samples {
		if v < peak/4 || float64(i) < start*rate {
			quiet++
			continue
		}
		if quiet > rate/20 {
			found = append(found, float64(i)/rate)
		}
		quiet = 0
	}
	return found
}
