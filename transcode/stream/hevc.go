package stream

import (
	"fmt"
	"math/bits"
	"strings"
)

// hevcProfile is the general part of profile_tier_level.
type hevcProfile struct {
	space, tier, idc uint32
	compatibility    uint32
	constraints      [6]byte
	level            uint32
}

// codec is the string of ISO/IEC 14496-15 annex E.3, as "hvc1.1.6.L93.90".
func (p hevcProfile) codec() string {
	var b strings.Builder
	b.WriteString("hvc1.")
	if p.space > 0 {
		b.WriteByte(byte('A' + p.space - 1))
	}
	tier := 'L'
	if p.tier == 1 {
		tier = 'H'
	}
	fmt.Fprintf(&b, "%d.%X.%c%d", p.idc, bits.Reverse32(p.compatibility), tier, p.level)
	last := len(p.constraints)
	for last > 0 && p.constraints[last-1] == 0 {
		last--
	}
	for _, c := range p.constraints[:last] {
		fmt.Fprintf(&b, ".%X", c)
	}
	return b.String()
}

// read reads the 96 bits of the general part.
func (p *hevcProfile) read(r *bitReader) {
	p.space, p.tier, p.idc = r.u(2), r.u(1), r.u(5)
	p.compatibility = r.u(32)
	for i := range p.constraints {
		p.constraints[i] = byte(r.u(8))
	}
	p.level = r.u(8)
}

// parseHEVCSPS reads a sequence parameter set, NAL header included.
func parseHEVCSPS(nal []byte) (*videoConfig, error) {
	r := &bitReader{data: unescape(nal)}
	r.skip(16 + 4)
	subLayers := int(r.u(3)) // minus 1
	r.skip(1)
	var p hevcProfile
	p.read(r)
	skipSubLayers(r, subLayers)
	v := &videoConfig{codec: p.codec()}
	r.ue() // sps_seq_parameter_set_id
	chroma := r.ue()
	if chroma == 3 {
		r.skip(1)
	}
	v.width, v.height = int(r.ue()), int(r.ue())
	if r.flag() { // conformance_window_flag
		x, y := cropUnits(chroma)
		v.width -= x * int(r.ue()+r.ue())
		v.height -= y * int(r.ue()+r.ue())
	}
	if r.short || v.width <= 0 || v.height <= 0 {
		return nil, fmt.Errorf("read HEVC sequence parameter set: %w", errShort)
	}
	skipHEVCCoding(r, subLayers)
	if r.flag() { // vui_parameters_present_flag
		v.readVUI(r)
	}
	if r.short {
		return nil, fmt.Errorf("read HEVC sequence parameter set: %w", errShort)
	}
	return v, nil
}

func skipSubLayers(r *bitReader, n int) {
	if n == 0 {
		return
	}
	var profile, level [8]bool
	for i := range n {
		profile[i], level[i] = r.flag(), r.flag()
	}
	r.skip(2 * (8 - n))
	for i := range n {
		if profile[i] {
			r.skip(88)
		}
		if level[i] {
			r.skip(8)
		}
	}
}

// skipHEVCCoding skips the coding tools between the picture size and the VUI.
func skipHEVCCoding(r *bitReader, subLayers int) {
	r.ue()
	r.ue()
	pocBits := r.count(12) + 4
	first := subLayers
	if r.flag() {
		first = 0
	}
	for range subLayers - first + 1 {
		r.ue()
		r.ue()
		r.ue()
	}
	for range 6 {
		r.ue()
	}
	if enabled := r.flag(); enabled && r.flag() { // scaling_list_enabled_flag, sps_scaling_list_data_present_flag
		skipHEVCScaling(r)
	}
	r.skip(2)
	if r.flag() { // pcm_enabled_flag
		r.skip(8)
		r.ue()
		r.ue()
		r.skip(1)
	}
	skipRefPicSets(r)
	if r.flag() { // long_term_ref_pics_present_flag
		for range r.count(32) {
			r.skip(pocBits + 1)
		}
	}
	r.skip(2)
}

func skipHEVCScaling(r *bitReader) {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for m := 0; m < 6; m += step {
			if !r.flag() {
				r.ue()
				continue
			}
			if size > 1 {
				r.se()
			}
			for range min(64, 1<<(4+size*2)) {
				r.se()
			}
		}
	}
}

func skipRefPicSets(r *bitReader) {
	deltas := 0 // of the set before
	for i := range r.count(64) {
		if i > 0 && r.flag() { // inter_ref_pic_set_prediction_flag
			r.skip(1)
			r.ue()
			n := 0
			for range deltas + 1 {
				used := r.flag()
				if used || r.flag() {
					n++
				}
			}
			deltas = n
			continue
		}
		neg, pos := r.count(16), r.count(16)
		for range neg + pos {
			r.ue()
			r.skip(1)
		}
		deltas = neg + pos
		if r.short {
			return
		}
	}
}
