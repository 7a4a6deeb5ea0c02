package stream

import (
	"errors"
)

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
