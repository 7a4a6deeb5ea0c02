package join

import (
	"encoding/binary"
	"io"
	"iter"
)

// maxBox is the largest box that is read into memory, in bytes. The index of a
// fragment takes some 16 bytes a frame.
const maxBox = 16 << 20

// box is an MP4 box (ISO/IEC 14496-12 section 4.2).
type box struct {
	kind         string
	offset, size int64 // bytes, with the header
	header       int64 // bytes
}

// readBox reads the header of the box at offset.
func readBox(file io.ReaderAt, offset, size int64) (box, error) {
	h, err := readPart(file, offset, min(16, size-offset), 16, size)
	if err != nil {
		return box{}, err
	}
	if len(h) < 8 {
		return box{}, errDamaged
	}
	b := box{kind: string(h[4:8]), offset: offset, size: int64(binary.BigEndian.Uint32(h)), header: 8}
	switch {
	case b.size == 1 && len(h) == 16:
		b.size, b.header = int64(binary.BigEndian.Uint64(h[8:])), 16
	case b.size == 0:
		b.size = size - offset // it ends with the file
	}
	if b.size < b.header || b.size > size-offset {
		return box{}, errDamaged
	}
	return b, nil
}

// readMP4 reads the layout of a fragmented MP4 with one track. With frag_discont, FFmpeg
// writes the presentation time of the first frame as the decode time of the first fragment.
// So the composition offset of that frame is the delay of reordering, which an edit list
// takes off all frames. The presentation time of any frame is its decode time and its
// composition offset, less that delay.
func readMP4(file io.ReaderAt, size int64) (layout, error) {
	var l layout
	var scale, delay int64
	for at := int64(0); at < size; {
		b, err := readBox(file, at, size)
		if err != nil {
			return layout{}, err
		}
		at += b.size
		switch b.kind {
		case "ftyp", "moov":
			data, err := readPart(file, b.offset, b.size, maxBox, size)
			if err != nil {
				return layout{}, err
			}
			l.header = append(l.header, data...)
			if b.kind == "moov" {
				body := data[b.header:]
				scale, l.config = timescale(body), sampleEntry(body)
			}
		case "moof":
			data, err := readPart(file, b.offset, b.size, maxBox, size)
			if err != nil {
				return layout{}, err
			}
			decode, offset, ok := firstFrame(data[b.header:])
			if !ok || scale <= 0 {
				return layout{}, errDamaged
			}
			if len(l.parts) == 0 {
				delay = offset
			}
			l.parts = append(l.parts, part{offset: b.offset, size: b.size, time: float64(decode+offset-delay) / float64(scale)})
		case "mdat":
			if len(l.parts) == 0 {
				return layout{}, errDamaged
			}
			last := &l.parts[len(l.parts)-1]
			if last.offset+last.size != b.offset {
				return layout{}, errDamaged
			}
			last.size += b.size
		}
	}
	return l, nil
}

// child returns the body of the box with a path below data; nil if there is none.
func child(data []byte, path ...string) []byte {
	for _, kind := range path {
		data = find(data, kind)
	}
	return data
}

// find returns the body of the first box of a kind in data; nil if there is none.
func find(data []byte, kind string) []byte {
	for body := range boxes(data, kind) {
		return body
	}
	return nil
}

// boxes yields the bodies of all boxes of a kind in data.
func boxes(data []byte, kind string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(data) >= 8 {
			n := int64(binary.BigEndian.Uint32(data))
			if n < 8 || n > int64(len(data)) {
				return
			}
			if string(data[4:8]) == kind && !yield(data[8:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// timescale returns the ticks a second of the only track; 0 if they cannot be read.
func timescale(moov []byte) int64 { return timescaleOf(child(moov, "trak", "mdia")) }

// timescaleOf returns the ticks a second of a track by its media box (mdia).
func timescaleOf(mdia []byte) int64 {
	mdhd := find(mdia, "mdhd")
	at := 12 // version and flags, creation and modification time
	if len(mdhd) > 0 && mdhd[0] == 1 {
		at = 20
	}
	if len(mdhd) < at+4 {
		return 0
	}
	return int64(binary.BigEndian.Uint32(mdhd[at:]))
}

// sampleEntry returns the sample description, by which the track is decoded, without the box
// of its bitrate (btrt), which differs from chunk to chunk.
func sampleEntry(moov []byte) []byte {
	stsd := child(moov, "trak", "mdia", "minf", "stbl", "stsd")
	const fixed = 8 + 8 + 78 // counts, header of the entry, members of a VisualSampleEntry
	if len(stsd) < fixed {
		return nil
	}
	entry := append([]byte(nil), stsd[12:fixed]...)
	for rest := stsd[fixed:]; len(rest) >= 8; {
		n := int64(binary.BigEndian.Uint32(rest))
		if n < 8 || n > int64(len(rest)) {
			break
		}
		if string(rest[4:8]) != "btrt" {
			entry = append(entry, rest[:n]...)
		}
		rest = rest[n:]
	}
	return entry
}

// firstFrame returns the decode time and the composition offset of the first frame of a
// fragment, in ticks.
func firstFrame(moof []byte) (decode, offset int64, ok bool) {
	traf := find(moof, "traf")
	trun := find(traf, "trun")
	decode, ok = decodeTime(traf)
	if !ok || len(trun) < 8 {
		return 0, 0, false
	}
	// ISO/IEC 14496-12 section 8.8.8: flags say which members are there.
	flags := binary.BigEndian.Uint32(trun) & 0xffffff
	if flags&0x800 == 0 {
		return decode, 0, true
	}
	at := 8
	for _, member := range []uint32{0x1, 0x4, 0x100, 0x200, 0x400} {
		if flags&member != 0 {
			at += 4
		}
	}
	if len(trun) < at+4 {
		return 0, 0, false
	}
	return decode, int64(int32(binary.BigEndian.Uint32(trun[at:]))), true
}

// decodeTime returns the decode time of the first sample of a track in a fragment, in
// ticks.
func decodeTime(traf []byte) (ticks int64, ok bool) {
	tfdt := find(traf, "tfdt")
	switch {
	case len(tfdt) >= 12 && tfdt[0] == 1:
		return int64(binary.BigEndian.Uint64(tfdt[4:])), true
	case len(tfdt) >= 8 && tfdt[0] == 0:
		return int64(binary.BigEndian.Uint32(tfdt[4:])), true
	}
	return 0, false
}
