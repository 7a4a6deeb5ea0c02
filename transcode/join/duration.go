package join

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// File is a file that is changed in place.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// mehdSize is the size of the box of the duration in bytes, with times of 64 bits.
const mehdSize = 8 + 4 + 8

// WriteDuration writes how long a fragmented MP4 of size bytes lasts into its header
// (mehd, ISO/IEC 14496-12 section 8.8.2), which FFmpeg writes before it knows. All that
// follows moves by the size of that box. A file without fragments, or with the box, is
// left as it is.
func WriteDuration(file File, size int64) error {
	moov, at, err := movieHeader(file, size)
	if err != nil {
		return err
	}
	mvex := position(moov, "moov", "mvex")
	if mvex < 0 || find(moov[mvex+8:], "mehd") != nil {
		return nil
	}
	lasts, err := fragmentsEnd(file, size, moov[8:])
	if err != nil {
		return err
	}
	mehd := binary.BigEndian.AppendUint32(nil, mehdSize)
	mehd = append(mehd, "mehd\x01\x00\x00\x00"...)
	mehd = binary.BigEndian.AppendUint64(mehd, uint64(math.Round(lasts*float64(movieTimescale(moov[8:])))))
	end := at + int64(len(moov))
	if err := shift(file, end, size, mehdSize); err != nil {
		return err
	}
	if err := shiftIndex(file, size+mehdSize, mehdSize); err != nil {
		return err
	}
	grow(moov, mehdSize)
	grow(moov[mvex:], mehdSize)
	// The first in its place: it must precede the defaults of the tracks (trex).
	moov = append(moov[:mvex+8:mvex+8], append(mehd, moov[mvex+8:]...)...)
	_, err = file.WriteAt(moov, at)
	return err
}

// movieHeader reads the box with all that comes before the fragments, and its offset.
func movieHeader(file io.ReaderAt, size int64) (moov []byte, at int64, err error) {
	for at < size {
		b, err := readBox(file, at, size)
		if err != nil {
			return nil, 0, err
		}
		if b.kind == "moov" && b.header == 8 {
			moov, err = readPart(file, b.offset, b.size, maxBox, size)
			return moov, at, err
		}
		at += b.size
	}
	return nil, 0, errDamaged
}

// position is where the box with a path begins in data; -1: there is none.
func position(data []byte, path ...string) int {
	at := 0
	for i, kind := range path {
		for at+8 <= len(data) && string(data[at+4:at+8]) != kind {
			n := int(binary.BigEndian.Uint32(data[at:]))
			if n < 8 {
				return -1
			}
			at += n
		}
		if at+8 > len(data) {
			return -1
		}
		if i < len(path)-1 {
			at += 8
		}
	}
	return at
}

func grow(box []byte, by uint32) {
	binary.BigEndian.PutUint32(box, binary.BigEndian.Uint32(box)+by)
}

func movieTimescale(moov []byte) uint32 {
	mvhd, at := find(moov, "mvhd"), 12
	if len(mvhd) > 0 && mvhd[0] == 1 {
		at = 20
	}
	if len(mvhd) < at+4 {
		return 0
	}
	return binary.BigEndian.Uint32(mvhd[at:])
}

// track is what the header says of one track.
type track struct {
	scale    float64 // ticks a second
	start    float64 // of the presentation in seconds, less that of the media: by the edit list
	duration uint32  // of a sample in ticks, where a fragment does not say
}

// tracks reads the tracks of a header, by their numbers.
func tracks(moov []byte) (map[uint32]track, error) {
	all := map[uint32]track{}
	movie := float64(movieTimescale(moov))
	if movie == 0 {
		return nil, errDamaged
	}
	for trak := range boxes(moov, "trak") {
		tkhd, at := find(trak, "tkhd"), 12
		if len(tkhd) > 0 && tkhd[0] == 1 {
			at = 20
		}
		var t track
		scale := timescaleOf(find(trak, "mdia"))
		if len(tkhd) < at+4 || scale <= 0 {
			return nil, errDamaged
		}
		t.scale = float64(scale)
		t.start = editStart(child(trak, "edts", "elst"), movie, t.scale)
		all[binary.BigEndian.Uint32(tkhd[at:])] = t
	}
	for trex := range boxes(find(moov, "mvex"), "trex") {
		if len(trex) < 16 {
			return nil, errDamaged
		}
		id := binary.BigEndian.Uint32(trex[4:])
		t := all[id]
		t.duration = binary.BigEndian.Uint32(trex[12:])
		all[id] = t
	}
	return all, nil
}

// editStart is by how much an edit list moves a track, in seconds: empty edits make it
// late, and the first one that is not takes a beginning off.
func editStart(elst []byte, movie, media float64) float64 {
	start := 0.0
	if len(elst) < 8 {
		return 0
	}
	for list := elst[8:]; ; {
		var length, at int64
		switch {
		case elst[0] == 1 && len(list) >= 20:
			length, at, list = int64(binary.BigEndian.Uint64(list)), int64(binary.BigEndian.Uint64(list[8:])), list[20:]
		case elst[0] == 0 && len(list) >= 12:
			length, at, list = int64(binary.BigEndian.Uint32(list)), int64(int32(binary.BigEndian.Uint32(list[4:]))), list[12:]
		default:
			return start
		}
		if at >= 0 {
			return start - float64(at)/media
		}
		start += float64(length) / movie
	}
}

// fragmentsEnd is when the last sample of any track ends, in seconds of the presentation.
func fragmentsEnd(file io.ReaderAt, size int64, moov []byte) (float64, error) {
	known, err := tracks(moov)
	if err != nil {
		return 0, err
	}
	end := 0.0
	for at := int64(0); at < size; {
		b, err := readBox(file, at, size)
		if err != nil {
			return 0, err
		}
		at += b.size
		if b.kind != "moof" {
			continue
		}
		moof, err := readPart(file, b.offset, b.size, maxBox, size)
		if err != nil {
			return 0, err
		}
		for traf := range boxes(moof[b.header:], "traf") {
			tfhd := find(traf, "tfhd")
			if len(tfhd) < 8 {
				return 0, errDamaged
			}
			t, ok := known[binary.BigEndian.Uint32(tfhd[4:])]
			if !ok || t.scale == 0 {
				return 0, errDamaged
			}
			ticks, err := trackEnd(traf, tfhd, t.duration)
			if err != nil {
				return 0, err
			}
			end = max(end, float64(ticks)/t.scale+t.start)
		}
	}
	return end, nil
}

// trackEnd is when the last of the samples of a fragment ends, as they are shown, in
// ticks of the media. ISO/IEC 14496-12 sections 8.8.7 and 8.8.8.
func trackEnd(traf, tfhd []byte, duration uint32) (int64, error) {
	flags := binary.BigEndian.Uint32(tfhd) & 0xffffff
	if flags&0x1 != 0 {
		return 0, errDamaged // places counted from the start of the file would be wrong after it has moved
	}
	if at := 8 + 4*int(flags>>1&1); flags&0x8 != 0 && len(tfhd) >= at+4 {
		duration = binary.BigEndian.Uint32(tfhd[at:])
	}
	now, ok := decodeTime(traf)
	if !ok {
		return 0, errDamaged
	}
	end := now
	for trun := range boxes(traf, "trun") {
		if len(trun) < 8 {
			return 0, errDamaged
		}
		flags, count := binary.BigEndian.Uint32(trun)&0xffffff, int(binary.BigEndian.Uint32(trun[4:]))
		samples := trun[8:]
		skip := 4*int(flags&1) + 4*int(flags>>2&1)
		width := 4 * int(flags>>8&1+flags>>9&1+flags>>10&1+flags>>11&1)
		if len(samples) < skip || width > 0 && (len(samples)-skip)/width < count {
			return 0, errDamaged
		}
		samples = samples[skip:]
		if width == 0 {
			now += int64(count) * int64(duration)
			end = max(end, now)
			continue
		}
		for ; count > 0; count, samples = count-1, samples[width:] {
			lasts, offset := duration, int64(0)
			if flags&0x100 != 0 {
				lasts = binary.BigEndian.Uint32(samples)
			}
			if flags&0x800 != 0 {
				offset = int64(int32(binary.BigEndian.Uint32(samples[width-4:])))
			}
			now += int64(lasts)
			end = max(end, now+offset)
		}
	}
	return end, nil
}

// shift moves the bytes from an offset up to size by some bytes towards the end.
func shift(file File, from, size, by int64) error {
	block := make([]byte, 1<<20)
	for size > from {
		n := min(int64(len(block)), size-from)
		if _, err := file.ReadAt(block[:n], size-n); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := file.WriteAt(block[:n], size-n+by); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// shiftIndex brings the index at the end (mfra, ISO/IEC 14496-12 section 8.8.9), which
// counts from the start of the file, into line with fragments that have moved.
func shiftIndex(file File, size, by int64) error {
	tail, err := readPart(file, size-4, 4, 4, size)
	if err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint32(tail))
	if n < 16 || n > size {
		return nil
	}
	mfra, err := readPart(file, size-n, n, maxBox, size)
	if err != nil || string(mfra[4:8]) != "mfra" {
		return err
	}
	for tfra := range boxes(mfra[8:], "tfra") {
		if len(tfra) < 16 {
			return errDamaged
		}
		lengths, count, place := binary.BigEndian.Uint32(tfra[8:]), int(binary.BigEndian.Uint32(tfra[12:])), 4
		if tfra[0] == 1 {
			place = 8
		}
		width := 2*place + int(lengths>>4&3+1) + int(lengths>>2&3+1) + int(lengths&3+1)
		entries := tfra[16:]
		if len(entries)/width < count {
			return errDamaged
		}
		for ; count > 0; count, entries = count-1, entries[width:] {
			if place == 8 {
				binary.BigEndian.PutUint64(entries[8:], binary.BigEndian.Uint64(entries[8:])+uint64(by))
			} else {
				binary.BigEndian.PutUint32(entries[4:], binary.BigEndian.Uint32(entries[4:])+uint32(by))
			}
		}
	}
	_, err = file.WriteAt(mfra, size-n)
	return err
}
