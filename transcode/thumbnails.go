package transcode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/encoder"
)

// thumbnails are the pictures of one image output.
type thumbnails struct {
	output    int
	id        string
	dir       string // in the work directory
	extension string
	times     []float64 // distinct and ascending; picture n is numbered n+1
	shown     []float64 // for each of them from when on a frame is the one on screen, see onScreen
	zero      float64   // see pictureZero
	start     float64   // when the first frame comes, in seconds
	interval  float64   // seconds; 0: times were chosen one by one
	grid      bool      // the times are the multiples of interval, of a chunk those from first on
	first     int       // of a chunk: how many moments come before it
	style     pictureStyle
	encode    []string // -c:v and its options
	muxer     string
	cues      bool // a picture may be any frame from its moment to the next
	stream    int  // index in the source
	still     bool // the source is a picture
	track     *ThumbnailTrack
}

// pattern is the name of the pictures, with a printf verb for the number.
func (t *thumbnails) pattern() string { return t.dir + "/%05d." + t.extension }

func (t *thumbnails) name(n int) string { return fmt.Sprintf(t.pattern(), n) }

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
	enc := encoder.ForImage(o.Format.Container)
	if enc == nil {
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The image format %q is not supported yet.", o.Format.Container)
	}
	t := &thumbnails{
		output: i, id: p.outputStepID(StepThumbnails, i, ""), dir: fmt.Sprintf("%sout%d", p.prefix, i+1), extension: o.Format.Extension(),
		encode: enc.CodecArgs(), muxer: enc.Muxer, stream: p.src.video.Index, zero: p.src.pictureZero(), start: p.src.firstFrame(), still: p.src.still,
	}
	if im.Sprite != nil {
		// The cells of a sheet lose nothing before the sheet is encoded.
		enc = encoder.ForImage("png")
		t.extension, t.encode = "png", append(enc.CodecArgs(), "-compression_level", "1")
	}
	var err *job.Error
	if t.style, err = p.newPictureStyle(o.Format.Video.Resolution, im, enc.PixelFormat(p.alpha())); err != nil {
		return Result{}, err
	}
	t.interval = pictureInterval(im, p.src.Duration)
	if n := p.src.videoEnd() / t.interval; t.interval > 0 && n > maxPictures {
		return Result{}, job.Errorf(job.OutputParamNotValid, "An 'interval' of %s s makes %.0f pictures of this input; at most %d are accepted.", seconds(t.interval), n, maxPictures)
	}
	var order []int
	order, t.times = p.pictureTimes(im)
	for _, moment := range t.times {
		t.shown = append(t.shown, p.src.onScreen(moment))
	}
	n := len(t.times)
	t.grid = t.interval > 0 && n > 1 && t.times[n-1] > (float64(n)-1.5)*t.interval
	t.cues = t.grid && !p.src.slow()
	var r Result
	if im.Sprite != nil {
		r, err = p.planSprite(o, t)
	} else {
		r, err = p.pictureFiles(o, t, order)
	}
	if err != nil {
		return Result{}, err
	}
	r.Seeks = !p.NoSeek && !t.still && t.times[len(t.times)-1] > 0
	p.thumbnails = append(p.thumbnails, t)
	p.fetchWatermark(t.style.watermark, i)
	return r, nil
}

func noPicture() *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "The input has no video, so no picture can be taken from it.")
}

// pictureFiles are what is published of pictures in files of their own. order
// maps the pictures as they were asked for to moments.
func (p *planner) pictureFiles(o *job.Output, t *thumbnails, order []int) (Result, *job.Error) {
	files, err := t.files(o, order)
	if err != nil || o.Image.VTT == nil {
		return Result{Files: files}, err
	}
	t.track = &ThumbnailTrack{Name: t.dir + "/track.vtt", Pictures: t.pattern(), Times: t.times, End: p.src.videoEnd()}
	// A moment is shown by the first file that has it.
	path, numbered := picturePath(o.Path)
	for k := range t.times {
		image := path
		if numbered {
			image = fmt.Sprintf(path, slices.Index(order, k)+1)
		}
		t.track.Images = append(t.track.Images, image)
	}
	return Result{Files: append(files, t.track.file(o))}, nil
}

// files are the pictures: one pattern when they are in the order of time, each by
// itself when they were asked for in another.
func (t *thumbnails) files(o *job.Output, order []int) ([]File, *job.Error) {
	contentType := o.Format.ContentType()
	path, numbered := picturePath(o.Path)
	if len(order) == 1 {
		if numbered {
			path = fmt.Sprintf(path, 1)
		}
		return []File{{Name: t.name(order[0] + 1), Path: path, ContentType: contentType}}, nil
	}
	if !numbered {
		return nil, noSequence(o.Path, len(order), "pictures")
	}
	if slices.IsSorted(order) && len(order) == len(t.times) {
		return []File{{Name: t.pattern(), Path: path, Count: len(order), ContentType: contentType}}, nil
	}
	var files []File
	for n, at := range order {
		files = append(files, File{Name: t.name(at + 1), Path: fmt.Sprintf(path, n+1), ContentType: contentType})
	}
	return files, nil
}

// graphArgs are the output options of pictures taken from a graph.
func (t *thumbnails) graphArgs(label string) []string {
	args := []string{"-map", "[" + label + "]", "-fps_mode", "passthrough"}
	args = append(args, t.encode...)
	args = append(args, "-map_metadata", "-1", "-f", t.muxer)
	if t.beginsLate() {
		args = append(args, "-start_number", "0")
	}
	return append(args, t.pattern())
}

// decodeThumbnailsStep takes all pictures from one decode.
func (p *planner) decodeThumbnailsStep(t *thumbnails, watermarks []string) Step {
	tree := &branch{}
	tree.add(p.src.sourceTags(), t.selectFilter())
	t.style.graph(tree, watermarks, 1, thumbnailLabel(0))
	s := Step{
		ID: t.id, Kind: StepThumbnails, Dirs: []string{t.dir}, Files: []string{t.pattern()}, Outputs: []int{t.output},
		Duration: p.length(window{}), Cost: p.decodeCost(window{}),
	}
	s.addArgs("-i", SourceName)
	s.addArgs(watermarkInputs(watermarks)...)
	s.addArgs("-filter_complex", render(p.videoInput(), tree))
	s.addArgs(t.graphArgs(thumbnailLabel(0))...)
	s.addArgs(p.syncWithAudio(nil)...)
	return s
}

// seekThumbnailsStep finds the pictures of a batch, whose number is part.
func (p *planner) seekThumbnailsStep(t *thumbnails, batch []int, part int, watermarks []string) Step {
	s := Step{ID: t.id, Kind: StepThumbnails, Dirs: []string{t.dir}, Outputs: []int{t.output}, Cost: 0.5 * float64(len(batch))}
	if part > 1 {
		s.ID += "-" + strconv.Itoa(part)
	}
	var tags []string
	if f := p.src.sourceTags(); f != "" {
		tags = []string{f}
	}
	var roots []rooted
	var outs []string
	for k, number := range batch {
		in, filters := p.openMoment(t, number)
		s.addArgs(in...)
		filters = append(filters, tags...)
		name := t.name(number + 1)
		input := fmt.Sprintf("%d:%d", k, t.stream)
		if len(watermarks) == 0 {
			outs = append(outs, "-map", input, "-vf", strings.Join(slices.Concat(filters, t.style.filters, t.style.after), ","))
		} else {
			// What is on screen may begin before the moment, so its time is negative;
			// the watermark begins at zero, and overlay adds nothing before that.
			tree := &branch{filters: append(filters, "setpts=PTS-STARTPTS")}
			t.style.graph(tree, watermarks, len(batch), thumbnailLabel(k))
			roots = append(roots, rooted{[]string{input}, tree})
			outs = append(outs, "-map", "["+thumbnailLabel(k)+"]")
		}
		outs = append(outs, "-frames:v", "1", "-fps_mode", "passthrough")
		outs = append(outs, t.encode...)
		outs = append(outs, "-map_metadata", "-1", "-f", t.muxer, "-update", "1", name)
		s.Files = append(s.Files, name)
	}
	s.addArgs(watermarkInputs(watermarks)...)
	if len(roots) > 0 {
		s.addArgs("-filter_complex", renderAll(roots))
	}
	s.addArgs(outs...)
	return s
}
