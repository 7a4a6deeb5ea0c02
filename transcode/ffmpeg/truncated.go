package ffmpeg

import (
	"context"
	"encoding/binary"
	"math/bits"
	"strings"
)

// truncated reports whether a file of size bytes, of what ffprobe calls formatName, lacks
// more than 2 % of what its head says that it has. ffprobe finds no fault in such a file,
// and ffmpeg encodes what there is. It is false where the head does not say it.
func (in probeSource) truncated(ctx context.Context, formatName string, size int64) bool {
	switch {
	case size <= 0: // unknown
		return false
	case strings.HasPrefix(formatName, "mov,"):
		return in.truncatedMP4(ctx, size)
	case strings.HasPrefix(formatName, "matroska,"):
		return in.truncatedMatroska(ctx, size)
	}
	return false
}

// lacks reports whether a part of length bytes that begins at off is cut by the end of a
// file of size bytes.
func lacks(off, length, size int64) bool { return off+length-size > length/50 }

// truncatedMP4 looks for media (ISO/IEC 14496-12, box mdat) that is cut. Where the index
// is behind it there is no file to probe.
func (in probeSource) truncatedMP4(ctx context.Context, size int64) bool {
	var off int64
	for range 32 { // a fragmented file has many more boxes, and ffprobe finds its end
		b, err := in.read(ctx, off, 16)
		if err != nil || len(b) < 16 {
			return false
		}
		length := int64(binary.BigEndian.Uint32(b))
		if length == 1 {
			length = int64(binary.BigEndian.Uint64(b[8:]))
		}
		if length < 8 || length > 1<<50 { // 0: the box ends with the file
			return false
		}
		if off+length > size {
			return string(b[4:8]) == "mdat" && lacks(off, length, size)
		}
		off += length
	}
	return false
}

// truncatedMatroska compares the size of the Segment, which is what comes behind the EBML
// header (RFC 8794 section 6, RFC 9559 section 5.1). A live recording has none.
func (in probeSource) truncatedMatroska(ctx context.Context, size int64) bool {
	const ebml, segment = 0x1A45DFA3, 0x18538067
	var off int64
	for _, id := range []uint32{ebml, segment} {
		b, err := in.read(ctx, off, 12)
		if err != nil || len(b) < 12 || binary.BigEndian.Uint32(b) != id {
			return false
		}
		length, width, ok := ebmlSize(b[4:])
		if !ok {
			return false
		}
		off += 4 + int64(width)
		if id == segment {
			return lacks(off, length, size)
		}
		off += length
	}
	return false
}

// ebmlSize reads the size of an EBML element and how many bytes say it: as many zeros as
// come before the first one are how many more there are (RFC 8794 section 4). It is not ok
// where the size is said to be unknown, by ones alone.
func ebmlSize(b []byte) (size int64, width int, ok bool) {
	width = bits.LeadingZeros8(b[0]) + 1
	if width > 8 || len(b) < width {
		return 0, 0, false
	}
	n, all := uint64(b[0])&(1<<(8-width)-1), uint64(1)<<(7*width)-1
	for _, c := range b[1:width] {
		n = n<<8 | uint64(c)
	}
	return int64(n), width, n != all && n < 1<<50
}
