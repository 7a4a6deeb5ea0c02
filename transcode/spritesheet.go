package transcode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// spriteSheets are the contact sheets of one image output.
type spriteSheets struct {
	thumbnails *thumbnails
	output     int
	id         string
	name       string // in the work directory; a pattern when there are several
	columns    int
	rows       int
	each       int // cells of a sheet that are used
	count      int // sheets; 0: one, without a number
	colours    string
	pixFmt     string
	encode     []string
	background string
}

// maxSheet is the longest side that a format holds.
var maxSheet = map[string]int{"jpg": 65500, "png": 65500, "webp": 16383}

// sprite plans the sheets of o, whose cells are s. All sheets of an output
// have the same size; cells that no picture fills are at the end of the last.
func (p *planner) sprite(o *job.Output, s *thumbnails) (Result, *job.Error) {
	pictures := len(s.times)
	each := pictures
	if l := o.Image.Sprite.Limit; l > 0 {
		each = min(each, l)
	}
	n := (pictures + each - 1) / each
	encode, pixFmt, _ := imageEncoder(o.Format.Container, p.alpha())
	sh := &spriteSheets{
		thumbnails: s, output: s.output, id: p.outputStepID(StepSpriteSheets, s.output, ""),
		columns: min(max(1, o.Image.Sprite.Columns), each), each: each, encode: encode, pixFmt: pixFmt, colours: pictureColours(pixFmt),
		background: "black",
	}
	if p.alpha() {
		sh.background = "black@0"
	}
	sh.rows = (each + sh.columns - 1) / sh.columns
	w, h := sh.columns*s.style.geometry.W, sh.rows*s.style.geometry.H
	if most := maxSheet[o.Format.Container]; w > most || h > most {
		return Result{}, job.Errorf(job.OutputParamNotValid, "The sprite of %d pictures would be %dx%d, but a side of %s has at most %d pixels; ask for smaller pictures, or for several sheets by the sprite's 'limit' and a sequence variable in the path.", each, w, h, o.Format.Container, most)
	}

	path, numbered := picturePath(o.Path)
	f := File{Path: path, ContentType: o.Format.ContentType(), Expect: Expect{Width: w, Height: h}}
	sh.name = fmt.Sprintf("%s/sheet-%%05d.%s", s.dir, o.Format.Extension())
	switch {
	case n > 1 && !numbered:
		return Result{}, noSequence(o.Path, n, "sheets")
	case n > 1:
		f.Count, sh.count = n, n
	default:
		sh.name = fmt.Sprintf(sh.name, 1)
		if numbered {
			f.Path = fmt.Sprintf(path, 1)
		}
	}
	f.Name = sh.name
	r := Result{Files: []File{f}}
	if o.Image.VTT != nil {
		t := &ThumbnailTrack{
			Path: trackPath(o), Pictures: s.pattern(), Times: s.times, End: p.src.videoEnd(),
			Width: s.style.geometry.W, Height: s.style.geometry.H, Columns: sh.columns, PerSheet: each,
		}
		for k := range s.times {
			image := f.Path
			if n > 1 {
				image = fmt.Sprintf(path, k/each+1)
			}
			t.Images = append(t.Images, image)
		}
		r.Track = t
	}
	p.spriteSheets = append(p.spriteSheets, sh)
	return r, nil
}

func noSequence(path string, n int, what string) *job.Error {
	return job.Errorf(job.OutputPathNotValid, "The path %q must hold a sequence variable such as %%.2d, because %d %s are made.", path, n, what)
}

// step reads the cells in the order of their numbers.
func (s *spriteSheets) step() Step {
	filters := []string{fmt.Sprintf("tile=%dx%d:nb_frames=%d:color=%s", s.columns, s.rows, s.each, s.background)}
	if s.colours != "" {
		filters = append(filters, "scale="+strings.TrimPrefix(s.colours, ":"))
	}
	filters = append(filters, "format="+s.pixFmt)
	args := []string{"-f", "image2", "-framerate", "1", "-start_number", "1", "-i", s.thumbnails.pattern(), "-vf", strings.Join(filters, ","), "-fps_mode", "passthrough"}
	args = append(args, s.encode...)
	args = append(args, "-map_metadata", "-1", "-f", "image2")
	if s.count == 0 {
		args = append(args, "-frames:v", strconv.Itoa(1), "-update", "1")
	}
	return Step{
		ID: s.id, Kind: StepSpriteSheets, Op: Operation{FFmpeg: &FFmpeg{Args: append(args, s.name)}}, Needs: s.thumbnails.steps, Files: []string{s.name},
		Outputs: []int{s.output}, Cost: 0.5,
	}
}
