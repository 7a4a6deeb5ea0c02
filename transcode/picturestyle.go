package transcode

import (
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// style is how a decoded frame becomes a picture.
type pictureStyle struct {
	filters   []string // up to the watermark
	watermark watermark
	after     []string
	geometry  geometry
	pixFmt    string
}

// graph adds a look to a tree, with its pad.
func (l pictureStyle) graph(at *branch, watermarks []string, first int, label string) {
	at = at.child(l.filters...)
	at.over = overlayOf(l.watermark, watermarks, first, l.geometry, l.pixFmt, pictureColours(l.pixFmt), nil)
	at.child(l.after...).label = label
}

// newPictureStyle resolves how the pictures of an output look.
func (p *planner) newPictureStyle(r format.Resolution, im *job.ImageParams, pixFmt string) (pictureStyle, *job.Error) {
	preFilters, in, err := prepare(p.src.frame, edits{
		deinterlace: p.src.interlaced(), single: true, transpose: im.Transpose, hflip: im.HFlip, vflip: im.VFlip, square: im.Square,
	})
	if err != nil {
		return pictureStyle{}, err
	}
	mode := fitLetterbox
	if im.Fit == "crop" {
		mode = fitCrop
	}
	g := fitThumbnail(in, squareResolution(r, im.Square), mode)
	l := pictureStyle{watermark: p.newWatermark(im.Watermark), geometry: g, pixFmt: pixFmt}
	w, h := in.W, in.H
	if p.alpha() && !hasAlpha(pixFmt) {
		// Black letters on nothing must not become black on black: below what
		// is transparent there is white.
		l.filters, w, h = append(l.filters, "format=gbrap", "negate", "premultiply=inplace=1", "negate"), 0, 0
	}
	if preFilters != "" {
		l.filters, w, h = append(l.filters, preFilters), 0, 0
	}
	if p.src.hdr() {
		if err := p.noSDR(); err != nil {
			return pictureStyle{}, err
		}
		if scale := g.scaleFilter(w, h, ""); scale != "" {
			l.filters = append(l.filters, scale)
		}
		l.filters = append(l.filters, p.src.sdrFilters("yuv444p10le")...)
		w, h = g.ScaleW, g.ScaleH
	}
	if scale := g.scaleFilter(w, h, pictureColours(pixFmt)); scale != "" {
		l.filters = append(l.filters, scale)
	}
	for _, f := range g.finish() {
		if strings.HasPrefix(f, "pad=") && hasAlpha(pixFmt) {
			f += ":color=black@0"
		}
		l.filters = append(l.filters, f)
	}
	if l.watermark != (watermark{}) {
		l.filters = append(l.filters, "format="+pixFmt)
	}
	if im.Blur > 0 {
		// 1..5: the width of the blur follows the picture's, so that it looks
		// the same in all sizes.
		l.after = append(l.after, "gblur=sigma="+seconds(float64(im.Blur*max(g.W, g.H))/200))
	}
	l.after = append(l.after, "format="+pixFmt)
	return l, nil
}

// pictureColours are what the scaler must convert for a picture: files of JPEG
// and WebP name no matrix, and readers take BT.601 for granted; JPEG is full
// range.
func pictureColours(pixFmt string) string {
	switch {
	case pixFmt == "yuvj420p":
		return ":out_color_matrix=bt601:out_range=pc"
	case strings.HasPrefix(pixFmt, "yuv"):
		return ":out_color_matrix=bt601:out_range=tv"
	}
	return ""
}

func rgbFor(alpha bool) string {
	if alpha {
		return "rgba"
	}
	return "rgb24"
}

// imageEncoder is the table of picture formats.
func imageEncoder(container string, alpha bool) (args []string, pixFmt string, ok bool) {
	switch container {
	case "jpg":
		return []string{"-c:v", "mjpeg", "-q:v", "2"}, "yuvj420p", true
	case "png":
		return []string{"-c:v", "png"}, rgbFor(alpha), true
	case "webp":
		if alpha {
			return []string{"-c:v", "libwebp", "-quality", "85"}, "yuva420p", true
		}
		return []string{"-c:v", "libwebp", "-quality", "85"}, "yuv420p", true
	}
	return nil, "", false
}

func (p *planner) alpha() bool { return hasAlpha(p.src.video.PixFmt) }

func hasAlpha(pixFmt string) bool {
	for _, with := range []string{"rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya8", "ya16", "pal8"} {
		if strings.HasPrefix(pixFmt, with) {
			return true
		}
	}
	return false
}
