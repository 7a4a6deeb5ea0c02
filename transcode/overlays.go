package transcode

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// layer is an overlay as it is drawn. Nothing that a customer wrote is part of a filter: a
// text is in a file with a name of our own, colours are six hexadecimal digits, and all else
// is numbers and words of ours.
type layer struct {
	job.Overlay
	// File is what the filter reads: of text, a picture or a LUT.
	File string
	// Data is what is written into File before ffmpeg runs; "": it is fetched.
	Data string
	// Burn: captions are drawn, those of Track of the source or of a file that was fetched.
	Burn  burning         `json:",omitempty"`
	Track int             `json:",omitempty"`
	Style *captions.Style `json:",omitempty"`
	Hint  captions.Hint
}

// newOverlays resolves the overlays of a rendition, and the captions that are drawn over
// them. The key stands for all of them in a rendition: equal lists have the same.
func (p *planner) newOverlays(list []job.Overlay, burn *job.Burn, r rendition) (key string, err *job.Error) {
	if len(list) == 0 && burn == nil {
		return "", nil
	}
	layers := make([]layer, len(list))
	for i, o := range list {
		l := layer{Overlay: o}
		filter := "drawtext"
		switch {
		case !o.Image.IsZero():
			m := p.newWatermark(&job.Watermark{URL: o.Image})
			l.File, filter = m.name, "overlay"
		case !o.LUT.IsZero():
			sum := sha256.Sum256([]byte(o.LUT.Reveal()))
			l.File, filter = fmt.Sprintf("lut-%x.cube", sum[:8]), "lut3d"
			p.secrets[SecretName(l.File)] = o.LUT
		default:
			if l.Data = o.Text; o.Timecode != "" {
				if l.Data, err = p.timecodeText(o.Timecode, p.leadIn(r.window), p.rate(r)); err != nil {
					return "", err
				}
			}
			sum := sha256.Sum256([]byte(l.Data))
			l.File = fmt.Sprintf("text-%x.txt", sum[:8])
		}
		if !p.Capabilities.HasFilter(filter) {
			return "", job.Errorf(job.OutputParamNotValid, "The parameter \"overlay\" needs FFmpeg's filter %s, which this server's ffmpeg does not have.", filter)
		}
		l.Image, l.LUT = job.Secret{}, job.Secret{} // keys are no place for addresses
		layers[i] = l
	}
	if burn != nil {
		l, err := p.newBurn(burn, r)
		if err != nil {
			return "", err
		}
		layers = append(layers, l)
	}
	text, _ := json.Marshal(layers)
	key = string(text)
	p.layers[key] = layers
	return key, nil
}

// fetchOverlays registers that output i needs the files of overlays.
func (p *planner) fetchOverlays(key string, i int) {
	for _, l := range p.layers[key] {
		switch {
		case l.Burn == burnFile:
			p.fetch(Fetch{Name: l.File, URL: SecretName(l.File), Captions: &l.Hint, Style: l.Style}, i)
		case l.Burn == burnText:
			p.burnTrack(l, i)
		case l.Burn != "":
		case strings.HasPrefix(l.File, "lut-"):
			p.fetch(Fetch{Name: l.File, URL: SecretName(l.File), LUT: true}, i)
		case l.Data == "":
			p.fetch(Fetch{Name: l.File, URL: SecretName(l.File)}, i)
		}
	}
}

// overlayTexts are the files with texts that the graphs of renditions read.
func (p *planner) overlayTexts(videos []*renditionNode) []InputFile {
	var files []InputFile
	for _, v := range videos {
		for _, l := range p.layers[v.key.overlays] {
			if have := func(f InputFile) bool { return f.Name == l.File }; l.Data != "" && !slices.ContainsFunc(files, have) {
				files = append(files, InputFile{Name: l.File, Data: l.Data})
			}
		}
	}
	return files
}

// picture reports whether the layer is an image.
func (l layer) picture() bool { return l.Data == "" && !l.isLUT() && l.Burn == "" }

func (l layer) isLUT() bool { return strings.HasPrefix(l.File, "lut-") }

// lutFilters apply the LUTs of r to a picture without bars, in RGB of more bits than it has.
func (p *planner) lutFilters(r rendition) []string {
	var f []string
	for _, l := range p.layers[r.overlays] {
		if l.isLUT() {
			f = append(f, "lut3d=file="+l.File+":interp=tetrahedral")
		}
	}
	if f == nil {
		return nil
	}
	pixels := codec.Pixels(r.settings.PixFmt)
	if pixels.RGB {
		return append(f, "format="+r.settings.PixFmt)
	}
	depth := "gbrp10le"
	if pixels.Depth > 10 {
		depth = "gbrp12le"
	}
	levels := "tv"
	if pixels.FullRange {
		levels = "pc"
	}
	c := p.colours(r)
	matrix := scalerMatrix(c.space)
	f = slices.Concat([]string{fmt.Sprintf("scale=in_color_matrix=%s:in_range=%s:flags=bicubic%s", matrix, levels, exactColours), "format=" + depth}, f)
	return append(f,
		fmt.Sprintf("scale=out_color_matrix=%s:out_range=%s:flags=bicubic%s", matrix, levels, exactColours), "format="+r.settings.PixFmt,
		fmt.Sprintf("setparams=range=%s:color_primaries=%s:color_trc=%s:colorspace=%s", levels, c.primaries, c.transfer, c.space))
}

// overlayLayers draws texts and pictures over what at makes, in the order of the request, and
// returns the branch that goes on.
func (p *planner) overlayLayers(at *branch, r rendition, watermarks []string) *branch {
	for _, l := range p.layers[r.overlays] {
		switch {
		case l.isLUT(), l.Burn == burnPicture:
		case l.Burn != "":
			at = p.drawBurn(at, l, r)
		case l.Data != "":
			at.add(p.drawText(l, r))
		default:
			at.over = p.overlayPicture(l, r, watermarks)
			at = at.child("format=" + r.settings.PixFmt)
		}
	}
	return at
}

// shown is the option by which a filter works from start to end; "": always. Both count
// from the start of the output.
func (p *planner) shown(l layer, w window) string {
	early := p.leadIn(w)
	var terms []string
	if l.Start > 0 {
		terms = append(terms, "gte(t,"+seconds(l.Start+early)+")")
	}
	if l.End > 0 {
		terms = append(terms, "lt(t,"+seconds(l.End+early)+")")
	}
	if terms == nil {
		return ""
	}
	return ":enable='" + strings.Join(terms, "*") + "'"
}

// leadIn is how many seconds of the source come into the graph before the output begins.
func (p *planner) leadIn(w window) float64 {
	if _, each := p.openSource(w); len(each) == 0 {
		return 0
	}
	return max(0, w.offset-p.entry(w.offset))
}

// place is where a thing of the size w, h (names of the filter) is in a picture of the size
// mainW, mainH.
func (l layer) place(margin int, mainW, mainH, w, h string) (x, y string) {
	m := strconv.Itoa(margin)
	x, y = fmt.Sprintf("(%s-%s)/2", mainW, w), fmt.Sprintf("(%s-%s)/2", mainH, h)
	switch {
	case strings.HasSuffix(l.Position, "left"):
		x = m
	case strings.HasSuffix(l.Position, "right"):
		x = mainW + "-" + w + "-" + m
	}
	switch {
	case strings.HasPrefix(l.Position, "top"):
		y = m
	case strings.HasPrefix(l.Position, "bottom"):
		y = mainH + "-" + h + "-" + m
	}
	return x, y
}

// percent of a side, rounded to even pixels so that chroma stays aligned.
func percent(share float64, side int) int { return int(math.Round(share*float64(side)/200)) * 2 }

func (p *planner) drawText(l layer, r rendition) string {
	g := r.geometry
	font, expansion := "Sans", "none"
	if l.Timecode != "" {
		font, expansion = "Monospace", "normal"
	}
	size := max(6, percent(l.Size, g.H))
	margin, box := percent(l.Margin, g.H), ""
	if l.Box {
		padding := max(2, size/4)
		margin += padding
		box = fmt.Sprintf(":box=1:boxcolor=0x%s@%s:boxborderw=%d", p.overlayColour(l.BoxColor, r), decimal(l.BoxOpacity), padding)
	}
	x, y := l.place(margin, "w", "h", "text_w", "text_h")
	return fmt.Sprintf("drawtext=textfile=%s:expansion=%s:font=%s:fontsize=%d:fontcolor=0x%s@%s:x=%s:y=%s%s%s",
		l.File, expansion, font, size, p.overlayColour(l.Color, r), decimal(l.Opacity), x, y, box, p.shown(l, r.window))
}

// overlayColour is a colour with the light that it has in a rendition that stays HDR:
// white is as bright as that of a watermark.
func (p *planner) overlayColour(hex string, r rendition) string {
	if !p.src.hdr() || r.toneMap {
		return hex
	}
	n, _ := strconv.ParseUint(hex, 16, 32)
	curve := func(v uint64) uint64 {
		linear := math.Pow(float64(v)/255, 2.4)
		if p.src.video.IsPQ() {
			light := math.Pow(linear*0.0203, 0.1593017578125)
			return uint64(math.Round(255 * math.Pow((0.8359375+18.8515625*light)/(1+18.6875*light), 78.84375)))
		}
		if linear *= 0.265; linear <= 1.0/12 {
			return uint64(math.Round(255 * math.Sqrt(3*linear)))
		}
		return uint64(math.Round(255 * (0.17883277*math.Log(12*linear-0.28466892) + 0.55991073)))
	}
	return fmt.Sprintf("%06x", curve(n>>16)<<16|curve(n>>8&255)<<8|curve(n&255))
}

// overlayPicture is the node of a picture. Without a width of its own it is as large as
// a watermark.
func (p *planner) overlayPicture(l layer, r rendition, watermarks []string) *overlay {
	g := r.geometry
	over := overlayOf(watermark{name: l.File}, watermarks, 1, g, r.settings.PixFmt, p.watermarkColours(r), p.watermarkTone(r))
	if l.Width > 0 {
		at := slices.IndexFunc(over.filters, func(f string) bool { return strings.Contains(f, "force_original_aspect_ratio") })
		over.filters[at] = fmt.Sprintf("scale=w=%d:h=%d:force_original_aspect_ratio=decrease:flags=bicubic%s", max(2, percent(l.Width, g.W)), g.H, p.watermarkColours(r))
	}
	if l.Opacity < 1 {
		at := slices.Index(over.filters, "settb=1")
		over.filters = slices.Insert(over.filters, at, "lut=c3=val*"+decimal(l.Opacity))
	}
	x, y := l.place(percent(l.Margin, g.H), "main_w", "main_h", "overlay_w", "overlay_h")
	format, _ := overlayFormat(r.settings.PixFmt)
	over.args = fmt.Sprintf("overlay=x=%s:y=%s:format=%s%s", x, y, format, p.shown(l, r.window))
	return over
}

// timecodeText is a text for drawtext that computes the timecode of each frame from its
// time, so that nothing counts frames. first is the one of the first frame. A rate of 30000/1001 or
// 60000/1001 may be counted with dropped numbers (SMPTE ST 12-1), which first says by ";".
func (p *planner) timecodeText(first string, early float64, rate format.Rational) (string, *job.Error) {
	base := int(math.Round(fpsFloat(rate)))
	drop := 0
	if strings.Contains(first, ";") {
		if rate.Den != 1001 || base%30 != 0 {
			return "", job.Errorf(job.OutputParamNotValid, "The timecode %q drops frames, which is for 29.97 and 59.94 frames a second; this output has %.5g. Write a colon before the frames.", first, fpsFloat(rate))
		}
		drop = base / 15
	}
	field := func(at int) int { n, _ := strconv.Atoi(first[at : at+2]); return n }
	hours, minutes, secs, frames := field(0), field(3), field(6), field(9)
	if frames >= base {
		return "", job.Errorf(job.OutputParamNotValid, "The timecode %q has a frame %d, but the output has %d frames a second.", first, frames, base)
	}
	minutes += 60 * hours
	start := base*(60*minutes+secs) + frames - drop*(minutes-minutes/10)
	tenMinutes := 600*base - 9*drop
	// ld(0) is the number of the frame since midnight, as it would be counted without drops.
	number := fmt.Sprintf("st(0,mod(floor(max(0,t-%s)*%d/%d+0.5)+%d,%d));", seconds(early), rate.Num, rate.Den, start, 144*tenMinutes)
	if drop > 0 {
		number += fmt.Sprintf("st(1,mod(ld(0),%[1]d));st(0,ld(0)+%[2]d*floor(ld(0)/%[1]d)+%[3]d*max(0,floor((ld(1)-%[3]d)/%[4]d)));", tenMinutes, 9*drop, drop, 60*base-drop)
	}
	value := func(expression string) string { return "%{eif:" + number + expression + ":d:2}" }
	separator := ":"
	if drop > 0 {
		separator = ";"
	}
	return value(fmt.Sprintf("floor(ld(0)/%d)", 3600*base)) + ":" + value(fmt.Sprintf("mod(floor(ld(0)/%d),60)", 60*base)) + ":" +
		value(fmt.Sprintf("mod(floor(ld(0)/%d),60)", base)) + separator + value(fmt.Sprintf("mod(ld(0),%d)", base)), nil
}
