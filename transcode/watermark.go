package transcode

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
)

// watermark is a watermark, as the keys of renditions and picture styles have
// it. The zero value is none.
type watermark struct {
	name     string // of the fetched picture
	position string
}

// The place and size of a watermark: it is drawn pixel by pixel, but it takes
// at most a quarter of the width and of the height, so that a logo made for
// 1080p does not cover 240p; it is never enlarged. Its distance from both edges
// is a fortieth of the longer side.
const (
	watermarkShare  = 4
	watermarkMargin = 40
)

// newWatermark resolves a watermark. Its name is made from its address, so that
// outputs with the same watermark share it, and a plan made again finds what was
// fetched.
func (p *planner) newWatermark(w *job.Watermark) watermark {
	if w == nil || w.URL.IsZero() {
		return watermark{}
	}
	sum := sha256.Sum256([]byte(w.URL.Reveal()))
	m := watermark{name: fmt.Sprintf("mark-%x", sum[:8]), position: w.Position}
	p.secrets[SecretName(m.name)] = w.URL
	return m
}

// fetchWatermark registers that output i needs the picture of m.
func (p *planner) fetchWatermark(m watermark, i int) {
	if m == (watermark{}) {
		return
	}
	p.fetch(Fetch{Name: m.name, URL: SecretName(m.name)}, i)
}

// fetch registers that output i needs a file.
func (p *planner) fetch(f Fetch, i int) {
	at := slices.IndexFunc(p.fetches, func(have Fetch) bool { return have.Name == f.Name })
	if at < 0 {
		at = len(p.fetches)
		p.fetches = append(p.fetches, f)
	}
	p.fetches[at].Outputs = appendOnce(p.fetches[at].Outputs, i)
}

// mergeFetches adds what another plan fetches.
func mergeFetches(list, more []Fetch) []Fetch {
	for _, f := range more {
		at := slices.IndexFunc(list, func(have Fetch) bool { return have.Name == f.Name })
		if at < 0 {
			list = append(list, f)
			continue
		}
		list[at].Outputs = union(list[at].Outputs, f.Outputs)
	}
	return list
}

// watermarkNames are the watermarks of a graph, each once: the inputs after the
// source.
func watermarkNames(videos []*renditionNode, pictures []*thumbnails) []string {
	var names []string
	add := func(m watermark) {
		if m.name != "" && !slices.Contains(names, m.name) {
			names = append(names, m.name)
		}
	}
	for _, v := range videos {
		add(v.key.watermark)
		for _, name := range v.images {
			add(watermark{name: name})
		}
	}
	for _, t := range pictures {
		add(t.style.watermark)
	}
	return names
}

func watermarkInputs(names []string) []string {
	var args []string
	for _, n := range names {
		args = append(args, "-i", n)
	}
	return args
}

// overlayOf returns the node that lays a watermark over a finished picture of
// geometry g in pixFmt; nil when there is no watermark. first is the number of
// the input that names[0] is. colours are scaler options that bring the
// watermark to the colours of the picture, and tone are filters that bring it to
// the picture's brightness.
func overlayOf(m watermark, names []string, first int, g geometry, pixFmt, colours string, tone []string) *overlay {
	if m == (watermark{}) {
		return nil
	}
	format, alpha := overlayFormat(pixFmt)
	f := slices.Clone(tone)
	// The picture's pixels may be wider or narrower than they are high.
	switch sar := g.SAR; {
	case sar.num <= 0 || math.Abs(sar.float()-1) < 0.01:
	case sar.float() > 1:
		f = append(f, fmt.Sprintf("scale=w='max(1,iw*%d/%d)':h=ih", sar.den, sar.num))
	default:
		f = append(f, fmt.Sprintf("scale=w=iw:h='max(1,ih*%d/%d)'", sar.num, sar.den))
	}
	f = append(f,
		fmt.Sprintf("scale=w='min(iw,%d)':h='min(ih,%d)':force_original_aspect_ratio=decrease:flags=bicubic%s",
			max(1, g.W/watermarkShare), max(1, g.H/watermarkShare), colours),
		"format="+alpha,
		// A time base of a second is a multiple of any other, so the video's
		// own time base stays as it is.
		"settb=1")
	margin := evenHalf(2 * max(g.W, g.H) / watermarkMargin)
	x, y := fmt.Sprint(margin), fmt.Sprint(margin)
	if !strings.HasSuffix(m.position, "left") {
		x = fmt.Sprintf("main_w-overlay_w-%d", margin)
	}
	if strings.HasPrefix(m.position, "bottom") {
		y = fmt.Sprintf("main_h-overlay_h-%d", margin)
	}
	return &overlay{
		input: fmt.Sprintf("%d:0", first+slices.Index(names, m.name)), filters: f,
		args: fmt.Sprintf("overlay=x=%s:y=%s:format=%s", x, y, format),
	}
}

// overlayFormat names the mode of the overlay filter that loses nothing of
// pixFmt, where there is one, and the format of the picture laid over.
func overlayFormat(pixFmt string) (format, alpha string) {
	f := codec.Pixels(pixFmt)
	switch deep := f.Depth > 8; {
	case f.PlanarRGB:
		return "gbrp", "gbrap"
	case f.RGB:
		return "rgb", "rgba"
	case f.Chroma == codec.YUV444:
		return "yuv444", "yuva444p"
	case f.Chroma == codec.YUV422 && deep:
		return "yuv422p10", "yuva422p10le"
	case f.Chroma == codec.YUV422:
		return "yuv422", "yuva422p"
	case deep && f.Chroma != codec.Mono:
		return "yuv420p10", "yuva420p10le"
	}
	return "yuv420", "yuva420p"
}

// watermarkColours are the colours of a rendition for overlayOf.
func (p *planner) watermarkColours(r rendition) string {
	pixels := codec.Pixels(r.settings.PixFmt)
	if pixels.RGB {
		return ""
	}
	levels := "tv"
	if pixels.FullRange {
		levels = "pc"
	}
	return exactColours + ":out_color_matrix=" + scalerMatrix(p.colours(r).space) + ":out_range=" + levels
}

// watermarkTone are the filters that bring a watermark to the light of a
// rendition that stays HDR: white is as bright as 203 cd/m2 (ITU-R BT.2408).
// Without them, the white of a logo would be the brightest light that PQ knows.
func (p *planner) watermarkTone(r rendition) []string {
	if !p.src.hdr() || r.toneMap {
		return nil
	}
	curve := func(code string) []string {
		return []string{"format=rgba", fmt.Sprintf("lutrgb=r='%[1]s':g='%[1]s':b='%[1]s'", code)}
	}
	if p.src.video.IsPQ() {
		light := "pow(pow(val/255,2.4)*0.0203,0.1593017578125)" // of 10000 cd/m2, as SMPTE ST 2084 raises it
		return curve("255*pow((0.8359375+18.8515625*" + light + ")/(1+18.6875*" + light + "),78.84375)")
	}
	light := "pow(val/255,2.4)*0.265" // of the nominal peak: white is 75 % of the signal
	return curve("255*if(lte(" + light + ",1/12),sqrt(3*" + light + "),0.17883277*log(12*" + light + "-0.28466892)+0.55991073)")
}
