package transcode

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"path"
	"strings"

	"github.com/copra-video/copra/job"
)

// ThumbnailTrack writes a WebVTT track that tells players which picture to show
// for a moment of the time line: a file, or a part of a sheet by a media fragment
// (#xywh=x,y,w,h in pixels). It runs when the pictures are made, since only then
// it is known how many there are.
type ThumbnailTrack struct {
	Name     string    // of the track in the work directory
	Pictures string    // number pattern of the single pictures in the work directory, from 1
	Images   []string  // the published path of the file that shows the picture, one a picture
	Times    []float64 // seconds at which the pictures are taken, ascending
	End      float64   // of the video in seconds

	// Of sheets: the size of a cell, cells in a row and on a sheet.
	Width, Height, Columns, PerSheet int `json:",omitempty"`
}

// file is how the track of o is published: after the pictures, which it names
// without a folder.
func (t *ThumbnailTrack) file(o *job.Output) File {
	return File{Name: t.Name, Path: trackPath(o), ContentType: "text/vtt", Check: CheckNone, Index: true}
}

// trackStep writes the track of t. needs are the steps that make the pictures.
func (p *planner) trackStep(t *thumbnails, needs []string) Step {
	return Step{
		ID: p.outputStepID(StepThumbnailTrack, t.output, ""), Kind: StepThumbnailTrack, Op: Operation{ThumbnailTrack: t.track},
		Needs: needs, Files: []string{t.track.Name}, Outputs: []int{t.output}, Cost: 0.01,
	}
}

// WebVTT writes the track for the first made pictures. A cue lasts from the
// moment of its picture to that of the next one. The first cue begins at zero and
// the last one ends with the video, so that every moment has a picture.
func (t *ThumbnailTrack) WebVTT(made int) []byte {
	var b bytes.Buffer
	b.WriteString("WEBVTT\n")
	made = min(made, len(t.Times), len(t.Images))
	for k := range made {
		end := t.End
		if k+1 < made {
			end = t.Times[k+1]
		}
		begin := t.Times[k]
		if k == 0 {
			begin = 0
		}
		start, stop := milliseconds(begin), milliseconds(end)
		if stop <= start {
			stop = start + 1 // a cue must last
		}
		fmt.Fprintf(&b, "\n%s --> %s\n%s", clock(start), clock(stop), (&url.URL{Path: path.Base(t.Images[k])}).EscapedPath())
		if t.PerSheet > 0 {
			cell := k % t.PerSheet
			fmt.Fprintf(&b, "#xywh=%d,%d,%d,%d", cell%t.Columns*t.Width, cell/t.Columns*t.Height, t.Width, t.Height)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func milliseconds(s float64) int64 { return int64(math.Round(s * 1000)) }

// clock prints milliseconds as WebVTT does.
func clock(ms int64) string {
	s := ms / 1000
	return fmt.Sprintf("%02d:%02d:%02d.%03d", s/3600, s/60%60, s%60, ms%1000)
}

// trackPath is where the track of o is published: beside the pictures, under
// the name asked for or that of the picture without its number.
func trackPath(o *job.Output) string {
	dir, file := path.Split(o.Path)
	name := o.Image.VTT.Filename
	if name == "" {
		file = strings.TrimSuffix(file, path.Ext(file))
		if at, end, ok := sequence(file); ok {
			file = file[:at] + file[end:]
		}
		name = strings.Trim(file, "-_. ")
		if name == "" {
			name = "thumbnails"
		}
	}
	if !strings.EqualFold(path.Ext(name), ".vtt") {
		name += ".vtt"
	}
	return dir + name
}
