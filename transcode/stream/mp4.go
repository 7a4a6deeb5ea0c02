package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// initSegment is what init.mp4 says of its one track.
type initSegment struct {
	timescale int64
	handler   string // "vide", "soun"
	video     *videoConfig
	audio     *audioConfig
	keyID     string // 32 hexadecimal digits; "": it is clear
	// offset is the edit list in ticks: what to add to decode times to get times
	// of the presentation.
	offset int64
	// Defaults of trex.
	duration, size, flags uint32
}

// box is one box of ISO/IEC 14496-12.
type box struct {
	kind string
	off  int64 // of its first byte
	size int64
	data []byte // without the header
}

// boxes calls yield for each box in data, which starts at offset off.
func boxes(data []byte, off int64, yield func(box) error) error {
	for len(data) > 0 {
		if len(data) < 8 {
			return errors.New("a box is cut off")
		}
		size, header := uint64(binary.BigEndian.Uint32(data)), 8
		switch {
		case size == 1 && len(data) >= 16:
			size, header = binary.BigEndian.Uint64(data[8:]), 16
		case size == 0:
			size = uint64(len(data))
		}
		kind := string(data[4:8])
		if size < uint64(header) || size > uint64(len(data)) {
			return fmt.Errorf("box %q is cut off", kind)
		}
		b := box{kind: kind, off: off, size: int64(size), data: data[header:size]}
		if err := yield(b); err != nil {
			return err
		}
		data, off = data[size:], off+int64(size)
	}
	return nil
}

// child finds a descendant by its path; nil when there is none.
func child(data []byte, path ...string) []byte {
	for _, kind := range path {
		var found []byte
		// An error after the box does not matter here.
		_ = boxes(data, 0, func(b box) error {
			if b.kind == kind && found == nil {
				found = b.data
			}
			return nil
		})
		if found == nil {
			return nil
		}
		data = found
	}
	return data
}

// field reads a big-endian number of n bytes; 0 beyond the end.
func field(b []byte, off, n int) uint64 {
	if off < 0 || off+n > len(b) {
		return 0
	}
	var v uint64
	for _, c := range b[off : off+n] {
		v = v<<8 | uint64(c)
	}
	return v
}

// parseInit reads an init segment.
func parseInit(data []byte) (*initSegment, error) {
	moov := child(data, "moov")
	if moov == nil {
		return nil, errors.New("there is no moov box")
	}
	var traks [][]byte
	if err := boxes(moov, 0, func(b box) error {
		if b.kind == "trak" {
			traks = append(traks, b.data)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if len(traks) != 1 {
		return nil, fmt.Errorf("there are %d tracks and not one", len(traks))
	}
	trak := traks[0]
	mdhd, hdlr := child(trak, "mdia", "mdhd"), child(trak, "mdia", "hdlr")
	stsd := child(trak, "mdia", "minf", "stbl", "stsd")
	trex := child(moov, "mvex", "trex")
	if len(mdhd) < 20 || len(hdlr) < 12 || len(stsd) < 16 || len(trex) < 24 {
		return nil, errors.New("its boxes are not complete")
	}
	in := &initSegment{
		timescale: int64(field(mdhd, 12, 4)),
		handler:   string(hdlr[8:12]),
		duration:  uint32(field(trex, 12, 4)),
		size:      uint32(field(trex, 16, 4)),
		flags:     uint32(field(trex, 20, 4)),
	}
	if mdhd[0] == 1 {
		in.timescale = int64(field(mdhd, 20, 4))
	}
	if in.timescale == 0 {
		return nil, errors.New("the time scale is zero")
	}
	mvhd := child(moov, "mvhd")
	movie := int64(field(mvhd, 12, 4))
	if len(mvhd) > 0 && mvhd[0] == 1 {
		movie = int64(field(mvhd, 20, 4))
	}
	if err := in.readEdits(child(trak, "edts", "elst"), movie); err != nil {
		return nil, err
	}
	err := boxes(stsd[8:], 0, func(b box) error {
		if in.video != nil || in.audio != nil {
			return nil
		}
		return in.sampleEntry(b)
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// maxDelay is how late an edit list may start a track, in seconds. It is below
// the offset between audio and video that viewers notice.
const maxDelay = 0.02

// readEdits turns the edit list into one offset: the first edit tells where in
// the media its presentation starts. An empty edit delays the track; browsers
// ignore it, so it is refused.
func (in *initSegment) readEdits(elst []byte, movieScale int64) error {
	if len(elst) < 8 {
		return nil
	}
	step, half := 12, 4
	if elst[0] == 1 {
		step, half = 20, 8
	}
	for i := range int(field(elst, 4, 4)) {
		e := 8 + i*step
		if e+step > len(elst) {
			return errors.New("the edit list is cut off")
		}
		mediaTime := int64(field(elst, e+half, half))
		if half == 4 {
			mediaTime = int64(int32(mediaTime))
		}
		if mediaTime >= 0 {
			in.offset = -mediaTime
			return nil
		}
		if delay := float64(field(elst, e, half)) / float64(max(movieScale, 1)); delay > maxDelay {
			return fmt.Errorf("an edit list delays the track by %.3f s, which browsers ignore; it has to start at zero", delay)
		}
	}
	return nil
}
