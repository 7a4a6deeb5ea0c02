package transcode

import (
	"fmt"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

func (s *source) hdr() bool { return s.video != nil && s.video.IsHDR() }

// dynamicRange decides the pixel format of an encode, and whether an HDR source
// is brought to SDR. HDR needs a codec whose players know it and 10 bits: some
// codecs get them unless something else was asked for. All others would show
// false colours, so they become SDR.
func (s *source) dynamicRange(f format.Format, row *codec.Codec) (pixFmt string, toneMap bool) {
	pixFmt = f.PixFmt()
	switch {
	case !s.hdr():
		return pixFmt, false
	case f.Options.ForceSDR || !row.HDR:
		return pixFmt, true
	}
	if f.Options.PixFmt == "" && f.Options.Profile == "" && row.HDRPixFmt != "" {
		pixFmt = row.HDRPixFmt
	}
	return pixFmt, codec.Pixels(pixFmt).Depth < 10
}

// hdr is what an encode of r has to say about light; nil when it is SDR.
func (p *planner) hdr(r rendition) *encoder.HDR {
	if !p.src.hdr() || r.toneMap {
		return nil
	}
	c := p.src.colours()
	return &encoder.HDR{Primaries: c.primaries, Transfer: c.transfer, Matrix: c.space, Light: p.src.video.HDR}
}

// noDolby refuses pictures of Dolby Vision that FFmpeg decodes to green and purple: their
// colours are IPT, and what brings them to the screen is in metadata that no filter of
// FFmpeg 5.1 reads.
func (s *source) noDolby() *job.Error {
	if s.video == nil || s.video.DolbyOnly == 0 {
		return nil
	}
	return job.Errorf(job.InputNotValid, "The input is Dolby Vision of profile %d, whose colours only a Dolby decoder knows, so they would come out green and purple; send HDR10, HLG, SDR, or Dolby Vision of profile 8. Its sound can be encoded, and both copied.", s.video.DolbyOnly)
}

// nominalPeak is the white of SDR in cd/m2, to which the light of HDR is related.
const nominalPeak = 100

// sdrFilters bring the source's HDR to SDR of BT.709: to linear light, into the
// smaller gamut, the tone curve, and back to video. What the frames say of their
// light is dropped, because encoders pass it on. pixFmt has 10 bits, so that the
// last conversion can dither; zscale takes odd sizes only without subsampling.
func (s *source) sdrFilters(pixFmt string) []string {
	if !s.hdr() {
		return nil
	}
	c, rng := s.colours(), "tv"
	if c.fullRange {
		rng = "pc"
	}
	f := []string{
		"format=" + pixFmt,
		fmt.Sprintf("zscale=tin=%s:min=%s:pin=%s:rin=%s:t=linear:npl=%d", c.transfer, c.space, c.primaries, rng, nominalPeak),
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
// list, and returns its size. The tone curve costs most of the time, so the
// picture is scaled first to the largest size that is wanted.
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

// peak is the brightest light of the source in cd/m2. It is the usual 1000 where
// the source does not say, or says what cannot be true.
func (s *source) peak() float64 {
	m := s.video.HDR
	for _, v := range []float64{float64(m.MaxCLL), m.MaxLuminance} {
		if s.video.IsPQ() && v >= 2*nominalPeak && v <= 10000 {
			return v
		}
	}
	return 1000
}

// noSDR is the error where FFmpeg cannot do what sdrFilters ask; nil when it can.
func (p *planner) noSDR() *job.Error {
	for _, name := range []string{"zscale", "tonemap", "sidedata"} {
		if !p.Capabilities.HasFilter(name) {
			return job.Errorf(job.OutputFormatNotValid, "The input is HDR, and this server's ffmpeg lacks the filter %s to make SDR of it; hevc and av1 keep HDR.", name)
		}
	}
	return nil
}
