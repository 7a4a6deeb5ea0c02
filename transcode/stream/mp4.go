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

// fragment is a moof with its mdat.
type fragment struct {
	off     int64 // of the moof
	dataEnd int64 // end of the first sample, 0 when it does not follow the moof
	tfdt    int64
	samples []sample
}

// sample is one frame; times in ticks.
type sample struct {
	duration uint32
	cts      int32
	sync     bool
}

// parseFragments reads a media segment.
func (in *initSegment) parseFragments(data []byte) ([]fragment, error) {
	var frags []fragment
	var mdat bool
	err := boxes(data, 0, func(b box) error {
		switch b.kind {
		case "moof":
			f, err := in.moof(b)
			if err != nil {
				return err
			}
			frags, mdat = append(frags, f), false
		case "mdat":
			if len(frags) == 0 || mdat {
				return errors.New("an mdat box has no moof")
			}
			mdat = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(frags) == 0 || !mdat {
		return nil, errors.New("there is no media in it")
	}
	for _, f := range frags {
		if f.dataEnd > int64(len(data)) {
			return nil, errors.New("its media is cut off")
		}
	}
	return frags, nil
}

func (in *initSegment) moof(b box) (fragment, error) {
	f := fragment{off: b.off}
	traf := child(b.data, "traf")
	tfhd, tfdt := child(traf, "tfhd"), child(traf, "tfdt")
	if len(tfhd) < 8 || len(tfdt) < 8 {
		return f, errors.New("a moof box is not complete")
	}
	if tfdt[0] == 1 {
		f.tfdt = int64(field(tfdt, 4, 8))
	} else {
		f.tfdt = int64(field(tfdt, 4, 4))
	}
	if f.tfdt < 0 {
		return f, errors.New("its decode time is negative")
	}
	def := *in
	flags, at := field(tfhd, 0, 4)&0xffffff, 8
	for _, o := range []struct {
		flag uint64
		n    int
		to   *uint32
	}{{1, 8, nil}, {2, 4, nil}, {8, 4, &def.duration}, {0x10, 4, &def.size}, {0x20, 4, &def.flags}} {
		if flags&o.flag == 0 {
			continue
		}
		if o.to != nil {
			*o.to = uint32(field(tfhd, at, o.n))
		}
		at += o.n
	}
	err := boxes(traf, 0, func(t box) error {
		if t.kind != "trun" {
			return nil
		}
		return def.trun(t.data, &f, b)
	})
	if err == nil && len(f.samples) == 0 {
		err = errors.New("a moof box has no samples")
	}
	return f, err
}

// maxSamples bounds the samples of one run, against broken files.
const maxSamples = 1 << 20

// trun reads a run of samples, with the receiver's defaults.
func (in *initSegment) trun(d []byte, f *fragment, moof box) error {
	if len(d) < 8 {
		return errors.New("a trun box is cut off")
	}
	flags, n, at := field(d, 0, 4)&0xffffff, int(field(d, 4, 4)), 8
	first := len(f.samples) == 0
	var dataOffset int64
	if flags&1 != 0 {
		dataOffset = int64(int32(field(d, at, 4)))
		at += 4
	}
	firstFlags := in.flags
	if flags&4 != 0 {
		firstFlags = uint32(field(d, at, 4))
		at += 4
	}
	step := 0
	for _, bit := range []uint64{0x100, 0x200, 0x400, 0x800} {
		if flags&bit != 0 {
			step += 4
		}
	}
	// A run of equal samples, such as silence, has no fields at all; no segment
	// has so many.
	if n > maxSamples || at+n*step > len(d) {
		return errors.New("a trun box is cut off")
	}
	for i := range n {
		s := sample{duration: in.duration}
		size, sampleFlags := in.size, in.flags
		if i == 0 && flags&4 != 0 {
			sampleFlags = firstFlags
		}
		next := func() uint32 {
			at += 4
			return uint32(field(d, at-4, 4))
		}
		if flags&0x100 != 0 {
			s.duration = next()
		}
		if flags&0x200 != 0 {
			size = next()
		}
		if flags&0x400 != 0 {
			sampleFlags = next()
		}
		if flags&0x800 != 0 {
			s.cts = int32(next())
		}
		s.sync = sampleFlags&0x10000 == 0
		if first && i == 0 && dataOffset >= moof.size {
			f.dataEnd = moof.off + dataOffset + int64(size)
		}
		f.samples = append(f.samples, s)
	}
	return nil
}
