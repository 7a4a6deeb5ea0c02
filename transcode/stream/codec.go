package stream

import (
	"fmt"
	"strings"
)

// videoConfig is what the parameter sets or the sample description say.
type videoConfig struct {
	codec         string // as in CODECS
	width, height int    // as coded, cropping applied
	sarNum        int
	sarDen        int
	// Colour description by the code points of ISO/IEC 23091-2; 0 or 2: not said.
	primaries, transfer, matrix int
}

// audioConfig is what an audio header says.
type audioConfig struct {
	codec      string // as in CODECS
	sampleRate int
	channels   int
}

// display is the size on a screen with square pixels.
func (v *videoConfig) display() (w, h int) {
	if v.sarNum <= 0 || v.sarDen <= 0 {
		return v.width, v.height
	}
	return (v.width*v.sarNum + v.sarDen/2) / v.sarDen, v.height
}

// videoRange is the value of VIDEO-RANGE.
func (v *videoConfig) videoRange() string {
	switch v.transfer {
	case 16:
		return "PQ"
	case 18:
		return "HLG"
	}
	return "SDR"
}

// family is the part of a codec string that decides which decoder is needed.
func family(codec string) string {
	f, _, _ := strings.Cut(codec, ".")
	return f
}

// sampleAspect is table E-1 of H.264 and of HEVC.
var sampleAspect = [...][2]int{
	{0, 0}, {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11},
	{80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

// readVUI reads the first part of the video usability information, which is
// the same in H.264 and HEVC.
func (v *videoConfig) readVUI(r *bitReader) {
	if r.flag() { // aspect_ratio_info_present_flag
		idc := int(r.u(8))
		switch {
		case idc == 255:
			v.sarNum, v.sarDen = int(r.u(16)), int(r.u(16))
		case idc < len(sampleAspect):
			v.sarNum, v.sarDen = sampleAspect[idc][0], sampleAspect[idc][1]
		}
	}
	if r.flag() { // overscan_info_present_flag
		r.skip(1)
	}
	if r.flag() { // video_signal_type_present_flag
		r.skip(4)
		if r.flag() { // colour_description_present_flag
			v.primaries, v.transfer, v.matrix = int(r.u(8)), int(r.u(8)), int(r.u(8))
		}
	}
}

// parseH264SPS reads a sequence parameter set, NAL header included.
func parseH264SPS(nal []byte) (*videoConfig, error) {
	r := &bitReader{data: unescape(nal)}
	r.skip(8)
	profile, constraints, level := r.u(8), r.u(8), r.u(8)
	v := &videoConfig{codec: fmt.Sprintf("avc1.%02x%02x%02x", profile, constraints, level)}
	r.ue() // seq_parameter_set_id
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		chroma = r.ue()
		if chroma == 3 {
			r.skip(1)
		}
		r.ue()
		r.ue()
		r.skip(1)
		if r.flag() { // seq_scaling_matrix_present_flag
			skipH264Scaling(r, chroma)
		}
	}
	r.ue() // log2_max_frame_num_minus4
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.skip(1)
		r.se()
		r.se()
		for range r.count(255) {
			r.se()
		}
	}
	r.ue() // max_num_ref_frames
	r.skip(1)
	w, h := int(r.ue()+1)*16, int(r.ue()+1)*16
	frames := r.flag() // frame_mbs_only_flag
	if !frames {
		h *= 2
		r.skip(1)
	}
	r.skip(1)
	if r.flag() { // frame_cropping_flag
		unitX, unitY := cropUnits(chroma)
		if !frames {
			unitY *= 2
		}
		w -= unitX * int(r.ue()+r.ue())
		h -= unitY * int(r.ue()+r.ue())
	}
	v.width, v.height = w, h
	if r.flag() {
		v.readVUI(r)
	}
	if r.short || w <= 0 || h <= 0 {
		return nil, fmt.Errorf("read H.264 sequence parameter set: %w", errShort)
	}
	return v, nil
}

// cropUnits are the luma samples that one step of cropping takes.
func cropUnits(chroma uint32) (x, y int) {
	switch chroma {
	case 1:
		return 2, 2
	case 2:
		return 2, 1
	}
	return 1, 1
}

func skipH264Scaling(r *bitReader, chroma uint32) {
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if !r.flag() {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		last, next := int32(8), int32(8)
		for range size {
			if next != 0 {
				next = (last + r.se() + 256) % 256
			}
			if next != 0 {
				last = next
			}
		}
	}
}
