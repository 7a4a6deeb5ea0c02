package transcode

import (
	"fmt"
	"math"

	"github.com/copra-video/copra/transcode/format"
)

// maxSide bounds the sides of frames: no encoder takes more, and a source with a
// wild aspect ratio must not ask for it.
const maxSide = 16384

// geometry is how a source picture becomes an output picture: scaled to
// ScaleW x ScaleH, then letterboxed or cropped to W x H. It is comparable, since
// it is part of the key by which renditions are shared.
type geometry struct {
	ScaleW, ScaleH int
	W, H           int // of the output
	SAR            ratio
}

// letterboxed reports whether bars are added, cropped whether edges are cut off.
func (g geometry) letterboxed() bool { return g.W > g.ScaleW || g.H > g.ScaleH }
func (g geometry) cropped() bool     { return g.W < g.ScaleW || g.H < g.ScaleH }

// fitMode says what is done with an exact box of another shape.
type fitMode int

const (
	fitLetterbox fitMode = iota // bars, the rule for plain outputs
	fitCrop                     // cut
	fitInside                   // the box is a bound; the aspect stays (httpstream, streams.md rule 1.33)
)

// fitModeOf reads the parameter fit of an output.
func fitModeOf(fit string) fitMode {
	if fit == "crop" {
		return fitCrop
	}
	return fitLetterbox
}

// fit computes the geometry of src for a wanted resolution. Sizes are even,
// and the display aspect ratio is kept exactly through the pixels' shape:
// 1920x1080 becomes 426x240 with pixels of 640:639.
func fit(src frame, r format.Resolution, mode fitMode) geometry {
	switch {
	case r.Width > 0 && r.Height > 0:
		return fitBox(src, even(float64(r.Width)), even(float64(r.Height)), mode)
	case r.Height > 0:
		h := even(float64(r.Height))
		return plain(src, even(float64(h)*src.dar().float()), h)
	case r.Width > 0:
		w := even(float64(r.Width))
		return plain(src, w, even(float64(w)/src.dar().float()))
	}
	return plain(src, evenDown(src.W), evenDown(src.H))
}

// plain is a scaling to w x h that shows the same shape.
func plain(src frame, w, h int) geometry {
	w, h = min(w, maxSide), min(h, maxSide)
	return geometry{w, h, w, h, src.dar().mul(int64(h), int64(w))}
}

func fitBox(src frame, w, h int, mode fitMode) geometry {
	w, h = min(w, maxSide), min(h, maxSide)
	dar, box := src.dar().float(), float64(w)/float64(h)
	if mode == fitCrop {
		cw, ch := w, h
		if dar > box {
			cw = min(maxSide, max(w, even(float64(h)*dar)))
		} else {
			ch = min(maxSide, max(h, even(float64(w)/dar)))
		}
		if cw == w && ch == h {
			return plain(src, w, h)
		}
		return geometry{cw, ch, w, h, ratio{1, 1}}
	}
	iw, ih := w, h
	if dar > box {
		ih = min(h, even(float64(w)/dar))
	} else {
		iw = min(w, even(float64(h)*dar))
	}
	if mode == fitInside || iw == w && ih == h {
		return plain(src, iw, ih)
	}
	return geometry{iw, ih, w, h, ratio{1, 1}}
}

func evenDown(n int) int { return max(2, n-n%2) }

// upscales reports whether the picture would be enlarged. A hundredth does not
// count: it is the rounding to even sizes, or a source cropped by a few lines.
func (g geometry) upscales(src frame) bool {
	return float64(g.ScaleH) > 1.01*float64(src.H)
}

// feeds reports whether h can be scaled from g's inner picture. Both show the
// whole picture, so only the sizes matter.
func (g geometry) feeds(h geometry) bool {
	return g.ScaleW >= h.ScaleW && g.ScaleH >= h.ScaleH
}

// scaleFilter scales from size w x h to g's inner size. It is "" when the size is
// right already and no extra flags and options for the scaler are given.
func (g geometry) scaleFilter(w, h int, extra string) string {
	if w == g.ScaleW && h == g.ScaleH && extra == "" {
		return ""
	}
	return fmt.Sprintf("scale=%d:%d:flags=bicubic%s", g.ScaleW, g.ScaleH, extra)
}

// finish letterboxes or crops what scaleFilter made, and states the pixels'
// shape.
func (g geometry) finish() []string { return g.finishWith("") }

// finishWith is finish with bars of a colour; "": black.
//
// setsar rounds to terms of 100 unless told otherwise, which turns 640/639 into
// 1/1.
func (g geometry) finishWith(bars string) []string {
	var f []string
	if g.letterboxed() {
		pad := fmt.Sprintf("pad=%d:%d:%d:%d", g.W, g.H, evenHalf(g.W-g.ScaleW), evenHalf(g.H-g.ScaleH))
		if bars != "" {
			pad += ":color=" + bars
		}
		f = append(f, pad)
	}
	if g.cropped() {
		f = append(f, fmt.Sprintf("crop=%d:%d", g.W, g.H))
	}
	return append(f, fmt.Sprintf("setsar=%s:max=%d", g.SAR, ratioLimit))
}

// evenHalf is half of n rounded down to even, so that chroma stays aligned.
func evenHalf(n int) int { return n / 2 / 2 * 2 }

// fitThumbnail is fit for still pictures, which have square pixels and may be of
// odd sizes.
func fitThumbnail(src frame, r format.Resolution, mode fitMode) geometry {
	dar := src.dar().float()
	round := func(x float64) int { return min(maxSide, max(1, int(math.Round(x)))) }
	w, h := r.Width, r.Height
	switch {
	case w == 0 && h == 0:
		tall := min(float64(src.H), maxSide, maxSide/dar)
		// FFmpeg has no larger frames (av_image_check_size: INT_MAX / 8 with edges of 64).
		for (tall+128)*(tall*dar+128) >= math.MaxInt32/8 {
			tall *= 0.98
		}
		w, h = round(tall*dar), round(tall)
	case w == 0 || r.Name != "":
		// 720p of a picture means its height; the box is for video.
		w = round(float64(h) * dar)
	case h == 0:
		h = round(float64(w) / dar)
	default:
		iw, ih := float64(w), float64(w)/dar
		if (ih > float64(h)) == (mode != fitCrop) {
			iw, ih = float64(h)*dar, float64(h)
		}
		return geometry{round(iw), round(ih), w, h, ratio{1, 1}}
	}
	return geometry{w, h, w, h, ratio{1, 1}}
}
