package transcode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// thumbnails are the pictures of one image output.
type thumbnails struct {
	output   int
	id       string
	dir      string // in the work directory
	ext      string
	times    []float64 // distinct and ascending; picture n is numbered n+1
	interval float64   // seconds; 0: times were chosen one by one
	style    pictureStyle
	encode   []string // -c:v and its options
	stream   int
	still    bool     // of a source that is a picture
	steps    []string // IDs of those that make the pictures; known when they are written
}

func (s *thumbnails) pattern() string { return s.dir + "/%05d." + s.ext }

func (s *thumbnails) name(n int) string { return fmt.Sprintf(s.pattern(), n) }

// maxSeeks is up to how many pictures are found by seeking; more of them are
// cheaper to take from one decode. seekBatch is how many one ffmpeg finds: each
// opens the source once.
const (
	maxSeeks  = 100
	seekBatch = 10
)

// maxPictures bounds what a small interval makes of a long film.
const maxPictures = 10000

// planThumbnails plans the image output i.
func (p *planner) planThumbnails(i int, o *job.Output) (Result, *job.Error) {
	im := o.Image
	if p.src.video == nil {
		return Result{}, noPicture()
	}
	if im.VTT != nil && p.src.still {
		return Result{}, job.Errorf(job.OutputParamNotValid, "The input is a picture and has no time line, so no 'vtt' can be made of it.")
	}
	encode, pixFmt, ok := imageEncoder(o.Format.Container, p.alpha())
	if !ok {
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The image format %q is not supported yet.", o.Format.Container)
	}
	s := &thumbnails{
		output: i, id: p.outputStepID(StepThumbnails, i, ""), dir: fmt.Sprintf("%sout%d", p.prefix, i+1), ext: o.Format.Extension(),
		encode: encode, stream: p.src.video.Index, still: p.src.still,
	}
	if im.Sprite != nil {
		// The cells of a sheet lose nothing before the sheet is encoded.
		s.ext, s.encode, pixFmt = "png", []string{"-c:v", "png", "-compression_level", "1"}, rgbFor(p.alpha())
	}
	var err *job.Error
	if s.style, err = p.newPictureStyle(o.Format.Video.Resolution, im, pixFmt); err != nil {
		return Result{}, err
	}
	s.interval = pictureInterval(im, p.src.Duration)
	if n := p.src.videoEnd() / s.interval; s.interval > 0 && n > maxPictures {
		return Result{}, job.Errorf(job.OutputParamNotValid, "An 'interval' of %s s makes %.0f pictures of this input; at most %d are accepted.", seconds(s.interval), n, maxPictures)
	}
	order, times := p.pictureTimes(im)
	s.times = times
	var r Result
	if im.Sprite != nil {
		r, err = p.sprite(o, s)
	} else {
		r.Files, err = s.files(o, order)
		if err == nil && im.VTT != nil {
			r.Track = s.track(o, order, p.src.videoEnd())
		}
	}
	if err != nil {
		return Result{}, err
	}
	p.thumbnails = append(p.thumbnails, s)
	p.fetchWatermark(s.style.watermark, i)
	return r, nil
}

func noPicture() *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "The input has no video, so no picture can be taken from it.")
}

// files are what is published: one pattern when the pictures are in the order
// of time, each by itself when they were asked for in another.
func (s *thumbnails) files(o *job.Output, order []int) ([]File, *job.Error) {
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

// placeThumbnails takes pictures from the decode of a whole-length encode where
// there is one: they then cost next to nothing.
func (p *planner) placeThumbnails() {
	for _, g := range p.groups {
		if g.window != (window{}) || len(g.videos) == 0 {
			continue
		}
		g.thumbnails, p.thumbnails = p.thumbnails, nil
		return
	}
}

// selectFilter lets through the first frame at or after each moment.
func (s *thumbnails) selectFilter() string {
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
func (s *thumbnails) graphArgs(label string) []string {
	args := []string{"-map", "[" + label + "]", "-fps_mode", "passthrough"}
	args = append(args, s.encode...)
	return append(args, "-map_metadata", "-1", "-f", "image2", s.pattern())
}

// thumbnailSteps makes pictures without any encode over the same window: by
// seeking, or from one decode when they are many.
func (p *planner) thumbnailSteps(s *thumbnails) []Step {
	watermarks := watermarkNames(nil, []*thumbnails{s})
	if len(s.times) > maxSeeks {
		tree := &branch{filters: []string{s.selectFilter()}}
		s.style.graph(tree, watermarks, 1, thumbnailLabel(0))
		s.steps = []string{s.id}
		args := append([]string{"-i", SourceName}, watermarkInputs(watermarks)...)
		return []Step{{
			ID: s.id, Kind: StepThumbnails, Dirs: []string{s.dir}, Files: []string{s.pattern()}, Outputs: []int{s.output},
			Op:       Operation{FFmpeg: &FFmpeg{Args: append(append(args, "-filter_complex", render(p.videoInput(), tree)), s.graphArgs(thumbnailLabel(0))...)}},
			Duration: p.length(window{}), Cost: p.decodeCost(window{}),
		}}
	}
	var steps []Step
	for from := 0; from < len(s.times); from += seekBatch {
		steps = append(steps, s.seekStep(p, from, watermarks))
		s.steps = append(s.steps, steps[len(steps)-1].ID)
	}
	return steps
}

// seekStep finds up to seekBatch pictures from number from on.
func (s *thumbnails) seekStep(p *planner, from int, watermarks []string) Step {
	batch := s.times[from:min(from+seekBatch, len(s.times))]
	step := Step{ID: s.id, Kind: StepThumbnails, Dirs: []string{s.dir}, Outputs: []int{s.output}, Cost: 0.5 * float64(len(batch))}
	if from > 0 {
		step.ID += "-" + strconv.Itoa(from/seekBatch+1)
	}
	var roots []rooted
	var outs []string
	for k, t := range batch {
		in, each := p.openSource(window{offset: t})
		step.addArgs(in...)
		name := s.name(from + k + 1)
		label := fmt.Sprintf("%d:%d", k, s.stream)
		outs = append(outs, each...)
		if len(watermarks) == 0 {
			outs = append(outs, "-map", label, "-frames:v", "1", "-vf", strings.Join(append(slices.Clone(s.style.filters), s.style.after...), ","))
		} else {
			tree := &branch{}
			s.style.graph(tree, watermarks, len(batch), thumbnailLabel(k))
			roots = append(roots, rooted{label, tree})
			outs = append(outs, "-map", "["+thumbnailLabel(k)+"]", "-frames:v", "1")
		}
		outs = append(outs, s.encode...)
		outs = append(outs, "-map_metadata", "-1", "-f", "image2", "-update", "1", name)
		step.Files = append(step.Files, name)
	}
	step.addArgs(watermarkInputs(watermarks)...)
	if len(roots) > 0 {
		step.addArgs("-filter_complex", renderAll(roots))
	}
	step.addArgs(outs...)
	return step
}
