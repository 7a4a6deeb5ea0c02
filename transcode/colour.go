package transcode

import (
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// colours are the tags of an encode of r; "" where they are not known.
func (p *planner) colours(r rendition) (space, primaries, transfer string, hasRange bool) {
	v := p.src.video
	space, primaries, transfer, hasRange = v.ColorSpace, v.ColorPrimaries, v.ColorTransfer, known(v.ColorRange)
	switch {
	case r.toneMap:
		return "bt709", "bt709", "bt709", true
	case p.src.hdr():
		space, primaries = p.src.matrix(), p.src.primaries()
	case p.fromRGB():
		space, hasRange = "bt709", true
	}
	if !known(transfer) {
		transfer = transferOf(primaries)
	}
	return space, primaries, transfer, hasRange
}

// colourArgs pass the source's colour tags on. ffprobe's words for tags that
// are not there are left out, so that no encoder writes them as a fact.
func (p *planner) colourArgs(r rendition) []string {
	pixels := codec.Pixels(r.settings.PixFmt)
	if pixels.RGB {
		return nil
	}
	space, primaries, transfer, hasRange := p.colours(r)
	var args []string
	for _, tag := range [][2]string{{"-color_primaries", primaries}, {"-color_trc", transfer}, {"-colorspace", space}} {
		if known(tag[1]) {
			args = append(args, tag[0], tag[1])
		}
	}
	switch {
	case pixels.FullRange:
		return append(args, "-color_range", "pc")
	case hasRange:
		return append(args, "-color_range", "tv")
	}
	return args
}

// tagFilter puts the tags that differ from the source's on the frames, which
// count more than arguments do in FFmpeg 7. Reserved values look in ffprobe like
// tags that are not there; encoders that do not start with them get them
// cleared.
func (p *planner) tagFilter(r rendition) string {
	if codec.Pixels(r.settings.PixFmt).RGB || r.toneMap {
		return ""
	}
	v := p.src.video
	space, primaries, transfer, _ := p.colours(r)
	var set []string
	for _, tag := range [][3]string{{"color_primaries", primaries, v.ColorPrimaries}, {"color_trc", transfer, v.ColorTransfer}, {"colorspace", space, v.ColorSpace}} {
		switch {
		case known(tag[1]) && tag[1] != tag[2]:
			set = append(set, tag[0]+"="+tag[1])
		case !known(tag[1]) && r.encoder.ClearsTags:
			set = append(set, tag[0]+"=unknown")
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

// fromRGB reports whether the source is not YUV, so that a matrix is chosen
// here.
func (p *planner) fromRGB() bool { return codec.Pixels(p.src.video.PixFmt).RGB }

// scalerOptions are what the first scaling of the source must convert.
func (p *planner) scalerOptions(r rendition) string {
	pixels := codec.Pixels(r.settings.PixFmt)
	switch {
	case pixels.FullRange || pixels.RGB || r.toneMap:
		return ""
	case p.fromRGB():
		return ":out_color_matrix=bt709:out_range=tv"
	case p.src.video.ColorRange == "pc" || codec.Pixels(p.src.video.PixFmt).FullRange:
		return ":in_range=pc:out_range=tv"
	}
	return ""
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
