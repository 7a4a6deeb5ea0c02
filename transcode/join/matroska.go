package join

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// The ids of the elements of Matroska that are read (RFC 9559 section 5.1).
const (
	idEBML      = 0x1a45dfa3
	idSegment   = 0x18538067
	idInfo      = 0x1549a966
	idTracks    = 0x1654ae6b
	idCluster   = 0x1f43b675
	idTimestamp = 0xe7
	idCRC       = 0xbf // RFC 8794 section 11.3.1
)

// unknownSize is the size of a segment that ends with the file (RFC 8794 section 6.2). So
// the size of the whole need not be known when its header is written.
var unknownSize = []byte{0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// element is the header of an EBML element (RFC 8794 section 6).
type element struct {
	id     uint64
	header int64 // bytes of id and size
	size   int64 // bytes of the body
}

// readElement reads the header of the element at an offset.
func readElement(file io.ReaderAt, offset, size int64) (element, error) {
	h, err := readPart(file, offset, min(12, size-offset), 12, size)
	if err != nil {
		return element{}, err
	}
	id, n, ok := variable(h, true)
	if !ok {
		return element{}, errDamaged
	}
	length, m, ok := variable(h[n:], false)
	if !ok || int64(length) < 0 || offset+int64(n+m)+int64(length) > size {
		return element{}, errDamaged
	}
	return element{id: id, header: int64(n + m), size: int64(length)}, nil
}

// variable reads an integer of variable size, of n bytes (RFC 8794 section 4). marked keeps
// the marker bit, which is part of an id.
func variable(b []byte, marked bool) (value uint64, n int, ok bool) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0, false
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if len(b) < n {
		return 0, 0, false
	}
	var buf [8]byte
	copy(buf[8-n:], b[:n])
	value = binary.BigEndian.Uint64(buf[:])
	if !marked {
		value &^= 1 << (7 * n)
	}
	return value, n, true
}

// readMatroska reads the layout of a Matroska file that has a cluster for each frame, with
// times in milliseconds, as FFmpeg writes them.
func readMatroska(file io.ReaderAt, size int64) (layout, error) {
	var l layout
	for at := int64(0); at < size; {
		e, err := readElement(file, at, size)
		if err != nil {
			return layout{}, err
		}
		whole := e.header + e.size
		switch e.id {
		case idSegment:
			l.header = append(l.header, 0x18, 0x53, 0x80, 0x67)
			l.header = append(l.header, unknownSize...)
			whole = e.header // the next element is the first one inside
		case idEBML, idInfo, idTracks:
			data, err := readPart(file, at, whole, maxBox, size)
			if err != nil {
				return layout{}, err
			}
			l.header = append(l.header, data...)
		case idCluster:
			ms, err := clusterTime(file, at+e.header, size)
			if err != nil {
				return layout{}, err
			}
			l.parts = append(l.parts, part{offset: at, size: whole, time: float64(ms) / 1000})
		}
		at += whole
	}
	return l, nil
}

// clusterTime reads the time of a cluster, whose body is at an offset. Only a checksum may
// come before it.
func clusterTime(file io.ReaderAt, at, size int64) (uint64, error) {
	e, err := readElement(file, at, size)
	if err == nil && e.id == idCRC {
		at += e.header + e.size
		e, err = readElement(file, at, size)
	}
	if err != nil {
		return 0, err
	}
	if e.id != idTimestamp {
		return 0, errDamaged
	}
	data, err := readPart(file, at+e.header, e.size, 8, size)
	if err != nil {
		return 0, err
	}
	value := uint64(0)
	for _, b := range data {
		value = value<<8 | uint64(b)
	}
	return value, nil
}
