package transcode

import (
	"cmp"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// colours are the colour tags of a picture, in ffprobe's words.
type colours struct {
	space     string // the matrix
	primaries string
	transfer  string
	fullRange bool
}

// colours are the tags of the source's frames: what the probe found, and for
// YUV what is usual where it found nothing. Every path from the source to a
// picture starts from them, so that all outputs show the same colours.
func (s *source) colours() colours {
	v := s.video
	c := colours{v.ColorSpace, v.ColorPrimaries, v.ColorTransfer, v.ColorRange == "pc" || codec.Pixels(v.PixFmt).FullRange}
	switch {
	case known(c.space):
	case s.hdr():
		c.space = "bt2020nc"
	case isRGB(v.PixFmt):
		c.space = "bt709" // after the first scaling, see scalerOptions
	case always601(v.Codec):
		c.space = "bt470bg"
	default:
		c.space = usualMatrix(v.Width, v.Height)
	}
	switch {
	case known(c.primaries):
	case always601(v.Codec):
		c.primaries = "bt709" // those of sRGB
	default:
		c.primaries = primariesOf(c.space)
	}
	if !known(c.transfer) {
		c.transfer = transferOf(c.primaries)
	}
	return c
}

// always601 reports whether pictures of a codec are BT.601 whatever their
// size: JFIF and the WebP container specification say so.
func always601(codec string) bool { return codec == "mjpeg" || codec == "webp" }

// usualMatrix is the matrix that players assume for pictures without tags:
// BT.709 from HD on, and below it BT.601, with the name of 625 lines or of 525.
func usualMatrix(w, h int) string {
	switch {
	case w >= 1280 || h > 576:
		return "bt709"
	case h == 576 || h == 288:
		return "bt470bg"
	}
	return "smpte170m"
}

// sourceTags is the filter that puts the source's colours on its frames, before
// any other filter. It is "" where the decoder puts the same tags there.
//
// FFmpeg's VP8 decoder says BT.601 and limited range of every frame, because the
// bitstream has no other words. What the container says is meant, as browsers
// record VP8 with BT.709 and full range.
func (s *source) sourceTags() string {
	v, c := s.video, s.colours()
	if isRGB(v.PixFmt) {
		return ""
	}
	levels := "tv"
	if c.fullRange {
		levels = "pc"
	}
	var set []string
	for _, tag := range [][3]string{
		{"range", levels, v.ColorRange}, {"color_primaries", c.primaries, v.ColorPrimaries},
		{"color_trc", c.transfer, v.ColorTransfer}, {"colorspace", c.space, v.ColorSpace},
	} {
		gray := tag[0] == "range" && codec.Pixels(v.PixFmt).Chroma == codec.Mono // full range by name in the scaler
		if !gray && (tag[1] != tag[2] || v.Codec == "vp8") {
			set = append(set, tag[0]+"="+tag[1])
		}
	}
	if set == nil {
		return ""
	}
	return "setparams=" + strings.Join(set, ":")
}

// decodedColours are the colours of the frames that r is made of, before they
// are brought to its matrix.
func (p *planner) decodedColours(r rendition) colours {
	if r.toneMap {
		return colours{space: "bt709", primaries: "bt709", transfer: "bt709"}
	}
	return p.src.colours()
}

// colours are the tags of an encode of r.
func (p *planner) colours(r rendition) colours {
	c := p.decodedColours(r)
	c.space = cmp.Or(r.matrix, c.space)
	c.fullRange = codec.Pixels(r.settings.PixFmt).FullRange
	if r.encoder.BT601 != "" && scalerMatrix(c.space) == "bt601" {
		c.space = r.encoder.BT601
	}
	return c
}

// convertedMatrix is the matrix that r has to be brought to; "": it keeps that of
// its source, and says so. Where neither the codec nor the container can say it,
// it is the one that players assume for the size of the output.
func (p *planner) convertedMatrix(r rendition, row *codec.Codec, c *codec.Container) string {
	matrix := ""
	switch {
	case codec.Pixels(r.settings.PixFmt).RGB, p.src.hdr() && !r.toneMap:
		return ""
	case row.FullRange:
		matrix = "bt470bg" // JFIF
	case row.ColourTags || c != nil && c.ColourTags:
		return ""
	default:
		matrix = usualMatrix(r.geometry.W, r.geometry.H)
	}
	if scalerMatrix(matrix) == scalerMatrix(p.decodedColours(r).space) {
		return ""
	}
	return matrix
}

// colourArgs are the tags of r for its encoder. Every encode says what it is.
func (p *planner) colourArgs(r rendition) []string {
	pixels := codec.Pixels(r.settings.PixFmt)
	if pixels.RGB {
		return nil
	}
	c := p.colours(r)
	args := []string{"-color_primaries", c.primaries, "-color_trc", c.transfer, "-colorspace", c.space}
	switch {
	case c.fullRange:
		return append(args, "-color_range", "pc")
	case pixels.Chroma != codec.Mono || known(p.src.video.ColorRange):
		return append(args, "-color_range", "tv")
	}
	return args
}

// tagFilter puts the tags that differ from those of the decoded frames on the
// frames of r, which count more than arguments do in FFmpeg 7.
func (p *planner) tagFilter(r rendition) string {
	if codec.Pixels(r.settings.PixFmt).RGB {
		return ""
	}
	before, after := p.decodedColours(r), p.colours(r)
	if p.fromRGB() && !r.toneMap {
		v := p.src.video
		before = colours{space: v.ColorSpace, primaries: v.ColorPrimaries, transfer: v.ColorTransfer}
	}
	var set []string
	for _, tag := range [][3]string{
		{"color_primaries", after.primaries, before.primaries}, {"color_trc", after.transfer, before.transfer}, {"colorspace", after.space, before.space},
	} {
		if tag[1] != tag[2] {
			set = append(set, tag[0]+"="+tag[1])
		}
	}
	if set == nil {
		return ""
	}
	return "setparams=" + strings.Join(set, ":")
}

// known reports whether a tag of ffprobe says something.
func known(tag string) bool {
	switch tag {
	case "", "unknown", "unspecified", "reserved", "gbr", "rgb":
		return false
	}
	return true
}

func isRGB(pixFmt string) bool { return codec.Pixels(pixFmt).RGB }

// fromRGB reports whether the source is not YUV, so that a matrix is chosen
// here.
func (p *planner) fromRGB() bool { return isRGB(p.src.video.PixFmt) }

// scalerOptions are what the first scaling of the source must convert: flags and
// options to follow "flags=bicubic".
func (p *planner) scalerOptions(r rendition) string {
	pixels := codec.Pixels(r.settings.PixFmt)
	if pixels.RGB {
		return ""
	}
	fromRGB := p.fromRGB() && !r.toneMap
	options := ""
	if r.matrix != "" || fromRGB && !pixels.FullRange {
		options = exactColours + ":out_color_matrix=" + scalerMatrix(p.colours(r).space)
	}
	switch {
	case pixels.FullRange:
		if options != "" {
			options += ":out_range=pc"
		}
	case fromRGB:
		options += ":out_range=tv"
	case p.src.colours().fullRange && !r.toneMap:
		options += ":in_range=pc:out_range=tv"
	}
	return options
}

// exactColours are flags of the scaler for conversions between colours, to follow
// "flags=bicubic". Without them its rounding takes up to 6 of 255 levels away.
const exactColours = "+accurate_rnd+full_chroma_int"

// scalerMatrix is the name that the scale filter has for a matrix. BT.601 is the
// filter's own choice where it does not know one.
func scalerMatrix(space string) string {
	switch {
	case space == "bt709", space == "fcc", space == "smpte240m":
		return space
	case strings.HasPrefix(space, "bt2020"):
		return "bt2020"
	}
	return "bt601"
}

// primariesOf are the usual primaries of a matrix.
func primariesOf(space string) string {
	switch space {
	case "bt470bg", "smpte170m", "smpte240m":
		return space
	case "bt2020nc", "bt2020c":
		return "bt2020"
	}
	return "bt709"
}

// transferOf is the usual transfer of primaries. Those of BT.709 and BT.601 are
// the same curve under two names.
func transferOf(primaries string) string {
	switch primaries {
	case "smpte170m", "bt470bg":
		return "smpte170m"
	case "smpte240m":
		return "smpte240m"
	case "bt2020":
		return "bt2020-10"
	}
	return "bt709"
}
