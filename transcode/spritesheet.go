package transcode

import (
	"fmt"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// spriteSheets are the sheets of one image output, on which its thumbnails are
// tiled.
type spriteSheets struct {
	thumbnails *thumbnails
	id         string
	pattern    string // of the names in the work directory
	name       string // the pattern when there are several, else the name of the only one
	columns    int
	rows       int
	each       int  // cells of a sheet that are used
	several    bool // sheets are numbered
	pixFmt     string
	encode     []string
	background string
}

// planSprite plans the sheets of o, whose cells are t. All sheets of an output
// have the same size; cells that no picture fills are at the end of the last.
func (p *planner) planSprite(o *job.Output, t *thumbnails) (Result, *job.Error) {
	pictures := len(t.times)
	each := pictures
	if l := o.Image.Sprite.Limit; l > 0 {
		each = min(each, l)
	}
	n := (pictures + each - 1) / each
	enc := encoder.ForImage(o.Format.Container)
	sheet := &spriteSheets{
		thumbnails: t, id: p.outputStepID(StepSpriteSheets, t.output, ""),
		columns: min(max(1, o.Image.Sprite.Columns), each), each: each, several: n > 1,
		encode: enc.CodecArgs(), pixFmt: enc.PixelFormat(p.alpha()), background: "black",
	}
	if p.alpha() {
		sheet.background = "black@0"
	}
	sheet.rows = (each + sheet.columns - 1) / sheet.columns
	w, h := sheet.columns*t.style.geometry.W, sheet.rows*t.style.geometry.H
	if most := codec.LookupContainer(o.Format.Container).MaxSide; w > most || h > most {
		return Result{}, job.Errorf(job.OutputParamNotValid, "The sprite of %d pictures would be %dx%d, but a side of %s has at most %d pixels; ask for smaller pictures, or for several sheets by the sprite's 'limit' and a sequence variable in the path.", each, w, h, o.Format.Container, most)
	}

	path, numbered := picturePath(o.Path)
	f := File{Path: path, ContentType: o.Format.ContentType(), Expect: Expect{Width: w, Height: h}}
	sheet.pattern = fmt.Sprintf("%s/sheet-%%05d.%s", t.dir, o.Format.Extension())
	sheet.name = sheet.pattern
	switch {
	case sheet.several && !numbered:
		return Result{}, noSequence(o.Path, n, "sheets")
	case sheet.several:
		f.Count = n
	default:
		sheet.name = fmt.Sprintf(sheet.name, 1)
		if numbered {
			f.Path = fmt.Sprintf(path, 1)
		}
	}
	f.Name = sheet.name
	r := Result{Files: []File{f}}
	if o.Image.VTT != nil {
		t.track = &ThumbnailTrack{
			Name: t.dir + "/track.vtt", Pictures: t.pattern(), Times: t.times, End: p.src.videoEnd(),
			Width: t.style.geometry.W, Height: t.style.geometry.H, Columns: sheet.columns, PerSheet: each,
		}
		for k := range t.times {
			image := f.Path
			if sheet.several {
				image = fmt.Sprintf(path, k/each+1)
			}
			t.track.Images = append(t.track.Images, image)
		}
		r.Files = append(r.Files, t.track.file(o))
	}
	p.spriteSheets = append(p.spriteSheets, sheet)
	return r, nil
}

func noSequence(path string, n int, what string) *job.Error {
	return job.Errorf(job.OutputPathNotValid, "The path %q must hold a sequence variable such as %%.2d, because %d %s are made.", path, n, what)
}

// step reads the cells in the order of their numbers. needs are the steps that
// make them.
func (s *spriteSheets) step(needs []string) Step {
	filters := []string{fmt.Sprintf("tile=%dx%d:nb_frames=%d:color=%s", s.columns, s.rows, s.each, s.background)}
	filters = append(filters, "scale=flags=bicubic"+pictureColours(s.pixFmt), "format="+s.pixFmt)
	step := Step{ID: s.id, Kind: StepSpriteSheets, Needs: needs, Files: []string{s.name}, Outputs: []int{s.thumbnails.output}, Cost: 0.5}
	step.addArgs("-f", "image2", "-framerate", "1", "-start_number", "1", "-i", s.thumbnails.pattern(), "-vf", strings.Join(filters, ","), "-fps_mode", "passthrough")
	step.addArgs(s.encode...)
	step.addArgs("-map_metadata", "-1", "-f", "image2")
	if !s.several {
		step.addArgs("-frames:v", "1", "-update", "1")
	}
	step.addArgs(s.name)
	return step
}
