package transcode

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// stills are the pictures of one image output.
type stills struct {
	output   int
	id       string
	dir      string // in the work directory
	ext      string
	times    []float64 // distinct and ascending; picture n is numbered n+1
	interval float64   // seconds; 0: times were chosen one by one
	look     look
	encode   []string // -c:v and its options
	stream   int
	still    bool     // of a source that is a picture
	steps    []string // IDs of those that make the pictures; known when they are written
}

// look is how a decoded frame becomes a picture.
type look struct {
	filters  []string // up to the watermark
	mark     mark
	after    []string
	geometry geometry
	pixFmt   string
}

// graph adds a look to a tree, with its pad.
func (l look) graph(at *branch, marks []string, first int, pad string) {
	at = at.child(l.filters...)
	at.over = lay(l.mark, marks, first, l.geometry, l.pixFmt, pictureColours(l.pixFmt), nil)
	at.child(l.after...).pad = pad
}

func (s *stills) pattern() string { return s.dir + "/%05d." + s.ext }

func (s *stills) name(n int) string { return fmt.Sprintf(s.pattern(), n) }

// maxSeeks is up to how many pictures are found by seeking; more of them are
// cheaper to take from one decode. seekBatch is how many one ffmpeg finds: each
// opens the source once.
const (
	maxSeeks  = 100
	seekBatch = 10
)

// maxPictures bounds what a small interval makes of a long film.
const maxPictures = 10000

// pictures plans the image output i.
func (p *planner) pictures(i int, o *job.Output) (Result, *job.Error) {
	im := o.Image
	if p.src.video == nil {
		return Result{}, noPicture()
	}
	if im.VTT != nil && p.src.still {
		return Result{}, job.Errorf("output_param_not_valid", "The input is a picture and has no time line, so no 'vtt' can be made of it.")
	}
	encode, pixFmt, ok := pictureEncoder(o.Format.Container, p.alpha())
	if !ok {
		return Result{}, job.Errorf("output_format_not_valid", "The image format %q is not supported yet.", o.Format.Container)
	}
	s := &stills{
		output: i, id: p.finalID(StepStills, i, ""), dir: fmt.Sprintf("%sout%d", p.prefix, i+1), ext: o.Format.Extension(),
		encode: encode, stream: p.src.video.Index, still: p.src.still,
	}
	if im.Sprite != nil {
		// The cells of a sheet lose nothing before the sheet is encoded.
		s.ext, s.encode, pixFmt = "png", []string{"-c:v", "png", "-compression_level", "1"}, rgbFor(p.alpha())
	}
	var err *job.Error
	if s.look, err = p.newLook(o.Format.Video.Resolution, im, pixFmt); err != nil {
		return Result{}, err
	}
	s.interval = pictureInterval(im, p.src.Duration)
	if n := p.src.videoEnd() / s.interval; s.interval > 0 && n > maxPictures {
		return Result{}, job.Errorf("output_param_not_valid", "An 'interval' of %s s makes %.0f pictures of this input; at most %d are accepted.", seconds(s.interval), n, maxPictures)
	}
	order, times := p.pictureTimes(im)
	s.times = times
	var r Result
	if im.Sprite != nil {
		r, err = p.sprite(o, s)
	} else {
		r.Files, err = s.files(o, order)
		if err == nil && im.VTT != nil {
			r.Track = s.thumbnails(o, order, p.src.videoEnd())
		}
	}
	if err != nil {
		return Result{}, err
	}
	p.stills = append(p.stills, s)
	p.fetchMark(s.look.mark, i)
	return r, nil
}

func noPicture() *job.Error {
	return job.Errorf("output_format_not_valid", "The input has no video, so no picture can be taken from it.")
}

// newLook resolves how the pictures of an output look.
func (p *planner) newLook(r format.Resolution, im *job.ImageParams, pixFmt string) (look, *job.Error) {
	prep, in, err := prepare(p.src.frame, edits{
		deinterlace: p.src.interlaced(), single: true, transpose: im.Transpose, hflip: im.HFlip, vflip: im.VFlip, square: im.Square,
	})
	if err != nil {
		return look{}, err
	}
	mode := fitPad
	if im.Fit == "crop" {
		mode = fitCrop
	}
	g := fitPicture(in, squareResolution(r, im.Square), mode)
	l := look{mark: p.newMark(im.Watermark), geometry: g, pixFmt: pixFmt}
	w, h := in.W, in.H
	if p.alpha() && !hasAlpha(pixFmt) {
		// Black letters on nothing must not become black on black: below what
		// is transparent there is white.
		l.filters, w, h = append(l.filters, "format=gbrap", "negate", "premultiply=inplace=1", "negate"), 0, 0
	}
	if prep != "" {
		l.filters, w, h = append(l.filters, prep), 0, 0
	}
	if p.src.hdr() {
		if err := p.noSDR(); err != nil {
			return look{}, err
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
	if l.mark != (mark{}) {
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

// pictureEncoder is the table of picture formats.
func pictureEncoder(container string, alpha bool) (args []string, pixFmt string, ok bool) {
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

// pictureInterval is the interval asked for; 0 asks for the automatic one of
// coconut-v2.md section 5.3. It is 0 when no interval was asked for.
func pictureInterval(im *job.ImageParams, duration float64) float64 {
	switch {
	case !im.HasInterval:
		return 0
	case im.Interval > 0:
		return im.Interval
	case duration <= 120:
		return 2
	case duration <= 600:
		return 5
	case duration <= 1800:
		return 10
	case duration <= 3600:
		return 20
	}
	return 30
}

// pictureTimes chooses the moments. Times are distinct and ascending; order
// maps the pictures as asked for to them.
//
// A number of pictures are the middles of as many equal parts, so that one
// picture is from the middle of the film. An offset beyond the end means the
// last frame: a customer who guessed the length gets a picture and no error.
func (p *planner) pictureTimes(im *job.ImageParams) (order []int, times []float64) {
	end := p.src.videoEnd()
	last := 0.0
	if rate := p.src.rate(); validRate(rate) {
		last = math.Max(0, end-1.5/fpsFloat(rate))
	} else {
		last = math.Max(0, end-0.1)
	}
	var asked []float64
	switch step := pictureInterval(im, p.src.Duration); {
	case p.src.still || end == 0:
		asked = []float64{0}
	case len(im.Offsets) > 0:
		asked = append(asked, im.Offsets...)
	case step > 0:
		for n := 0; n == 0 || float64(n)*step <= last; n++ {
			asked = append(asked, float64(n)*step)
		}
	default:
		n := max(1, im.Number)
		for k := range n {
			asked = append(asked, end*(float64(k)+0.5)/float64(n))
		}
	}
	for i, t := range asked {
		asked[i] = math.Round(1e6*min(max(t, 0), last)) / 1e6
	}
	times = slices.Compact(slices.Sorted(slices.Values(asked)))
	// Of two moments within a frame the first one's picture serves both.
	frame := 0.0
	if rate := p.src.rate(); validRate(rate) {
		frame = 1 / fpsFloat(rate)
	}
	kept := times[:0]
	for _, t := range times {
		if len(kept) == 0 || t-kept[len(kept)-1] >= frame {
			kept = append(kept, t)
		}
	}
	times = kept
	for _, t := range asked {
		at, found := slices.BinarySearch(times, t)
		if !found {
			at--
		}
		order = append(order, max(0, at))
	}
	return order, times
}

// files are what is published: one pattern when the pictures are in the order
// of time, each by itself when they were asked for in another.
func (s *stills) files(o *job.Output, order []int) ([]File, *job.Error) {
	contentType := o.Format.ContentType()
	path, several := picturePath(o.Path)
	if len(order) == 1 {
		if several {
			path = fmt.Sprintf(path, 1)
		}
		return []File{{Name: s.name(order[0] + 1), Path: path, ContentType: contentType}}, nil
	}
	if !several {
		return nil, noSequence(o.Path, len(order), "pictures")
	}
	if slices.IsSorted(order) && len(order) == len(s.times) {
		return []File{{Name: s.pattern(), Path: path, Count: len(order), ContentType: contentType}}, nil
	}
	var files []File
	for n, at := range order {
		files = append(files, File{Name: s.name(at + 1), Path: fmt.Sprintf(path, n+1), ContentType: contentType})
	}
	return files, nil
}

// picturePath turns the sequence variables of Coconut into one of Go's:
// "%.2d", "%02d", "%d" and "#num#", which is "%02d". Without one it returns the
// path as it is and false.
func picturePath(path string) (string, bool) {
	at, end, ok := sequence(path)
	if !ok {
		return path, false
	}
	width := 2
	if path[at] == '%' {
		var err error
		if width, err = strconv.Atoi(strings.Trim(path[at+1:end-1], ".")); err != nil || width > 20 {
			width = 1
		}
	}
	return fmt.Sprintf("%s%%0%dd%s", escapePercent(path[:at]), width, escapePercent(path[end:])), true
}

// sequence finds the variable for the number of a picture in a path.
func sequence(path string) (from, to int, ok bool) {
	const num = "#num#"
	if at := strings.Index(path, num); at >= 0 {
		return at, at + len(num), true
	}
	for at := range len(path) {
		if path[at] != '%' {
			continue
		}
		end := at + 1
		for end < len(path) && (path[end] == '.' || path[end] >= '0' && path[end] <= '9') {
			end++
		}
		if end < len(path) && path[end] == 'd' {
			return at, end + 1, true
		}
	}
	return 0, 0, false
}

func escapePercent(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// placeStills takes pictures from the decode of a whole-length encode where
// there is one: they then cost next to nothing.
func (p *planner) placeStills() {
	for _, g := range p.groups {
		if g.window != (window{}) || len(g.videos) == 0 {
			continue
		}
		g.stills, p.stills = p.stills, nil
		return
	}
}

// selectFilter lets through the first frame at or after each moment.
func (s *stills) selectFilter() string {
	if s.still {
		return "select='eq(n,0)'"
	}
	if s.interval > 0 && len(s.times) > 1 {
		cell := func(t string) string { return "floor((" + t + "+0.0005)/" + seconds(s.interval) + ")" }
		return fmt.Sprintf("select='lt(t,%s)*(isnan(prev_selected_t)+gt(%s,%s))'",
			seconds(s.times[len(s.times)-1]+s.interval-0.0005), cell("t"), cell("prev_selected_t"))
	}
	var terms []string
	for _, t := range s.times {
		at := seconds(max(0, t-0.0005)) // times are rounded in some containers
		terms = append(terms, fmt.Sprintf("gte(t,%s)*(isnan(prev_selected_t)+lt(prev_selected_t,%s))", at, at))
	}
	return "select='" + strings.Join(terms, "+") + "'"
}

// graphArgs are the output options of pictures taken from a graph.
func (s *stills) graphArgs(pad string) []string {
	args := []string{"-map", "[" + pad + "]", "-fps_mode", "passthrough"}
	args = append(args, s.encode...)
	return append(args, "-map_metadata", "-1", "-f", "image2", s.pattern())
}

// stillSteps makes pictures without any encode over the same window: by
// seeking, or from one decode when they are many.
func (p *planner) stillSteps(s *stills) []Step {
	marks := markNames(nil, []*stills{s})
	if len(s.times) > maxSeeks {
		tree := &branch{filters: []string{s.selectFilter()}}
		s.look.graph(tree, marks, 1, stillPad(0))
		s.steps = []string{s.id}
		args := append([]string{"-i", SourceName}, markInputs(marks)...)
		return []Step{{
			ID: s.id, Kind: StepStills, Dirs: []string{s.dir}, Files: []string{s.pattern()}, Outputs: []int{s.output},
			Op:       Operation{FFmpeg: &FFmpeg{Args: append(append(args, "-filter_complex", render(p.videoPad(), tree)), s.graphArgs(stillPad(0))...)}},
			Duration: p.length(window{}), Cost: p.decodeCost(window{}),
		}}
	}
	var steps []Step
	for from := 0; from < len(s.times); from += seekBatch {
		steps = append(steps, s.seekStep(p, from, marks))
		s.steps = append(s.steps, steps[len(steps)-1].ID)
	}
	return steps
}

// seekStep finds up to seekBatch pictures from number from on.
func (s *stills) seekStep(p *planner, from int, marks []string) Step {
	batch := s.times[from:min(from+seekBatch, len(s.times))]
	step := Step{ID: s.id, Kind: StepStills, Dirs: []string{s.dir}, Outputs: []int{s.output}, Cost: 0.5 * float64(len(batch))}
	if from > 0 {
		step.ID += "-" + strconv.Itoa(from/seekBatch+1)
	}
	var roots []rooted
	var outs []string
	for k, t := range batch {
		in, each := p.open(window{offset: t})
		step.addArgs(in...)
		name := s.name(from + k + 1)
		pad := fmt.Sprintf("%d:%d", k, s.stream)
		outs = append(outs, each...)
		if len(marks) == 0 {
			outs = append(outs, "-map", pad, "-frames:v", "1", "-vf", strings.Join(append(slices.Clone(s.look.filters), s.look.after...), ","))
		} else {
			tree := &branch{}
			s.look.graph(tree, marks, len(batch), stillPad(k))
			roots = append(roots, rooted{pad, tree})
			outs = append(outs, "-map", "["+stillPad(k)+"]", "-frames:v", "1")
		}
		outs = append(outs, s.encode...)
		outs = append(outs, "-map_metadata", "-1", "-f", "image2", "-update", "1", name)
		step.Files = append(step.Files, name)
	}
	step.addArgs(markInputs(marks)...)
	if len(roots) > 0 {
		step.addArgs("-filter_complex", renderAll(roots))
	}
	step.addArgs(outs...)
	return step
}
