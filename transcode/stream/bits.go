package stream

import "errors"

var errShort = errors.New("it ends too early")

// bitReader reads the bits of a NAL unit or a descriptor. Reading past the end
// gives zeros and sets short, so that parsers check once.
type bitReader struct {
	data  []byte
	pos   int // in bits
	short bool
}

// u reads n bits, at most 32.
func (r *bitReader) u(n int) uint32 {
	var v uint32
	for range n {
		i := r.pos >> 3
		if i >= len(r.data) {
			r.short = true
			return 0
		}
		v = v<<1 | uint32(r.data[i]>>(7-r.pos&7))&1
		r.pos++
	}
	return v
}

func (r *bitReader) flag() bool { return r.u(1) == 1 }

func (r *bitReader) skip(n int) {
	r.pos += n
	if r.pos > len(r.data)*8 {
		r.short = true
	}
}

// ue reads an unsigned Exp-Golomb number.
func (r *bitReader) ue() uint32 {
	zeros := 0
	for !r.flag() {
		zeros++
		if zeros > 31 || r.short {
			r.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.u(zeros)
}

// se reads a signed Exp-Golomb number.
func (r *bitReader) se() int32 {
	k := r.ue()
	if k&1 == 1 {
		return int32(k/2) + 1
	}
	return -int32(k / 2)
}

// count reads a number of things to follow and refuses absurd ones, so that a
// damaged header cannot make a parser run for long.
func (r *bitReader) count(limit uint32) int {
	n := r.ue()
	if n > limit {
		r.short = true
		return 0
	}
	return int(n)
}

// unescape removes the emulation prevention bytes of a NAL unit.
func unescape(nal []byte) []byte {
	out := make([]byte, 0, len(nal))
	zeros := 0
	for _, b := range nal {
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}

// nalUnits calls yield for each NAL unit of an Annex B stream, start codes
// taken off, until it returns false.
func nalUnits(data []byte, yield func(nal []byte) bool) {
	start := -1
	for i := 0; i+2 < len(data); {
		switch {
		case data[i+2] > 1:
			i += 3
		case data[i] == 0 && data[i+1] == 0 && data[i+2] == 1:
			if start >= 0 && !yield(trimZeros(data[start:i])) {
				return
			}
			start = i + 3
			i = start
		default:
			i++
		}
	}
	if start >= 0 && start < len(data) {
		yield(trimZeros(data[start:]))
	}
}

// trimZeros takes off the zero bytes that belong to the next start code.
func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}
