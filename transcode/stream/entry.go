package stream

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// sampleEntry reads one entry of stsd.
func (in *initSegment) sampleEntry(b box) error {
	if fixed := map[string]int{"encv": videoEntrySize, "enca": audioEntrySize}[b.kind]; fixed > 0 && len(b.data) > fixed {
		if err := in.protectedEntry(&b, b.data[fixed:]); err != nil {
			return err
		}
	}
	switch in.handler {
	case "vide":
		return in.videoEntry(b)
	case "soun":
		return in.audioEntry(b)
	}
	return fmt.Errorf("the handler %q is neither video nor audio", in.handler)
}

// The sizes of sample entries without the boxes in them.
const videoEntrySize, audioEntrySize = 78, 28

// protectedEntry gives an encrypted entry its kind before encryption, and takes
// the id of its key (ISO/IEC 14496-12 section 8.12, ISO/IEC 23001-7 section 8.2).
func (in *initSegment) protectedEntry(b *box, ext []byte) error {
	frma, tenc := child(ext, "sinf", "frma"), child(ext, "sinf", "schi", "tenc")
	if len(frma) != 4 || len(tenc) < 24 {
		return fmt.Errorf("the sample entry %q does not say how it is encrypted", b.kind)
	}
	b.kind, in.keyID = string(frma), hex.EncodeToString(tenc[8:24])
	return nil
}

func (in *initSegment) videoEntry(b box) error {
	if len(b.data) < videoEntrySize {
		return errors.New("the sample entry is cut off")
	}
	ext := b.data[videoEntrySize:]
	v, err := videoCodec(b.kind, ext)
	if err != nil {
		return err
	}
	v.width, v.height = int(field(b.data, 24, 2)), int(field(b.data, 26, 2))
	if pasp := child(ext, "pasp"); len(pasp) >= 8 {
		v.sarNum, v.sarDen = int(field(pasp, 0, 4)), int(field(pasp, 4, 4))
	}
	if colr := child(ext, "colr"); len(colr) >= 10 && string(colr[:4]) == "nclx" {
		v.primaries, v.transfer, v.matrix = int(field(colr, 4, 2)), int(field(colr, 6, 2)), int(field(colr, 8, 2))
	}
	in.video = v
	return nil
}

// videoCodec reads the decoder configuration.
func videoCodec(kind string, ext []byte) (*videoConfig, error) {
	short := fmt.Errorf("the decoder configuration of %q is not complete", kind)
	switch kind {
	case "avc1":
		c := child(ext, "avcC")
		if len(c) < 8 || c[5]&31 == 0 || len(c) < 8+int(field(c, 6, 2)) {
			return nil, short
		}
		v, err := parseH264SPS(c[8 : 8+int(field(c, 6, 2))])
		if err != nil {
			return nil, err
		}
		v.codec = fmt.Sprintf("avc1.%02x%02x%02x", c[1], c[2], c[3])
		return v, nil
	case "hvc1":
		c := child(ext, "hvcC")
		sps := hvccSPS(c)
		if sps == nil {
			return nil, short
		}
		v, err := parseHEVCSPS(sps)
		if err != nil {
			return nil, err
		}
		var p hevcProfile
		p.read(&bitReader{data: c[1:]})
		v.codec = p.codec()
		return v, nil
	case "avc3", "hev1", "dvhe":
		return nil, fmt.Errorf("the sample entry %q keeps parameter sets in the frames; avc1 or hvc1 is wanted", kind)
	case "vp09":
		c := child(ext, "vpcC")
		if len(c) < 10 {
			return nil, short
		}
		return &videoConfig{
			codec:     fmt.Sprintf("vp09.%02d.%02d.%02d", c[4], c[5], c[6]>>4),
			primaries: int(c[7]), transfer: int(c[8]), matrix: int(c[9]),
		}, nil
	case "av01":
		c := child(ext, "av1C")
		if len(c) < 4 {
			return nil, short
		}
		tier, depth := "M", 8
		if c[2]&0x80 != 0 {
			tier = "H"
		}
		switch c[2] >> 5 & 3 {
		case 2:
			depth = 10
		case 3:
			depth = 12
		}
		return &videoConfig{codec: fmt.Sprintf("av01.%d.%02d%s.%02d", c[1]>>5, c[1]&31, tier, depth)}, nil
	}
	return nil, fmt.Errorf("the sample entry %q is not supported", kind)
}

// hvccSPS finds the first sequence parameter set of an hvcC; nil: none.
func hvccSPS(c []byte) []byte {
	if len(c) < 23 {
		return nil
	}
	at := 23
	for range int(c[22]) {
		kind, n := field(c, at, 1)&63, int(field(c, at+1, 2))
		at += 3
		for range n {
			size := int(field(c, at, 2))
			at += 2
			if at+size > len(c) {
				return nil
			}
			if kind == 33 {
				return c[at : at+size]
			}
			at += size
		}
	}
	return nil
}

func (in *initSegment) audioEntry(b box) error {
	if len(b.data) < audioEntrySize {
		return errors.New("the sample entry is cut off")
	}
	a := &audioConfig{channels: int(field(b.data, 16, 2)), sampleRate: int(field(b.data, 24, 2))}
	ext := b.data[audioEntrySize:]
	switch b.kind {
	case "mp4a":
		if err := a.readESDS(child(ext, "esds")); err != nil {
			return err
		}
	case "ac-3":
		a.codec = b.kind
		a.readDAC3(child(ext, "dac3"))
	case "ec-3":
		a.codec = b.kind
		a.readDEC3(child(ext, "dec3"))
	case "fLaC":
		a.codec = b.kind
	case "Opus":
		a.codec = "opus"
	default:
		return fmt.Errorf("the sample entry %q is not supported", b.kind)
	}
	in.audio = a
	return nil
}

// readDAC3 reads how many channels AC-3 has: the sample entry says 2 whatever they are
// (ETSI TS 102 366 annex F.4).
func (a *audioConfig) readDAC3(dac3 []byte) {
	if len(dac3) < 3 {
		return
	}
	// fscod 2, bsid 5, bsmod 3, acmod 3, lfeon 1
	bits := field(dac3, 0, 3)
	a.channels = dolbyChannels(bits >> 10)
}

// readDEC3 reads how many channels the first substream of E-AC-3 has (annex F.6).
func (a *audioConfig) readDEC3(dec3 []byte) {
	if len(dec3) < 4 {
		return
	}
	// data_rate 13, num_ind_sub 3; fscod 2, bsid 5, reserved 1, asvc 1, bsmod 3, acmod 3, lfeon 1
	a.channels = dolbyChannels(field(dec3, 2, 2))
}

// dolbyChannels is how many channels acmod and, in the last bit, lfeon say.
func dolbyChannels(bits uint64) int {
	return [...]int{2, 1, 2, 3, 3, 4, 4, 5}[bits>>1&7] + int(bits&1)
}

// readESDS reads the elementary stream descriptor of MPEG-4 audio.
func (a *audioConfig) readESDS(esds []byte) error {
	short := errors.New("the esds box is not complete")
	if len(esds) < 4 {
		return short
	}
	es := descriptor(esds[4:], 3)
	if len(es) < 3 {
		return short
	}
	skip := 3
	if es[2]&0x80 != 0 {
		skip += 2
	}
	if es[2]&0x40 != 0 {
		skip += 1 + int(field(es, skip, 1))
	}
	if es[2]&0x20 != 0 {
		skip += 2
	}
	if skip > len(es) {
		return short
	}
	config := descriptor(es[skip:], 4)
	if len(config) < 13 {
		return short
	}
	if config[0] != 0x40 {
		a.codec = fmt.Sprintf("mp4a.%02X", config[0])
		return nil
	}
	r := &bitReader{data: descriptor(config[13:], 5)}
	object := r.u(5)
	if object == 31 {
		object = 32 + r.u(6)
	}
	if i := r.u(4); i == 15 {
		a.sampleRate = int(r.u(24))
	} else if int(i) < len(adtsRates) {
		a.sampleRate = adtsRates[i]
	}
	switch c := int(r.u(4)); c {
	case 0: // described by a program config element; keep the entry's number
	case 7:
		a.channels = 8
	default:
		a.channels = c
	}
	if r.short {
		return short
	}
	a.codec = fmt.Sprintf("mp4a.40.%d", object)
	return nil
}

// descriptor finds a descriptor of MPEG-4 systems by its tag.
func descriptor(b []byte, tag byte) []byte {
	for len(b) >= 2 {
		t, size, at := b[0], 0, 1
		for at < len(b) {
			c := b[at]
			at++
			size = size<<7 | int(c&0x7f)
			if c&0x80 == 0 || at > 4 {
				break
			}
		}
		if size > len(b)-at {
			return nil
		}
		if t == tag {
			return b[at : at+size]
		}
		b = b[at+size:]
	}
	return nil
}
