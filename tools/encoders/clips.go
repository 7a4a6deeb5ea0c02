package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/copra-video/copra/tools/measure"
)

// clip is what is encoded: pictures without compression, so that a measurement has
// hardly any work besides encoding.
type clip struct {
	name  string
	what  string   // for readers of the page
	args  []string // of ffmpeg; FILM stands for the film of make demo, MEDIA for a folder of clips, TEXT for a file of text
	file  string   // once it is made
	large bool     // of 1280x720, so that it takes four times as long; only some sweeps have it
}

// clips come in the order in which they are measured, since time may end before all are.
var clips = []clip{
	{name: "film", what: "a film of drawn pictures, 640x360", args: []string{"-ss", "11", "-i", "FILM", "-vf", "scale=640:360:flags=bicubic"}},
	{name: "grain", what: "a picture of edges and colours that moves, with noise as of a film, 640x360",
		args: []string{"-f", "lavfi", "-i", "testsrc2=s=704x396:r=25,crop=640:360:x='32+24*sin(t*1.3)':y='18+12*sin(t*2.1)',gblur=sigma=1,noise=alls=10:allf=t"}},
	{name: "film 720p", what: "the film, another part, 1280x720", large: true,
		args: []string{"-ss", "20", "-i", "FILM", "-vf", "scale=1280:720:flags=bicubic"}},
	{name: "camera", what: "a scene by a camera, 640x360", args: []string{"-ss", "2", "-i", "MEDIA/stereo-1080p25.mp4", "-vf", "scale=640:360:flags=bicubic"}},
	{name: "zoom", what: "a zoom into a fractal, 640x360", args: []string{"-f", "lavfi", "-i", "mandelbrot=s=640x360:r=25:start_scale=0.6:end_scale=0.02:end_pts=100"}},
	{name: "phone", what: "a scene by a telephone, upright, 360x640", args: []string{"-ss", "1", "-i", "MEDIA/parametric-stereo.mp4", "-vf", "scale=360:640:flags=bicubic"}},
	{name: "screen", what: "a page of text that scrolls, 640x360",
		args: []string{"-f", "lavfi", "-i", "color=white:s=640x360:r=25,drawtext=textfile=TEXT:expansion=none:font=Mono:fontsize=13:fontcolor=0x202020:x=12:y='8-if(lt(mod(t,1),0.5),0,mod(t,1)-0.5)*120-floor(t)*60'"}},
	{name: "dark", what: "the film as if at night, with noise of a sensor, 640x360",
		args: []string{"-ss", "5", "-i", "FILM", "-vf", "scale=640:360:flags=bicubic,eq=brightness=-0.18:contrast=0.55,noise=alls=6:allf=t"}},
	{name: "pan", what: "a quick pan over the film, without motion blur, 640x360",
		args: []string{"-ss", "15", "-i", "FILM", "-vf", "crop=640:360:x='(iw-ow)*(0.5+0.5*sin(t*2.3))':y='(ih-oh)*(0.5+0.4*cos(t*1.7))'"}},
	{name: "camera 720p", what: "the scene by a camera, another part, 1280x720", large: true,
		args: []string{"-ss", "6", "-i", "MEDIA/stereo-1080p25.mp4", "-vf", "scale=1280:720:flags=bicubic"}},
}

// makeClips writes the clips of which there is a source, so many seconds of each.
func (l *lab) makeClips(ctx context.Context) ([]clip, error) {
	var made []clip
	for _, c := range clips {
		if len(l.only) > 0 && !l.only[c.name] {
			continue
		}
		args, ok := l.sourceOf(c)
		if !ok {
			fmt.Fprintf(os.Stderr, "encoders: no source for the clip %q here: see -film and -media\n", c.name)
			continue
		}
		c.file = filepath.Join(l.dir, fmt.Sprintf("clip%d.nut", len(made)))
		args = append(args, "-t", strconv.FormatFloat(l.seconds, 'f', -1, 64), "-r", strconv.Itoa(fps), "-an", "-pix_fmt", "yuv420p", "-c:v", "rawvideo", c.file)
		if _, err := measure.FFmpeg(ctx, l.dir, args...); err != nil {
			return nil, fmt.Errorf("clip %s: %w", c.name, err)
		}
		made = append(made, c)
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("no clip to encode")
	}
	return made, nil
}

// sourceOf fills in where the source of a clip is; false: there is none.
func (l *lab) sourceOf(c clip) ([]string, bool) {
	args := make([]string, 0, len(c.args)+8)
	for _, a := range c.args {
		name, inMedia := strings.CutPrefix(a, "MEDIA/")
		switch {
		case a == "FILM":
			a = l.film
		case strings.Contains(a, "textfile=TEXT"):
			text, err := filepath.Abs("LICENSE")
			if err != nil || !measure.Exists(text) {
				return nil, false
			}
			a = strings.Replace(a, "TEXT", text, 1)
		case inMedia && l.media == "":
			return nil, false
		case inMedia:
			a = filepath.Join(l.media, name)
		}
		if (inMedia || a == l.film) && !measure.Exists(a) {
			return nil, false
		}
		args = append(args, a)
	}
	return args, true
}
