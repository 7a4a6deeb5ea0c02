package stream

import (
	"errors"
	"fmt"
)

const tsPacket = 188

// tsClock is the clock of PTS and DTS.
const tsClock = 90000

// The stream types of a PMT that segments may carry.
const (
	tsH264 = 0x1b
	tsHEVC = 0x24
	tsAAC  = 0x0f
)

// tsReader reads the segments of one track one after the other. It keeps what
// continues from segment to segment: continuity counters, unwrapped timestamps.
type tsReader struct {
	counters map[int]byte // by PID, of the last packet with payload
	last     int64        // last timestamp, to unwrap the 33 bits
	video    *videoConfig
	audio    *audioConfig
}

// tsPicture is one access unit of video.
type tsPicture struct {
	pts      int64
	key      bool  // can be decoded on its own
	off, end int64 // of its packets in the segment
}

// tsSegment is what a segment carries, times in ticks of tsClock.
type tsSegment struct {
	pictures   []tsPicture
	audio      int // access units
	audioStart int64
	audioEnd   int64
}

// pes is an elementary stream packet that is being collected.
type pes struct {
	open     bool
	off, end int64
	data     []byte
}

// tsParse is the work on one segment.
type tsParse struct {
	*tsReader
	seg   tsSegment
	pmt   int         // PID; -1: not seen
	types map[int]int // stream type by PID
	parts map[int]*pes
	pids  []int // of types, in PMT order
}

// read parses a whole segment.
func (t *tsReader) read(data []byte) (tsSegment, error) {
	if len(data) == 0 || len(data)%tsPacket != 0 {
		return tsSegment{}, fmt.Errorf("its %d bytes are no whole number of 188 byte packets", len(data))
	}
	if t.counters == nil {
		t.counters = map[int]byte{}
	}
	p := &tsParse{tsReader: t, pmt: -1, types: map[int]int{}, parts: map[int]*pes{}}
	for off := 0; off < len(data); off += tsPacket {
		if err := p.packet(data[off:off+tsPacket], int64(off)); err != nil {
			return tsSegment{}, fmt.Errorf("packet %d: %w", off/tsPacket, err)
		}
	}
	for _, pid := range p.pids {
		if err := p.finish(pid); err != nil {
			return tsSegment{}, err
		}
	}
	return p.seg, nil
}

func (p *tsParse) packet(b []byte, off int64) error {
	if b[0] != 0x47 {
		return errors.New("the sync byte is missing")
	}
	start := b[1]&0x40 != 0
	pid := int(b[1]&0x1f)<<8 | int(b[2])
	control := b[3] >> 4 & 3
	if pid == 0x1fff || control&1 == 0 { // stuffing, or no payload
		return nil
	}
	payload := b[4:]
	if control&2 != 0 {
		n := int(payload[0]) + 1
		if n > len(payload) {
			return errors.New("the adaptation field is too long")
		}
		payload = payload[n:]
	}
	counter := b[3] & 15
	if last, seen := p.counters[pid]; seen && counter != (last+1)&15 {
		return fmt.Errorf("the continuity counter of PID %d goes from %d to %d", pid, last, counter)
	}
	p.counters[pid] = counter
	switch {
	case pid == 0:
		return p.pat(payload)
	case pid < 0x20: // service tables, which players do not need
		return nil
	case pid == p.pmt:
		return p.programMap(payload)
	}
	if _, ok := p.types[pid]; !ok {
		if p.pmt < 0 || len(p.types) == 0 {
			return errors.New("media comes before the program map table")
		}
		return nil
	}
	return p.elementary(pid, start, payload, off)
}

// section returns a table's bytes after the pointer field, CRC taken off.
func section(payload []byte) ([]byte, error) {
	if len(payload) < 1 || len(payload) < 4+int(payload[0]) {
		return nil, errors.New("a table is cut off")
	}
	s := payload[1+payload[0]:]
	n := 3 + int(s[1]&15)<<8 + int(s[2])
	if n > len(s) || n < 12 {
		return nil, errors.New("a table has a wrong length")
	}
	return s[:n-4], nil
}

func (p *tsParse) pat(payload []byte) error {
	s, err := section(payload)
	if err != nil {
		return err
	}
	for e := s[8:]; len(e) >= 4; e = e[4:] {
		if e[0]|e[1] != 0 { // program 0 is the network table
			p.pmt = int(e[2]&0x1f)<<8 | int(e[3])
			return nil
		}
	}
	return errors.New("the program association table names no program")
}

func (p *tsParse) programMap(payload []byte) error {
	s, err := section(payload)
	if err != nil {
		return err
	}
	skip := 12 + int(s[10]&15)<<8 + int(s[11])
	if skip > len(s) {
		return errors.New("a table has a wrong length")
	}
	for e := s[skip:]; len(e) >= 5; {
		pid := int(e[1]&0x1f)<<8 | int(e[2])
		if _, ok := p.types[pid]; !ok {
			p.types[pid] = int(e[0])
			p.parts[pid] = &pes{}
			p.pids = append(p.pids, pid)
		}
		n := 5 + int(e[3]&15)<<8 + int(e[4])
		if n > len(e) {
			return errors.New("a table has a wrong length")
		}
		e = e[n:]
	}
	return nil
}

func (p *tsParse) elementary(pid int, start bool, payload []byte, off int64) error {
	part := p.parts[pid]
	if start {
		if err := p.finish(pid); err != nil {
			return err
		}
		*part = pes{open: true, off: off, data: part.data[:0]}
	}
	if !part.open {
		return fmt.Errorf("PID %d starts in the middle of a frame", pid)
	}
	part.data = append(part.data, payload...)
	part.end = off + tsPacket
	return nil
}

// finish takes the frames out of a complete PES packet.
func (p *tsParse) finish(pid int) error {
	part := p.parts[pid]
	if !part.open {
		return nil
	}
	part.open = false
	b := part.data
	if len(b) < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 || len(b) < 9+int(b[8]) {
		return fmt.Errorf("PID %d: the header of a PES packet is broken", pid)
	}
	if b[7]&0x80 == 0 || b[8] < 5 {
		return fmt.Errorf("PID %d: a PES packet has no timestamp", pid)
	}
	pts := p.unwrap(int64(b[9]>>1&7)<<30 | int64(b[10])<<22 | int64(b[11]>>1)<<15 | int64(b[12])<<7 | int64(b[13]>>1))
	body := b[9+int(b[8]):]
	switch t := p.types[pid]; t {
	case tsH264, tsHEVC:
		return p.picture(t, part, pts, body)
	case tsAAC:
		return p.adts(pts, body)
	default:
		return fmt.Errorf("stream type 0x%02x is not supported; H.264, HEVC and AAC are", t)
	}
}

// unwrap extends a 33 bit timestamp to the value nearest to the last one.
func (p *tsParse) unwrap(v int64) int64 {
	const turn = 1 << 33
	for v < p.last-turn/2 {
		v += turn
	}
	for v > p.last+turn/2 && v >= turn {
		v -= turn
	}
	p.last = v
	return v
}

func (p *tsParse) picture(streamType int, part *pes, pts int64, body []byte) error {
	pic := tsPicture{pts: pts, off: part.off, end: part.end}
	var err error
	sets := 0
	nalUnits(body, func(nal []byte) bool {
		if len(nal) < 2 {
			return true
		}
		var slice bool
		slice, pic.key, err = p.nal(streamType, nal, &sets)
		return !slice && err == nil
	})
	if err != nil {
		return err
	}
	if pic.key && sets == 0 {
		return errors.New("a keyframe comes without its parameter sets")
	}
	p.seg.pictures = append(p.seg.pictures, pic)
	return nil
}

// nal reports whether a NAL unit is a slice, and whether decoding can start at its
// picture. It counts sequence parameter sets and reads the first.
func (p *tsParse) nal(streamType int, nal []byte, sets *int) (slice, key bool, err error) {
	var isSPS bool
	var parse func([]byte) (*videoConfig, error)
	if streamType == tsH264 {
		t := nal[0] & 31
		isSPS, slice, key, parse = t == 7, t >= 1 && t <= 5, t == 5, parseH264SPS
	} else {
		t := nal[0] >> 1 & 63
		isSPS, slice, key, parse = t == 33, t < 32, t == 19 || t == 20, parseHEVCSPS
	}
	if isSPS {
		*sets++
		if p.video == nil {
			p.video, err = parse(nal)
		}
	}
	return slice, key, err
}

// adtsRates is the table of sampling frequencies of MPEG-4 audio.
var adtsRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

func (p *tsParse) adts(pts int64, body []byte) error {
	frames := 0
	for len(body) > 0 {
		if len(body) < 7 || body[0] != 0xff || body[1]&0xf6 != 0xf0 {
			return errors.New("an AAC frame has no ADTS header")
		}
		n := int(body[3]&3)<<11 | int(body[4])<<3 | int(body[5]>>5)
		rate := int(body[2] >> 2 & 15)
		if n < 7 || n > len(body) || rate >= len(adtsRates) {
			return errors.New("an AAC frame is cut off")
		}
		if p.audio == nil {
			channels := int(body[2]&1)<<2 | int(body[3]>>6)
			if channels == 7 {
				channels = 8
			}
			p.audio = &audioConfig{
				codec:      fmt.Sprintf("mp4a.40.%d", body[2]>>6+1),
				sampleRate: adtsRates[rate], channels: channels,
			}
		}
		frames += 1 + int(body[6]&3)
		body = body[n:]
	}
	if p.seg.audio == 0 {
		p.seg.audioStart = pts
	}
	p.seg.audio += frames
	p.seg.audioEnd = pts
	if p.audio != nil {
		p.seg.audioEnd += int64(frames) * 1024 * tsClock / int64(p.audio.sampleRate)
	}
	return nil
}
