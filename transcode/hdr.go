package transcode

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// hdr is what an HDR source says of its light, for encoders that keep it.
type hdr struct {
	primaries, transfer, matrix string
	light                       job.HDRMetadata
}

// isHDR reports whether the transfer of a stream is PQ or HLG.
func isHDR(transfer string) bool { return transfer == "smpte2084" || transfer == "arib-std-b67" }

func (s *source) hdr() bool { return s.video != nil && isHDR(s.video.ColorTransfer) }

// dynamicRange decides the pixel format of an encode from an HDR source, and
// whether the picture is brought to SDR. HDR needs a codec whose players know
// it and 10 bits: HEVC, AV1 and DNxHR get them unless something else was asked
// for. All else would show false colours, so it becomes SDR.
func (s *source) dynamicRange(f format.Format, codec, pixFmt string) (out string, sdr bool) {
	if !s.hdr() {
		return pixFmt, false
	}
	if f.Options.ForceSDR {
		return pixFmt, true
	}
	if f.Options.PixFmt == "" && f.Options.Profile == "" {
		switch codec {
		case "hevc", "av1":
			pixFmt = "yuv420p10le"
		case "dnxhd":
			pixFmt = "yuv422p10le"
		}
	}
	switch codec {
	case "h264", "hevc", "av1", "vp9", "prores", "prores-ks", "dnxhd":
		return pixFmt, !strings.Contains(pixFmt, "10le") && !strings.Contains(pixFmt, "12le")
	}
	return pixFmt, true
}

// matrix and primaries of the source; those of HDR when it does not say.
func (s *source) matrix() string {
	if known(s.video.ColorSpace) {
		return s.video.ColorSpace
	}
	return "bt2020nc"
}

func (s *source) primaries() string {
	if known(s.video.ColorPrimaries) {
		return s.video.ColorPrimaries
	}
	return "bt2020"
}

// hdr is what an encode of r has to say about light; nil when it is SDR.
func (p *planner) hdr(r rendition) *hdr {
	if !p.src.hdr() || r.toneMap {
		return nil
	}
	return &hdr{p.src.primaries(), p.src.video.ColorTransfer, p.src.matrix(), p.src.video.HDR}
}

// x265Params: x265 takes the tags from ffmpeg, but the light only so. In the
// headers it says both; ffmpeg 5.1 passes neither on by itself.
func (h *hdr) x265Params() []string {
	if h == nil {
		return nil
	}
	params := []string{"colorprim=" + h.primaries, "transfer=" + h.transfer, "colormatrix=" + h.matrix}
	if h.transfer != "smpte2084" {
		return params
	}
	params = append(params, "hdr10=1", "hdr10-opt=1")
	if m := h.light; m.HasMasteringDisplay() {
		chroma := func(c [2]float64) string {
			return fmt.Sprintf("(%d,%d)", int(math.Round(c[0]*50000)), int(math.Round(c[1]*50000)))
		}
		params = append(params, fmt.Sprintf("master-display=G%sB%sR%sWP%sL(%d,%d)", chroma(m.Green), chroma(m.Blue), chroma(m.Red), chroma(m.White),
			int(math.Round(m.MaxLuminance*10000)), int(math.Round(m.MinLuminance*10000))))
	}
	if m := h.light; m.MaxCLL > 0 {
		params = append(params, fmt.Sprintf("max-cll=%d,%d", m.MaxCLL, m.MaxFALL))
	}
	return params
}

// svtParams are the same for SVT-AV1, in its own units.
func (h *hdr) svtParams() []string {
	if h == nil || h.transfer != "smpte2084" {
		return nil
	}
	var params []string
	if m := h.light; m.HasMasteringDisplay() {
		chroma := func(c [2]float64) string {
			return "(" + strconv.FormatFloat(c[0], 'f', 5, 64) + "," + strconv.FormatFloat(c[1], 'f', 5, 64) + ")"
		}
		params = append(params, fmt.Sprintf("mastering-display=G%sB%sR%sWP%sL(%s,%s)", chroma(m.Green), chroma(m.Blue), chroma(m.Red), chroma(m.White),
			strconv.FormatFloat(m.MaxLuminance, 'f', 4, 64), strconv.FormatFloat(m.MinLuminance, 'f', 4, 64)))
	}
	if m := h.light; m.MaxCLL > 0 {
		params = append(params, fmt.Sprintf("content-light=%d,%d", m.MaxCLL, m.MaxFALL))
	}
	return params
}

// nominalPeak is the white of SDR in cd/m2, to which the light of HDR is related.
const nominalPeak = 100

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// sdrFilters bring the source's HDR to SDR of BT.709: to linear light, into the
// smaller gamut, the curve, and back to video. What the frames say of their
// light is dropped, because encoders pass it on. It is done in a pixel format of
// 10 bits, so that the last conversion can dither; zscale takes odd sizes only
// without subsampling.
func (s *source) sdrFilters(pixFmt string) []string {
	if !s.hdr() {
		return nil
	}
	rng := "tv"
	if s.video.ColorRange == "pc" {
		rng = "pc"
	}
	f := []string{
		"format=" + pixFmt,
		fmt.Sprintf("zscale=tin=%s:min=%s:pin=%s:rin=%s:t=linear:npl=%d", s.video.ColorTransfer, s.matrix(), s.primaries(), rng, nominalPeak),
		"format=gbrpf32le", "zscale=p=bt709",
		"tonemap=tonemap=hable:desat=0:peak=" + seconds(s.peak()/nominalPeak),
		"zscale=t=bt709:m=bt709:r=tv", "format=" + pixFmt,
	}
	for _, t := range []string{"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS"} {
		f = append(f, "sidedata=mode=delete:type="+t)
	}
	return f
}

// toSDR adds to node what makes the picture SDR, once for all renditions of
// list, and returns its size. The curve costs most of the time, so the picture
// is scaled first to the largest size that is wanted.
func (p *planner) toSDR(node *branch, in frame, list []graphOutput) frame {
	var largest geometry
	for _, l := range list {
		largest.ScaleW, largest.ScaleH = max(largest.ScaleW, l.key.geometry.ScaleW), max(largest.ScaleH, l.key.geometry.ScaleH)
	}
	if largest.ScaleW*largest.ScaleH < in.W*in.H || in.W%2 != 0 || in.H%2 != 0 || in.W == 0 {
		node.add(largest.scaleFilter(in.W, in.H, ""))
		in.W, in.H = largest.ScaleW, largest.ScaleH
	}
	node.add(p.src.sdrFilters("yuv420p10le")...)
	return in
}

// peak is the brightest light of the source in cd/m2. What cannot be true, and
// what is not said, is the usual 1000.
func (s *source) peak() float64 {
	m := s.video.HDR
	for _, v := range []float64{float64(m.MaxCLL), m.MaxLuminance} {
		if s.video.ColorTransfer == "smpte2084" && v >= 2*nominalPeak && v <= 10000 {
			return v
		}
	}
	return 1000
}

// noSDR is the error where ffmpeg cannot do what sdrFilters ask.
func (p *planner) noSDR() *job.Error {
	for _, name := range []string{"zscale", "tonemap", "sidedata"} {
		if !p.Capabilities.HasFilter(name) {
			return job.Errorf(job.OutputFormatNotValid, "The input is HDR, and this server's ffmpeg lacks the filter %s to make SDR of it; hevc and av1 keep HDR.", name)
		}
	}
	return nil
}

// transferOf is the usual transfer of primaries, for sources that name the one
// and not the other. x265 would write that the transfer is unknown.
func transferOf(primaries string) string {
	switch primaries {
	case "bt709":
		return "bt709"
	case "smpte170m", "bt470bg":
		return "smpte170m"
	case "smpte240m":
		return "smpte240m"
	case "bt2020":
		return "bt2020-10"
	}
	return ""
}
