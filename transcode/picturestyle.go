package transcode

import (
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// pictureStyle is how a decoded frame becomes a picture.
type pictureStyle struct {
	filters   []string // up to the watermark
	watermark watermark
	after     []string
	geometry  geometry
	pixFmt    string
}

// graph adds the style to a tree, as an output with a label.
func (s pictureStyle) graph(at *branch, watermarks []string, first int, label string) {
	at = at.child(s.filters...)
	at.over = overlayOf(s.watermark, watermarks, first, s.geometry, s.pixFmt, pictureColours(s.pixFmt), nil)
	at.child(s.after...).label = label
}

// newPictureStyle resolves how the pictures of an output look.
func (p *planner) newPictureStyle(r format.Resolution, im *job.ImageParams, pixFmt string) (pictureStyle, *job.Error) {
	if err := p.src.noDolby(); err != nil {
		return pictureStyle{}, err
	}
	before, in, err := preFilters(p.src.frame, edits{
		deinterlace: p.src.interlaced(), single: true, transpose: im.Transpose, hflip: im.HFlip, vflip: im.VFlip, square: im.Square,
	})
	if err != nil {
		return pictureStyle{}, err
	}
	g := fitThumbnail(in, squareResolution(r, im.Square), fitModeOf(im.Fit))
	s := pictureStyle{watermark: p.newWatermark(im.Watermark), geometry: g, pixFmt: pixFmt}
	alpha := codec.Pixels(pixFmt).Alpha
	w, h := in.W, in.H
	if p.alpha() && !alpha {
		// Black letters on a transparent ground must not become black on black:
		// what is transparent becomes white.
		s.filters, w, h = append(s.filters, "format=gbrap", "negate", "premultiply=inplace=1", "negate"), 0, 0
	}
	if before != "" {
		s.filters, w, h = append(s.filters, before), 0, 0
	}
	if p.src.hdr() {
		if err := p.noSDR(); err != nil {
			return pictureStyle{}, err
		}
		if scale := g.scaleFilter(w, h, ""); scale != "" {
			s.filters = append(s.filters, scale)
		}
		s.filters = append(s.filters, p.src.sdrFilters("yuv444p10le")...)
		w, h = g.ScaleW, g.ScaleH
	}
	if scale := g.scaleFilter(w, h, pictureColours(pixFmt)); scale != "" {
		s.filters = append(s.filters, scale)
	}
	bars := ""
	if alpha {
		bars = "black@0"
	}
	s.filters = append(s.filters, g.finishWith(bars)...)
	if s.watermark != (watermark{}) {
		s.filters = append(s.filters, "format="+pixFmt)
	}
	if im.Blur > 0 {
		// 1..5: the width of the blur follows the picture's, so that it looks
		// the same in all sizes.
		s.after = append(s.after, "gblur=sigma="+seconds(float64(im.Blur*max(g.W, g.H))/200))
	}
	s.after = append(s.after, "format="+pixFmt)
	if codec.Pixels(pixFmt).RGB {
		// FFmpeg writes a film's gamma into PNG (gAMA, cHRM). Browsers heed it there and
		// not in films, and show the picture brighter. Without it PNG is sRGB.
		s.after = append(s.after, "setparams=color_primaries=unknown:color_trc=unknown")
	}
	return s, nil
}

// pictureColours are what the scaler must convert for a picture: flags and options
// to follow "flags=bicubic". Files of JPEG
// and WebP name no matrix, and readers assume BT.601; JPEG is full range.
func pictureColours(pixFmt string) string {
	switch f := codec.Pixels(pixFmt); {
	case f.RGB:
		return exactColours
	case f.FullRange:
		return exactColours + ":out_color_matrix=bt601:out_range=pc"
	}
	return exactColours + ":out_color_matrix=bt601:out_range=tv"
}

// alpha reports whether the source has transparency.
func (p *planner) alpha() bool {
	return codec.Pixels(p.src.video.PixFmt).Alpha
}
