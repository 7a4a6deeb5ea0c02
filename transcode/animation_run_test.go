package transcode

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// Scenes come from the middles of equal parts and last as long as asked.
func TestAnimations(t *testing.T) {
	t.Parallel()
	dir := clip(t, second...)
	ts := clip(t, "-i", filepath.Join(dir, SourceName), "-c", "copy", "-f", "mpegts")
	check := func(dir string, p Plan) {
		frames := decoded(t, dir, p.Results[0].Files[0].Name)
		if len(frames) != 20 {
			t.Errorf("%d frames, want 20", len(frames))
		}
		for i, f := range frames {
			// 0.75..1.25, 2.75..3.25 and so on.
			want := []int{i/5*2 + 0, i/5*2 + 1}
			if got := secondOf(f.pix[4*(10*f.w+10)]); got != want[0] && got != want[1] {
				t.Errorf("frame %d shows second %d, want %v", i, got, want)
			}
		}
		if m := probe(t, dir, p.Results[0].Files[0].Name); math.Abs(m.Duration-2) > 0.02 {
			t.Errorf("the gif lasts %v s, want 2", m.Duration)
		}
	}
	check(ts, run(t, ts, fast, "gif:48x path=/a.gif scene=4;0.5"))
	{
		p := run(t, dir, fast, "gif:48x path=/a.gif scene=4;0.5", "gif path=/b.gif", "webp_anim:32x32 path=/c.webp scene=4;0.5 square", "gif:40x40 path=/d.gif scene=1;1 fit=pad hflip")
		check(dir, p)
		if e := p.Results[1].Files[0].Expect; e.Width != 64 || e.Height != 36 || e.Duration != 5 {
			t.Errorf("a gif of nothing asked: %+v", e)
		}
		if e := p.Results[3].Files[0].Expect; e.Width != 40 || e.Height != 40 || e.Duration != 1 {
			t.Errorf("a gif in a box: %+v", e)
		}
		data, err := os.ReadFile(filepath.Join(dir, p.Results[2].Files[0].Name))
		if err != nil {
			t.Fatal(err)
		}
		a, err := ReadAnimation(bytes.NewReader(data), int64(len(data)))
		if err != nil || a.Width != 32 || a.Height != 32 || math.Abs(a.Duration-2) > 0.05 || a.Frames < 4 {
			t.Errorf("webp: %+v, %v", a, err)
		}
		if _, err := ReadAnimation(bytes.NewReader(data[:len(data)-20]), int64(len(data)-20)); err == nil {
			t.Error("a damaged webp was read")
		}
	}
	photo := clip(t, quarters("1200x800", "-frames:v", "1", "-c:v", "mjpeg", "-f", "image2", "-update", "1")...)
	p := run(t, photo, fast, "gif path=/a.gif", "webp_anim:30x path=/a.webp", "webp:130x86 path=/b.webp")
	if e := p.Results[0].Files[0].Expect; e.Width != 500 || e.Height != 333 {
		t.Errorf("a gif of a photo: %+v", e)
	}
	if got := decoded(t, photo, p.Results[0].Files[0].Name); len(got) != 1 || got[0].corners() != "rgbw" {
		t.Errorf("a gif of a photo: %d frames, %s", len(got), got[0].corners())
	}
}

// What is transparent stays so where the format can show it.
func TestAlpha(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "color=red:s=64x32:d=1,format=rgba,geq=r=255:g=0:b=0:a='if(lt(X,W/2),255,0)'", "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1")
	p := run(t, dir, fast, "png:32x path=/a.png", "webp:32x path=/a.webp", "jpg:32x path=/a.jpg", "gif:32x path=/a.gif", "png:32x32 path=/box.png")
	pictures := decodedAll(t, dir, firstFiles(p)...)
	for _, r := range p.Results[:2] {
		got := pictures[r.Files[0].Name][0]
		if a, b := got.pix[4*(8*got.w+8)+3], got.pix[4*(8*got.w+24)+3]; a < 250 || b > 5 {
			t.Errorf("%s: alpha %d and %d", r.Files[0].Path, a, b)
		}
		if got.at(0.25, 0.5) != "r" {
			t.Errorf("%s: %s", r.Files[0].Path, got.at(0.25, 0.5))
		}
	}
	// Where it cannot, there is white below it.
	if box := pictures[p.Results[4].Files[0].Name][0]; box.pix[3] != 0 || box.at(0.25, 0.5) != "r" {
		t.Errorf("bars of transparent pictures have alpha %d", box.pix[3])
	}
	for _, r := range p.Results[2:4] {
		if got := pictures[r.Files[0].Name][0]; got.at(0.25, 0.5) != "r" || got.at(0.75, 0.5) != "w" {
			t.Errorf("%s: %s and %s", r.Files[0].Path, got.at(0.25, 0.5), got.at(0.75, 0.5))
		}
	}
}
