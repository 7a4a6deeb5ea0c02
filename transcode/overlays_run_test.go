package transcode

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/cube"
	"github.com/copra-video/copra/transcode/format"
)

// overlaid is an output of 160x120 with overlays.
func overlaid(t testing.TB, line string, list ...job.Overlay) *job.Output {
	t.Helper()
	o := output(t, line)
	for i := range list {
		l := &list[i]
		if l.Position == "" {
			l.Position = "topleft"
		}
		if l.Color == "" {
			l.Color = "ffffff"
		}
		l.BoxColor = "000000"
		if l.Size == 0 {
			l.Size = 20
		}
		if l.Opacity == 0 {
			l.Opacity = 1
		}
	}
	o.Video.Overlay = list
	return o
}

// light is the mean of red, green and blue of a part of the frames of a file, one row for each
// frame.
func light(t testing.TB, dir, name, crop string) [][]byte {
	t.Helper()
	out, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", name, "-map", "0:v:0", "-vf", "format=gbrp,crop="+crop+",scale=1:1:flags=area,format=rgb24", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	var rows [][]byte
	for at := 0; at+3 <= len(out); at += 3 {
		rows = append(rows, []byte(out[at:at+3]))
	}
	return rows
}

func gray(t testing.TB) string {
	t.Helper()
	return clip(t, "-f", "lavfi", "-i", "color=0x406080:s=160x120:r=10:d=6,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
		"-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-color_range", "tv", "-f", "mp4")
}

// Texts are in their place, from start to end, and nowhere else, whatever they are; in one
// piece, in chunks and in a part of the input.
func TestOverlayText(t *testing.T) {
	t.Parallel()
	source := gray(t)
	const injection = `A':x=0,drawtext=text='B%{pts}\:;[v1]`
	for name, c := range map[string]struct {
		options Options
		line    string
		frames  int
	}{
		"one piece": {Options{}, "mp4:::quality=5 path=/a.mp4", 60},
		"chunks":    {Options{ChunkSeconds: 2}, "mp4:::quality=5 path=/a.mp4", 60},
		"a part":    {Options{NoSeek: true}, "mp4:::quality=5 path=/a.mp4 offset=1 duration=5", 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := link(t, source)
			p := runOutputs(t, dir, c.options, overlaid(t, c.line,
				job.Overlay{Text: injection, Start: 1, End: 3}, job.Overlay{Text: "X", Position: "bottomright", Color: "ff0000", Box: true, BoxOpacity: 1}))
			file := p.Results[0].Files[0].Name
			top, middle, bottom := light(t, dir, file, "160:30:0:0"), light(t, dir, file, "160:40:0:40"), light(t, dir, file, "50:40:110:80")
			if len(top) != c.frames {
				t.Fatalf("%d frames, want %d", len(top), c.frames)
			}
			for n := range top {
				shown := n >= 10 && n < 30
				if drawn := int(top[n][0])-0x40 > 12; drawn != shown {
					t.Errorf("frame %d: the text is there: %v", n, drawn)
				}
				if math.Abs(float64(middle[n][0])-0x40) > 4 || math.Abs(float64(middle[n][2])-0x80) > 4 {
					t.Errorf("frame %d: between the texts it is %v", n, middle[n])
				}
				if bottom[n][2] > 0x70 {
					t.Errorf("frame %d: no box in the corner: %v", n, bottom[n])
				}
			}
		})
	}
}

// A LUT that swaps red and blue does, and bars stay black. The picture in a corner is half
// as strong as it is, for its time.
func TestOverlayPictureAndLUT(t *testing.T) {
	t.Parallel()
	dir := gray(t)
	lut := cube.LUT{Side: 2, Max: [3]float64{1, 1, 1}}
	for i := range 8 {
		lut.Values = append(lut.Values, [3]float64{float64(i >> 2 & 1), float64(i >> 1 & 1), float64(i & 1)})
	}
	swap := overlaid(t, "mp4:240x120_400k path=/swap.mp4", job.Overlay{LUT: job.NewSecret("https://a/swap.cube")})
	mark := overlaid(t, "mp4:::quality=5 path=/mark.mp4", job.Overlay{Image: job.NewSecret("https://a/white.png"), Width: 50, Opacity: 0.5, Start: 2, Position: "center"})
	p := Build([]*job.Output{swap, mark}, probe(t, dir, SourceName), Options{})
	for _, f := range p.Fetches {
		if !f.LUT {
			command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=white:s=40x30,format=rgba", "-frames:v", "1", "-f", "image2", "-c:v", "png", f.Name)
			continue
		}
		file, err := os.Create(filepath.Join(dir, f.Name))
		if err == nil {
			err = lut.Write(file)
		}
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	p = runOutputs(t, dir, Options{}, swap, mark)
	near := func(what string, got []byte, want ...float64) {
		t.Helper()
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 5 {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
	}
	swapped := p.Results[0].Files[0].Name
	near("swapped", light(t, dir, swapped, "100:100:70:10")[5], 0x80, 0x60, 0x40)
	near("bar", light(t, dir, swapped, "20:100:4:10")[5], 0, 0, 0)
	marked := light(t, dir, p.Results[1].Files[0].Name, "60:40:50:40")
	near("before the mark", marked[10], 0x40, 0x60, 0x80)
	near("mark", marked[30], 0x9f, 0xaf, 0xbf)
	near("beside the mark", light(t, dir, p.Results[1].Files[0].Name, "30:120:4:0")[30], 0x40, 0x60, 0x80)
}

// Timecodes count as SMPTE ST 12-1 says. What FFmpeg's own counter draws is the judge: both
// make the same pictures.
func TestOverlayTimecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rate, first string }{{"25", "09:59:58:20"}, {"30000/1001", "00:08:59;20"}, {"30000/1001", "00:09:59;20"}, {"30000/1001", "23:59:58:00"}} {
		dir := clip(t, "-f", "lavfi", "-i", "color=black:s=320x60:d=3:r="+c.rate+",format=yuv420p", "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-f", "mp4")
		p := runOutputs(t, dir, Options{}, overlaid(t, "avi:huffyuv path=/a.avi", job.Overlay{Timecode: c.first, Size: 40}))
		own := fmt.Sprintf("drawtext=font=Monospace:fontsize=24:fontcolor=white:x=0:y=0:timecode='%s':rate=%s:tc24hmax=1", strings.NewReplacer(":", `\:`, ";", `\;`).Replace(c.first), c.rate)
		command(t, dir, "ffmpeg", "-v", "error", "-y", "-i", SourceName, "-vf", own, "-c:v", "libx264", "-qp", "0", "-f", "mp4", "own.mp4")
		command(t, dir, "ffmpeg", "-v", "error", "-y", "-i", p.Results[0].Files[0].Name, "-i", "own.mp4", "-lavfi", "[0:v]format=yuv420p[a];[a][1:v]ssim=stats_file=tc", "-f", "null", "-")
		for line := range strings.Lines(text(t, dir, "tc")) {
			var n int
			var y, u, v, all float64
			if _, err := fmt.Sscanf(line, "n:%d Y:%f U:%f V:%f All:%f", &n, &y, &u, &v, &all); err != nil || y < 0.9999 {
				t.Errorf("%s at %s: %v %s", c.first, c.rate, err, line)
			}
		}
	}
	for _, first := range []string{"00:00:00;00", "00:00:00:25"} {
		p := newPlanner(newSource(film(640, 360)), Options{}, "", 1)
		if _, err := p.timecodeText(first, 0, format.Rational{Num: 25, Den: 1}); err == nil {
			t.Errorf("%s at 25 frames a second is accepted", first)
		}
	}
}

// No word of a customer is in an argument, and a filter that FFmpeg lacks is named.
func TestOverlayArguments(t *testing.T) {
	t.Parallel()
	o := overlaid(t, "mp4:240p path=/a.mp4", job.Overlay{Text: "canary"}, job.Overlay{Image: job.NewSecret("https://canary/a.png")}, job.Overlay{LUT: job.NewSecret("https://canary/a.cube")})
	p := Build([]*job.Output{o}, film(640, 360), Options{})
	if args := strings.Join(p.Steps[0].FFmpegArgs(), " "); strings.Contains(args, "canary") || len(p.Fetches) != 2 || !p.Steps[0].Portable() {
		t.Errorf("arguments %s, fetches %+v", args, p.Fetches)
	}
	if alone := p.Alone(p.Steps[0]); len(alone.Fetches) != 2 {
		t.Errorf("alone the step has the fetches %+v", alone.Fetches)
	}
	p = Build([]*job.Output{o}, film(640, 360), Options{Capabilities: Capabilities{Filters: NewSet("overlay", "lut3d")}})
	if err := p.Results[0].Err; err == nil || !strings.Contains(err.Message, "drawtext") {
		t.Errorf("without drawtext: %v", err)
	}
}

// runOutputs plans outputs and carries the plan out.
func runOutputs(t testing.TB, dir string, o Options, list ...*job.Output) Plan {
	t.Helper()
	p := Build(list, probe(t, dir, SourceName), o)
	for _, r := range p.Results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for _, s := range p.Steps {
		if stderr, err := step(t, dir, p.Secrets, s); err != nil {
			t.Fatalf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), err, stderr)
		}
	}
	return p
}
