package transcode

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

func TestWebVTT(t *testing.T) {
	thumbs := &ThumbnailTrack{
		Images: []string{"/t/a b_01.jpg", "/t/a b_02.jpg", "/t/#3?%.jpg", "/t/never.jpg"},
		Times:  []float64{0, 1.0004, 3599.9996, 3700}, End: 3661.5,
	}
	// The fourth picture could not be made, so the third lasts to the end.
	want := `WEBVTT

00:00:00.000 --> 00:00:01.000
a%20b_01.jpg

00:00:01.000 --> 01:00:00.000
a%20b_02.jpg

01:00:00.000 --> 01:01:01.500
%233%3F%25.jpg
`
	if diff := cmp.Diff(want, string(thumbs.WebVTT(3))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sheets := &ThumbnailTrack{
		Images: []string{"/s_1.png", "/s_1.png", "/s_1.png", "/s_2.png"}, Times: []float64{0, 2, 4, 6}, End: 6,
		Width: 10, Height: 7, Columns: 2, PerSheet: 3,
	}
	want = `WEBVTT

00:00:00.000 --> 00:00:02.000
s_1.png#xywh=0,0,10,7

00:00:02.000 --> 00:00:04.000
s_1.png#xywh=10,0,10,7

00:00:04.000 --> 00:00:06.000
s_1.png#xywh=0,7,10,7

00:00:06.000 --> 00:00:06.001
s_2.png#xywh=0,0,10,7
`
	if diff := cmp.Diff(want, string(sheets.WebVTT(99))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The first picture is shown for the time before it was taken, too.
	late := &ThumbnailTrack{Images: []string{"/t/1.jpg", "/t/2.jpg"}, Times: []float64{18, 54}, End: 72}
	want = `WEBVTT

00:00:00.000 --> 00:00:54.000
1.jpg

00:00:54.000 --> 00:01:12.000
2.jpg
`
	if diff := cmp.Diff(want, string(late.WebVTT(2))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := string(sheets.WebVTT(0)); got != "WEBVTT\n" {
		t.Errorf("no pictures: %q", got)
	}
}

func TestPicturePaths(t *testing.T) {
	for _, c := range []struct{ path, pattern, track string }{
		{"/a/image.jpg", "", "/a/image.vtt"},
		{"/a/thumb_%.2d.jpg", "/a/thumb_%02d.jpg", "/a/thumb.vtt"},
		{"/a/%05d.jpg", "/a/%05d.jpg", "/a/thumbnails.vtt"},
		{"%1d-x.jpg", "%01d-x.jpg", "x.vtt"},
		{"/a/#num#/b.jpg", "/a/%02d/b.jpg", "/a/#num#/b.vtt"},
		{"/100%/t#num#.jpg", "/100%%/t%02d.jpg", "/100%/t.vtt"},
		{"/a/%d_%d.jpg", "/a/%01d_%%d.jpg", "/a/%d.vtt"},
	} {
		got, several := picturePath(c.path)
		if several != (c.pattern != "") || several && got != c.pattern {
			t.Errorf("%s: %q, %v, want %q", c.path, got, several, c.pattern)
		}
		o := &job.Output{Path: c.path, Image: &job.ImageParams{VTT: &job.VTT{}}}
		if got := trackPath(o); got != c.track {
			t.Errorf("%s: the track is %s, want %s", c.path, got, c.track)
		}
	}
	o := &job.Output{Path: "/a/b.jpg", Image: &job.ImageParams{VTT: &job.VTT{Filename: "cues"}}}
	if got := trackPath(o); got != "/a/cues.vtt" {
		t.Errorf("the track is %s", got)
	}
}

func TestCropSides(t *testing.T) {
	in := frame{W: 641, H: 360, SAR: ratio{1, 1}}
	for s, want := range map[string]int{"640": 640, "320.9": 320, "iw": 641, "in_h/2": 180, "min(iw, ih)": 360, "iw - 2 * 20": 601} {
		if got, err := cropSide(s, in); err != nil || got != want {
			t.Errorf("%s is %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "iw/0", "'a'", "array(1)", "1e9", "99999999"} {
		if got, err := cropSide(s, in); err == nil {
			t.Errorf("%q is %d", s, got)
		}
	}
}

func TestSquareResolution(t *testing.T) {
	for in, want := range map[string]format.Resolution{
		"jpg": {}, "jpg:300x": {Width: 300}, "jpg:0x200": {Height: 200}, "jpg:300x200": {Width: 300, Height: 300}, "mp4:720p": {Width: 720, Height: 720},
	} {
		f, err := format.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := squareResolution(f.Video.Resolution, true); got != want {
			t.Errorf("%s: %+v, want %+v", in, got, want)
		}
		if got := squareResolution(f.Video.Resolution, false); got != f.Video.Resolution {
			t.Errorf("%s, not square: %+v", in, got)
		}
	}
}

// Scenes are spread evenly, never overlap and never leave the film.
func TestScenes(t *testing.T) {
	for _, c := range []struct {
		total, duration float64
		n               int
	}{{30, 5, 1}, {30, 1, 5}, {3, 5, 1}, {3, 5, 10}, {0.04, 5, 3}, {100, 10, 10}} {
		m := film(64, 36)
		m.Duration, m.Video[0].Duration = c.total, c.total
		p := newPlanner(newSource(m), Options{}, "", 1)
		starts, length := p.scenes(&job.Scene{Number: c.n, Duration: c.duration})
		if len(starts) != c.n || length > c.duration || length <= 0 {
			t.Errorf("%+v: %v of %v s", c, starts, length)
		}
		for i, s := range starts {
			end := c.total
			if i+1 < len(starts) {
				end = starts[i+1]
			}
			if s < 0 || s+length > end+0.002 {
				t.Errorf("%+v: scene %d from %v to %v, the next at %v", c, i, s, s+length, end)
			}
		}
	}
}

// Pictures that would be too many, and sheets that would be too large.
func TestPictureErrors(t *testing.T) {
	m := film(1920, 1080)
	for line, want := range map[string]string{
		"jpg path=/%d.jpg interval=0.001":                `An 'interval' of 0.001 s makes 30000 pictures of this input; at most 10000 are accepted.`,
		"webp path=/a.webp interval=1 sprite=40":         `but a side of webp has at most 16383 pixels`,
		"jpg:100x path=/a.jpg interval=1 sprite=4;8":     `must hold a sequence variable such as %.2d, because 4 sheets are made`,
		"jpg:100x path=/a.jpg interval=10":               `because 3 pictures are made`,
		"mp4 path=/a.mp4 crop=2000:100":                  `The crop "2000:100" does not fit the input's picture of 1920x1080`,
		"jpg:100x path=/a.jpg interval=1 sprite=4;8 vtt": `because 4 sheets are made`,
	} {
		p := Build(outputs(t, line), m, Options{})
		err := p.Results[0].Err
		if err == nil {
			t.Errorf("%s: no error", line)
			continue
		}
		if !bytes.Contains([]byte(err.Message), []byte(want)) {
			t.Errorf("%s: %s, want %q", line, err.Message, want)
		}
		if len(p.Steps) > 0 || len(p.Fetches) > 0 {
			t.Errorf("%s: %d steps", line, len(p.Steps))
		}
	}
	photo := job.Media{FormatName: "png_pipe", Video: []job.VideoStream{{Codec: "png", Width: 64, Height: 36, PixFmt: "rgba"}}}
	if err := Build(outputs(t, "jpg path=/a.jpg vtt"), photo, Options{}).Results[0].Err; err == nil {
		t.Error("a track of a photo")
	}
}

// Equal watermarks are one file, whichever outputs ask for them, also when outputs
// are planned separately.
func TestFetches(t *testing.T) {
	lines := []string{"mp4 path=/a.mp4 watermark=topleft", "jpg path=/a.jpg watermark=bottomright", "gif path=/a.gif watermark=topleft", "mp4 path=/b.mp4", "mp3 path=/c.mp3"}
	for _, isolate := range []bool{false, true} {
		p := Build(outputs(t, lines...), film(640, 360), Options{Isolate: isolate})
		if len(p.Fetches) != 1 || !cmp.Equal(p.Fetches[0].Outputs, []int{0, 1, 2}) || p.Secrets[p.Fetches[0].URL].Reveal() != "https://a/logo.png" {
			t.Errorf("isolate %v: %+v", isolate, p.Fetches)
		}
	}
}

func FuzzReadAnimation(f *testing.F) {
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPANMF\x10\x00\x00\x00................"))
	f.Add([]byte("RIFF\x04\x00\x00\x00WEBP"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ReadAnimation(bytes.NewReader(b), int64(len(b)))
		if err == nil && (a.Frames < 1 || a.Duration < 0) {
			t.Errorf("%+v", a)
		}
	})
}
