package transcode

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Animation is what an animated WebP holds.
type Animation struct {
	Width, Height int
	Frames        int
	Duration      float64 // seconds
}

// ReadAnimation reads the chunks of an animated WebP. The error says that it is
// not one, or that it is damaged. The container is described in Google's "WebP
// Container Specification".
func ReadAnimation(r io.ReaderAt, size int64) (Animation, error) {
	var a Animation
	var head [24]byte
	if _, err := r.ReadAt(head[:12], 0); err != nil || string(head[:4]) != "RIFF" || string(head[8:12]) != "WEBP" {
		return a, fmt.Errorf("read animation: it is not a WebP")
	}
	if want := int64(binary.LittleEndian.Uint32(head[4:])) + 8; want > size {
		return a, fmt.Errorf("read animation: it ends after %d of %d bytes", size, want)
	}
	var ms int64
	for at := int64(12); at+8 <= size; {
		if _, err := r.ReadAt(head[:8], at); err != nil {
			return a, fmt.Errorf("read animation: %w", err)
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		kind := string(head[:4])
		if at+8+length > size {
			return a, fmt.Errorf("read animation: the chunk %q is cut off", kind)
		}
		if (kind == "VP8X" && length >= 10) || (kind == "ANMF" && length >= 16) {
			n := min(16, length)
			if _, err := r.ReadAt(head[8:8+n], at+8); err != nil {
				return a, fmt.Errorf("read animation: %w", err)
			}
			switch kind {
			case "VP8X":
				a.Width, a.Height = int(uint24(head[12:]))+1, int(uint24(head[15:]))+1
			case "ANMF":
				a.Frames++
				ms += uint24(head[20:])
			}
		}
		at += 8 + length + length%2
	}
	if a.Frames == 0 {
		return a, fmt.Errorf("read animation: it has no frames")
	}
	a.Duration = float64(ms) / 1000
	return a, nil
}

func uint24(b []byte) int64 { return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 }
