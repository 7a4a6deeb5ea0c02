package encoder

import (
	"fmt"
	"math"
	"strconv"

	"github.com/copra-video/copra/job"
)

// HDR is what an HDR source says of its light, for encoders that keep it.
type HDR struct {
	Primaries, Transfer, Matrix string // FFmpeg's names
	Light                       job.HDRMetadata
}

// transferPQ is the one transfer that goes with static metadata about light
// (SMPTE ST 2084); HLG relates to the display.
const transferPQ = "smpte2084"

// x265Params: x265 takes the colour tags from FFmpeg, but the light only by
// these. In the headers it writes both; FFmpeg 5.1 passes neither on by itself.
// Units are those of SMPTE ST 2086: 0.00002 of chromaticity, 0.0001 cd/m2.
func (h *HDR) x265Params() []string {
	if h == nil {
		return nil
	}
	params := []string{"colorprim=" + h.Primaries, "transfer=" + h.Transfer, "colormatrix=" + h.Matrix}
	if h.Transfer != transferPQ {
		return params
	}
	params = append(params, "hdr10=1", "hdr10-opt=1")
	if m := h.Light; m.HasMasteringDisplay() {
		chroma := func(c [2]float64) string {
			return fmt.Sprintf("(%d,%d)", int(math.Round(c[0]*50000)), int(math.Round(c[1]*50000)))
		}
		params = append(params, fmt.Sprintf("master-display=G%sB%sR%sWP%sL(%d,%d)", chroma(m.Green), chroma(m.Blue), chroma(m.Red), chroma(m.White),
			int(math.Round(m.MaxLuminance*10000)), int(math.Round(m.MinLuminance*10000))))
	}
	if m := h.Light; m.MaxCLL > 0 {
		params = append(params, fmt.Sprintf("max-cll=%d,%d", m.MaxCLL, m.MaxFALL))
	}
	return params
}

// svtParams are the same for SVT-AV1, in plain numbers.
func (h *HDR) svtParams() []string {
	if h == nil || h.Transfer != transferPQ {
		return nil
	}
	var params []string
	if m := h.Light; m.HasMasteringDisplay() {
		chroma := func(c [2]float64) string {
			return "(" + strconv.FormatFloat(c[0], 'f', 5, 64) + "," + strconv.FormatFloat(c[1], 'f', 5, 64) + ")"
		}
		params = append(params, fmt.Sprintf("mastering-display=G%sB%sR%sWP%sL(%s,%s)", chroma(m.Green), chroma(m.Blue), chroma(m.Red), chroma(m.White),
			strconv.FormatFloat(m.MaxLuminance, 'f', 4, 64), strconv.FormatFloat(m.MinLuminance, 'f', 4, 64)))
	}
	if m := h.Light; m.MaxCLL > 0 {
		params = append(params, fmt.Sprintf("content-light=%d,%d", m.MaxCLL, m.MaxFALL))
	}
	return params
}
