package transcode

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests run plans and read the pixels of what comes out.

// rgb is a picture as decoded.
type rgb struct {
	w, h int
	pix  []byte // with alpha, four bytes a pixel
}

// at is the colour at a place, given in fractions of the sides, by its letter:
// red, green, blue, white, black (k), or ? with the value.
func (p rgb) at(x, y float64) string {
	i := 4 * (int(y*float64(p.h))*p.w + int(x*float64(p.w)))
	r, g, b := p.pix[i] > 128, p.pix[i+1] > 128, p.pix[i+2] > 128
	switch [3]bool{r, g, b} {
	case [3]bool{true, false, false}:
		return "r"
	case [3]bool{false, true, false}:
		return "g"
	case [3]bool{false, false, true}:
		return "b"
	case [3]bool{true, true, true}:
		return "w"
	case [3]bool{}:
		return "k"
	}
	return fmt.Sprint("?", p.pix[i:i+3])
}

// corners are the colours in the middles of the four quarters, as rows.
func (p rgb) corners() string {
	return p.at(0.25, 0.25) + p.at(0.75, 0.25) + p.at(0.25, 0.75) + p.at(0.75, 0.75)
}

// gray is the mean brightness of a picture without colours.
func (p rgb) gray() (mean float64) {
	for i := 0; i < len(p.pix); i += 4 {
		mean += float64(p.pix[i]) / float64(len(p.pix)/4)
	}
	return mean
}

// decoded returns the frames of a film or picture.
func decoded(t testing.TB, dir, name string) []rgb {
	t.Helper()
	return decodedAll(t, dir, name)[name]
}

// firstFiles are the names of the first file of each result.
func firstFiles(p Plan) (names []string) {
	for _, r := range p.Results {
		names = append(names, r.Files[0].Name)
	}
	return names
}

// quarters is a film, or with frames 1 a picture, of four colours:
//
//	red   green
//	blue  white
func quarters(size string, more ...string) []string {
	return append([]string{"-f", "lavfi", "-i", "color=white:s=" + size + ":r=10:d=1,format=rgb24," +
		"drawbox=x=0:y=0:w=iw/2:h=ih/2:c=red:t=fill,drawbox=x=iw/2:y=0:w=iw/2:h=ih/2:c=lime:t=fill,drawbox=x=0:y=ih/2:w=iw/2:h=ih/2:c=blue:t=fill"}, more...)
}

// logo puts the watermark of the tests into a work directory, under the name
// that plans have for it.
func logo(t testing.TB, dir string, p Plan, w, h int) {
	t.Helper()
	for _, f := range p.Fetches {
		command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", fmt.Sprintf("color=black:s=%dx%d:d=1,format=rgba,geq=r=0:g=0:b=0:a='if(lt(X,W/2),255,0)'", w, h), "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1", f.Name)
	}
}

// runMarked is run with a watermark of w x h, of which the left half is black
// and the right half transparent.
func runMarked(t testing.TB, dir string, w, h int, o Options, lines ...string) Plan {
	t.Helper()
	logo(t, dir, Build(outputs(t, lines...), probe(t, dir, SourceName), o), w, h)
	return run(t, dir, o, lines...)
}

// Flips and rotations, of films and of pictures.
func TestTurns(t *testing.T) {
	t.Parallel()
	dir := clip(t, quarters("96x64", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "5", "-pix_fmt", "yuv420p", "-f", "mp4")...)
	cases := []struct{ params, want string }{
		{"", "rgbw"},
		{"hflip", "grwb"},
		{"vflip", "bwrg"},
		{"hflip vflip", "wbgr"},
		{"transpose=0", "rbgw"}, // counterclockwise and flipped: mirrored at the diagonal
		{"transpose=1", "brwg"},
		{"transpose=2", "gwrb"},
		{"transpose=3", "wgbr"},
		{"transpose=1 hflip", "rbgw"}, // the turn comes first
	}
	var lines []string
	for i, c := range cases {
		lines = append(lines, fmt.Sprintf("mp4::x:quality=5 path=/%d.mp4 %s", i, c.params), fmt.Sprintf("png path=/%d.png %s", i, c.params))
	}
	p := run(t, dir, fast, lines...)
	frames := decodedAll(t, dir, firstFiles(p)...)
	for i, c := range cases {
		for _, r := range p.Results[2*i : 2*i+2] {
			got := frames[r.Files[0].Name][0]
			if got.corners() != c.want {
				t.Errorf("%s of %q: %s, want %s", r.Files[0].Path, c.params, got.corners(), c.want)
			}
			if turned := strings.Contains(c.params, "transpose"); turned != (got.h > got.w) {
				t.Errorf("%s of %q is %dx%d", r.Files[0].Path, c.params, got.w, got.h)
			}
		}
	}
}

// A crop counts pixels of what is shown; square, letterbox and cut change shapes.
func TestShapes(t *testing.T) {
	t.Parallel()
	dir := clip(t, quarters("96x64", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "5", "-pix_fmt", "yuv420p", "-f", "mp4")...)
	type shape struct {
		line, want string
		w, h       int
	}
	films := []shape{
		{"mp4::x:quality=5 path=/a.mp4 crop=48:32", "rgbw", 48, 32},
		{"mp4::x:quality=5 path=/a.mp4 crop=iw/2:in_h-32", "rgbw", 48, 32},
		{"mp4:24x:x:quality=5 path=/a.mp4 crop=48:32 transpose=1", "brwg", 24, 36},
		{"mp4::x:quality=5 path=/a.mp4 square", "rgbw", 64, 64},
		{"mp4:32x:x:quality=5 path=/a.mp4 square", "rgbw", 32, 32},
		{"mp4:64x64:x:quality=5 path=/a.mp4", "rgbw", 64, 64},
		{"mp4:64x64:x:quality=5 path=/a.mp4 fit=crop", "rgbw", 64, 64},
	}
	pictures := []shape{ // alone, they are found by seeking
		{"png:64x64 path=/a.png", "rgbw", 64, 64},
		{"png:64x64 path=/a.png fit=crop", "rgbw", 64, 64},
		{"jpg:33x path=/a.jpg square", "rgbw", 33, 33},
		{"webp:48x32 path=/a.webp", "rgbw", 48, 32},
	}
	for _, cases := range [][]shape{films, pictures} {
		var lines []string
		for _, c := range cases {
			lines = append(lines, c.line)
		}
		p := run(t, dir, fast, lines...)
		frames := decodedAll(t, dir, firstFiles(p)...)
		for i, c := range cases {
			got := frames[p.Results[i].Files[0].Name][0]
			if got.w != c.w || got.h != c.h || got.corners() != c.want {
				t.Errorf("%s: %dx%d %s, want %dx%d %s", c.line, got.w, got.h, got.corners(), c.w, c.h, c.want)
			}
			if bars, cut := strings.Contains(c.line, ":64x64"), strings.Contains(c.line, "crop"); bars && (got.at(0.5, 0.02) == "k") == cut {
				t.Errorf("%s: the top is %s", c.line, got.at(0.5, 0.02))
			}
		}
	}
}

// The watermark is in its corner, upright whatever is done to the picture, shows
// what is below its transparent part, and is not enlarged.
func TestWatermark(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "color=white:s=160x80:r=10:d=1", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-f", "mp4")
	positions := []string{"topleft", "topright", "bottomleft", "bottomright"}
	var lines []string
	for _, at := range positions {
		lines = append(lines, "mp4::x:quality=5 path=/a.mp4 watermark="+at, "png path=/a.png watermark="+at)
	}
	lines = append(lines, "mp4:80x:x:quality=5 path=/s.mp4 vflip watermark=topleft", "jpg path=/b.jpg watermark=bottomright", "png path=/c_%d.png watermark=topright number=2")
	for _, seek := range []bool{false, true} {
		these := lines
		if seek {
			these = slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, "mp4") })
		}
		p := runMarked(t, dir, 20, 10, fast, these...)
		if len(p.Fetches) != 1 || len(p.Fetches[0].Outputs) != len(these) {
			t.Errorf("fetches %+v", p.Fetches)
		}
		names := firstFiles(p)
		for i, r := range p.Results {
			if r.Files[0].Count > 0 {
				names[i] = fmt.Sprintf(names[i], 2)
			}
		}
		all := decodedAll(t, dir, names...)
		for i := range p.Results {
			frames := all[names[i]]
			got := frames[len(frames)-1]
			if strings.HasPrefix(these[i], "mp4") && len(frames) != 10 {
				t.Errorf("%s: %d frames, want 10", these[i], len(frames))
			}
			const w, h = 20, 10 // of 80 that is the most it may have
			margin := got.w / 40
			position := ""
			for _, word := range strings.Fields(these[i]) {
				if v, ok := strings.CutPrefix(word, "watermark="); ok {
					position = v
				}
			}
			x0, y0 := margin, margin
			if strings.HasSuffix(position, "right") {
				x0 = got.w - margin - w
			}
			if strings.HasPrefix(position, "bottom") {
				y0 = got.h - margin - h
			}
			dark := func(x, y int) bool { return got.pix[4*(y*got.w+x)] < 128 }
			inside := dark(x0+2, y0+h/2) && dark(x0+w/2-3, y0+2) && !dark(x0+w/2+3, y0+h/2) && !dark(x0+w-1, y0+h/2)
			outside := !dark(max(0, x0-2), y0+h/2) && !dark(x0+2, max(0, y0-2)) && !dark(x0+2, min(got.h-1, y0+h+2))
			if !inside || !outside {
				t.Errorf("%s: the mark is not at %d,%d of %dx%d (inside %v, outside %v)", these[i], x0, y0, got.w, got.h, inside, outside)
			}
			if light := got.pix[4*(got.h/2*got.w+got.w/2)]; light < 250 {
				t.Errorf("%s: white became %d", these[i], light)
			}
		}
		if videos, _ := encodes(p); !seek && videos != 5 {
			t.Errorf("%d encodes, want 5", videos)
		}
	}
	// A large one is made smaller, and equal outputs share their encode.
	p := runMarked(t, dir, 400, 400, fast, "mp4::x:quality=5 path=/a.mp4 watermark=topleft", "mov::x:quality=5 path=/a.mov watermark=topleft", "mp4::x:quality=5 path=/b.mp4", "mkv:::quality=5,pix_fmt=yuv422p path=/c.mkv watermark=topleft", "mp4:80x_300k:x:2pass path=/d.mp4 watermark=bottomright")
	if videos, _ := encodes(p); videos != 5 {
		t.Errorf("%d encodes, want 3 and one of two passes", videos)
	}
	all := decodedAll(t, dir, firstFiles(p)...)
	for _, i := range []int{0, 1, 3} {
		got := all[p.Results[i].Files[0].Name][0]
		if n := darkColumns(got, 12); n != 10 {
			t.Errorf("output %d: the mark's half is %d wide, want 10", i, n)
		}
	}
}

func darkColumns(p rgb, y int) (n int) {
	for x := range p.w {
		if p.pix[4*(y*p.w+x)] < 128 {
			n++
		}
	}
	return n
}

// second is a film whose brightness tells the second: 30 a second.
var second = []string{"-f", "lavfi", "-i", "color=black:s=64x36:r=10:d=8,geq=lum='16+floor(N/10)*27':cb=128:cr=128", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "2", "-pix_fmt", "yuv420p", "-g", "25", "-f", "mp4"}

func secondOf(level byte) int { return int(math.Round(float64(level) / (27 * 255.0 / 219))) }

// Cells of sprite sheets are the thumbnails in their order, and the tracks say
// where they are.
func TestSprites(t *testing.T) {
	t.Parallel()
	dir := clip(t, second...)
	lines := []string{
		"jpg:32x path=/s/image.jpg interval=1 sprite vtt",
		"png:32x path=/s/p_%03d.png interval=1 sprite=2;3 vtt=cues.vtt",
		"jpg:32x path=/t/thumb_%.2d.jpg interval=2 vtt",
		"webp:32x path=/t/#num#.webp offsets=6;2;4 vtt",
		"png:32x path=/t/one.png sprite vtt number=3",
	}
	for _, beside := range [][]string{nil, {"mp4:32x:x:quality=3 path=/x.mp4"}} {
		p := run(t, dir, fast, append(slices.Clone(lines), beside...)...)
		if r := p.Results[0]; len(r.Files) != 2 || r.Files[0].Path != "/s/image.jpg" || r.Files[0].Expect.Width != 128 || r.Files[0].Expect.Height != 36 {
			t.Errorf("one sheet: %+v", r.Files)
		}
		if r := p.Results[1]; len(r.Files) != 2 || r.Files[0].Count != 3 || r.Files[0].Path != "/s/p_%03d.png" {
			t.Errorf("three sheets: %+v", r.Files)
		}
		for i, path := range []string{"/s/image.vtt", "/s/cues.vtt", "/t/thumb.vtt", "/t/thumbnails.vtt", "/t/one.vtt"} {
			f := p.Results[i].Files
			if last := f[len(f)-1]; last.Path != path || !last.Index || last.Check != CheckNone || last.ContentType != "text/vtt" {
				t.Errorf("%s: the track is %+v, want %s", lines[i], last, path)
			}
		}
		pictures := decodedAll(t, dir, picturesOf(p.Results[:len(lines)])...)
		for i, want := range [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}, {0, 2, 4, 6}, {2, 4, 6}, {1, 4, 6}} {
			r := p.Results[i]
			track := r.Files[len(r.Files)-1]
			data, err := os.ReadFile(filepath.Join(dir, track.Name))
			if err != nil {
				t.Fatal(err)
			}
			cues := readVTT(t, data)
			if len(cues) != len(want) {
				t.Fatalf("%s: %d cues, want %d", lines[i], len(cues), len(want))
			}
			for k, c := range cues {
				if k+1 < len(cues) && c.end != cues[k+1].start || k+1 == len(cues) && c.end != 8 {
					t.Errorf("%s: cue %d ends at %v", lines[i], k+1, c.end)
				}
				name := workFileOf(t, r, filepath.Dir(track.Path)+"/"+c.file)
				if len(pictures[name]) == 0 {
					t.Fatalf("%s: cue %d shows %s, which is no picture of the plan", lines[i], k+1, name)
				}
				pic := pictures[name][0]
				x, y := 16, 9
				if c.w > 0 {
					if c.w != 32 || c.h != 18 {
						t.Errorf("%s: a cell of %dx%d", lines[i], c.w, c.h)
					}
					x, y = c.x+16, c.y+9
				}
				start := want[k]
				if k == 0 {
					start = 0 // what is shown before the first picture was taken
				}
				if got := secondOf(pic.pix[4*(y*pic.w+x)]); got != want[k] || int(c.start) != start {
					t.Errorf("%s: cue %d at %v shows second %d, want %d", lines[i], k+1, c.start, got, want[k])
				}
			}
		}
	}
}

// picturesOf are the names of all pictures of some results.
func picturesOf(results []Result) (names []string) {
	for _, r := range results {
		for _, f := range r.Files {
			switch {
			case f.Count > 0:
				for n := 1; n <= f.Count; n++ {
					names = append(names, fmt.Sprintf(f.Name, n))
				}
			case f.Check != CheckNone:
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// workFileOf finds the file that is published at a path.
func workFileOf(t testing.TB, r Result, path string) string {
	t.Helper()
	for _, f := range r.Files {
		if f.Count == 0 && f.Path == path {
			return f.Name
		}
		for n := 1; n <= f.Count; n++ {
			if fmt.Sprintf(f.Path, n) == path {
				return fmt.Sprintf(f.Name, n)
			}
		}
	}
	t.Fatalf("nothing is published at %s: %+v", path, r.Files)
	return ""
}

type cue struct {
	start, end float64
	file       string
	x, y, w, h int
}

// readVTT reads cues without code of the package.
func readVTT(t testing.TB, text []byte) []cue {
	t.Helper()
	if !bytes.HasPrefix(text, []byte("WEBVTT\n\n")) {
		t.Fatalf("no WebVTT:\n%s", text)
	}
	var cues []cue
	for _, block := range strings.Split(strings.TrimSpace(string(text[8:])), "\n\n") {
		times, payload, _ := strings.Cut(block, "\n")
		var c cue
		var h1, m1, h2, m2 int
		var s1, s2 float64
		if n, err := fmt.Sscanf(times, "%02d:%02d:%06f --> %02d:%02d:%06f", &h1, &m1, &s1, &h2, &m2, &s2); n != 6 {
			t.Fatalf("cue %q: %v", times, err)
		}
		c.start, c.end = float64(h1*3600+m1*60)+s1, float64(h2*3600+m2*60)+s2
		file, fragment, ok := strings.Cut(payload, "#xywh=")
		c.file = file
		if ok {
			var v []int
			for _, s := range strings.Split(fragment, ",") {
				n, err := strconv.Atoi(s)
				if err != nil {
					t.Fatalf("fragment %q", fragment)
				}
				v = append(v, n)
			}
			c.x, c.y, c.w, c.h = v[0], v[1], v[2], v[3]
		}
		cues = append(cues, c)
	}
	return cues
}

// The watermark is laid over before the picture is blurred.
func TestBlur(t *testing.T) {
	t.Parallel()
	dir := clip(t, quarters("400x200", "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1")...)
	edge := func(p rgb) (n int) { // pixels of the top row between red and green
		for x := range p.w {
			if r := p.pix[4*(10*p.w+x)]; r > 30 && r < 225 {
				n++
			}
		}
		return n
	}
	var lines []string
	for blur := range 6 {
		lines = append(lines, fmt.Sprintf("png path=/%d.png blur=%d", blur, blur))
	}
	p := run(t, dir, fast, lines...)
	pictures := decodedAll(t, dir, firstFiles(p)...)
	var last int
	for blur, name := range firstFiles(p) {
		n := edge(pictures[name][0])
		if blur > 0 && n <= last {
			t.Errorf("blur %d: %d soft pixels, with less blur %d", blur, n, last)
		}
		last = n
	}
}

// Every format has the colours of the film, whatever matrix the film has, and the
// watermark keeps its own.
func TestPictureColours(t *testing.T) {
	t.Parallel()
	for _, matrix := range []string{"bt709", "smpte170m"} {
		scale := map[string]string{"bt709": "bt709", "smpte170m": "bt601"}[matrix]
		dir := clip(t, "-f", "lavfi", "-i", "color=0xC03020:s=96x64:r=10:d=1,format=rgb24,scale=out_color_matrix="+scale+":out_range=tv,format=yuv420p",
			"-c:v", "libx264", "-preset", "ultrafast", "-qp", "2", "-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix, "-color_range", "tv", "-f", "mp4")
		lines := []string{"png path=/a.png watermark=topleft", "jpg path=/a.jpg watermark=topleft", "webp path=/a.webp watermark=topleft", "jpg path=/s.jpg sprite watermark=topleft", "gif path=/a.gif", "mp4::x:quality=5 path=/a.mp4 watermark=topleft"}
		for _, f := range Build(outputs(t, lines...), probe(t, dir, SourceName), fast).Fetches {
			command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=0x20A0C0:s=96x64:d=1,format=rgba", "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1", f.Name)
		}
		p := run(t, dir, fast, lines...)
		near := func(got rgb, x, y int, want [3]byte) bool {
			for i, w := range want {
				if math.Abs(float64(got.pix[4*(y*got.w+x)+i])-float64(w)) > 8 {
					return false
				}
			}
			return true
		}
		frames := decodedAll(t, dir, firstFiles(p)...)
		for i, name := range firstFiles(p) {
			got := frames[name][0]
			if !near(got, 80, 50, [3]byte{0xC0, 0x30, 0x20}) {
				t.Errorf("%s of %s: the film is %v", lines[i], matrix, got.pix[4*(50*got.w+80):][:3])
			}
			if !strings.HasPrefix(lines[i], "gif") && !near(got, 10, 8, [3]byte{0x20, 0xA0, 0xC0}) {
				t.Errorf("%s of %s: the watermark is %v", lines[i], matrix, got.pix[4*(8*got.w+10):][:3])
			}
		}
	}
}

// A white watermark on a film that stays HDR is as bright as white paper, and
// plain white where the film becomes SDR.
func TestWatermarkOfHDR(t *testing.T) {
	t.Parallel()
	for transfer, code := range map[string]float64{"smpte2084": 0.58, "arib-std-b67": 0.75} {
		dir := clip(t, "-f", "lavfi", "-i", "color=black:s=96x64:r=10:d=1", "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le",
			"-x265-params", "log-level=error:colorprim=bt2020:transfer="+transfer+":colormatrix=bt2020nc", "-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv", "-f", "mp4")
		lines := []string{"mp4:hevc:x path=/a.mp4 watermark=topleft", "mp4:h264:x path=/b.mp4 watermark=topleft"}
		for _, f := range Build(outputs(t, lines...), probe(t, dir, SourceName), fast).Fetches {
			command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=white:s=96x64:d=1,format=rgba", "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1", f.Name)
		}
		p := run(t, dir, fast, lines...)
		frames := decodedAll(t, dir, firstFiles(p)...)
		for i, want := range []float64{code, 1} {
			got := float64(frames[p.Results[i].Files[0].Name][0].pix[4*(8*96+10)]) / 255
			if math.Abs(got-want) > 0.03 {
				t.Errorf("%s of %s: white is %.2f, want %.2f", lines[i], transfer, got, want)
			}
		}
	}
}
