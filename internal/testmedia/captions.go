package testmedia

import (
	"bytes"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"testing"
)

// ClosedCaptions makes an MP4 of H.264 at 30 frames a second without B-frames, whose pictures
// carry a pop-on caption of CEA-608 in channel CC1 (ATSC A/53 part 4, clause 6.2.3): the text,
// an even number of letters, comes to the screen at second 2.
func ClosedCaptions(t testing.TB, seconds int, text string) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := ffmpeg(t, dir, nil, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=160x90:r=30:d=%d", seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "30", "-pix_fmt", "yuv420p", "-f", "h264", "pipe:1")
	if err != nil {
		t.Fatal(err)
	}
	// Control codes are sent twice: resume caption loading, a row, the text, end of caption.
	pairs := []string{"\x14\x20", "\x14\x20", "\x14\x70", "\x14\x70"}
	for i := 0; i < len(text); i += 2 {
		pairs = append(pairs, text[i:i+2])
	}
	out, frame := bytes.Buffer{}, 0
	for _, unit := range bytes.Split(raw, []byte{0, 0, 1})[1:] {
		unit = bytes.TrimRight(unit, "\x00")
		if kind := unit[0] & 31; kind == 1 || kind == 5 {
			pair := "\x00\x00"
			switch {
			case frame >= 60 && frame < 62:
				pair = "\x14\x2f"
			case frame < len(pairs):
				pair = pairs[frame]
			}
			out.Write(captionUnit(pair))
			frame++
		}
		out.Write([]byte{0, 0, 0, 1})
		out.Write(unit)
	}
	if err := os.WriteFile(filepath.Join(dir, "cc.h264"), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ffmpeg(t, dir, nil, "-r", "30", "-i", "cc.h264", "-c", "copy", "cc.mp4"); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "cc.mp4")
}

// captionUnit is a NAL unit with one pair of bytes, to which their parity is added.
func captionUnit(pair string) []byte {
	odd := func(b byte) byte {
		if bits.OnesCount8(b)%2 == 0 {
			return b | 0x80
		}
		return b
	}
	payload := append([]byte{0xb5, 0, 0x31}, "GA94\x03\xc1\xff\xfc"...)
	payload = append(payload, odd(pair[0]), odd(pair[1]), 0xff)
	unit := append([]byte{6, 4, byte(len(payload))}, payload...)
	return append([]byte{0, 0, 0, 1}, append(unit, 0x80)...) // three zeros in a row do not come
}
