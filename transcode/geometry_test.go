package transcode

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/copra-video/copra/transcode/format"
)

func resolution(t testing.TB, s string) format.Resolution {
	t.Helper()
	f, err := format.Parse("mp4:" + s)
	if err != nil {
		t.Fatal(err)
	}
	return f.Video.Resolution
}

func TestFit(t *testing.T) {
	square := func(w, h int) frame { return frame{w, h, ratio{1, 1}} }
	for _, tt := range []struct {
		in   frame
		res  string
		mode fitMode
		want string
	}{
		// Captured at Coconut: 426x240 with 640:639, 854x480 with 1280:1281.
		{square(1920, 1080), "240p", fitLetterbox, "426x240 in 426x240 sar 640/639"},
		{square(1920, 1080), "480p", fitLetterbox, "854x480 in 854x480 sar 1280/1281"},
		{square(1280, 720), "360p", fitLetterbox, "640x360 in 640x360 sar 1/1"},
		{square(1080, 1920), "480p", fitLetterbox, "270x480 in 270x480 sar 1/1"},
		{square(1080, 1920), "720p", fitLetterbox, "406x720 in 1280x720 sar 1/1"},
		{square(1080, 1920), "720p", fitInside, "406x720 in 406x720 sar 405/406"},
		{square(1440, 1080), "720p", fitLetterbox, "960x720 in 1280x720 sar 1/1"},
		{square(1440, 1080), "720p", fitCrop, "1280x960 in 1280x720 sar 1/1"},
		{square(1440, 1080), "720p", fitInside, "960x720 in 960x720 sar 1/1"},
		{square(1920, 804), "720p", fitInside, "1280x536 in 1280x536 sar 1/1"},
		{square(1920, 1080), "720p", fitLetterbox, "1280x720 in 1280x720 sar 1/1"},
		{frame{1440, 1080, ratio{4, 3}}, "720p", fitLetterbox, "1280x720 in 1280x720 sar 1/1"},
		{frame{720, 576, ratio{16, 15}}, "0x288", fitLetterbox, "384x288 in 384x288 sar 1/1"},
		{square(853, 480), "0x0", fitLetterbox, "852x480 in 852x480 sar 853/852"},
		{square(1920, 1080), "600x", fitLetterbox, "600x338 in 600x338 sar 676/675"},
		{square(1920, 1080), "1080x1920", fitLetterbox, "1080x608 in 1080x1920 sar 1/1"},
	} {
		res := format.Resolution{}
		if tt.res != "0x0" {
			res = resolution(t, tt.res)
		}
		g := fit(tt.in, res, tt.mode)
		if got := fmt.Sprintf("%dx%d in %dx%d sar %s", g.ScaleW, g.ScaleH, g.W, g.H, g.SAR); got != tt.want {
			t.Errorf("fit(%v, %s, %d) = %s, want %s", tt.in, tt.res, tt.mode, got, tt.want)
		}
	}
}

func TestFitPicture(t *testing.T) {
	for _, tt := range []struct {
		res, want string
		mode      fitMode
	}{
		{"300x", "300x169 in 300x169", fitLetterbox},
		{"540p", "960x540 in 960x540", fitLetterbox},
		{"720p", "1280x720 in 1280x720", fitLetterbox},
		{"400x400", "400x225 in 400x400", fitLetterbox},
		{"400x400", "711x400 in 400x400", fitCrop},
		{"0x100", "178x100 in 178x100", fitLetterbox},
	} {
		g := fitThumbnail(frame{1920, 1080, ratio{1, 1}}, resolution(t, tt.res), tt.mode)
		if got := fmt.Sprintf("%dx%d in %dx%d", g.ScaleW, g.ScaleH, g.W, g.H); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.res, got, tt.want)
		}
	}
}

func drawFrame(t *rapid.T) frame {
	sar := rapid.SampledFrom([]ratio{{1, 1}, {4, 3}, {16, 15}, {64, 45}, {8, 9}, {213, 208}}).Draw(t, "sar")
	return frame{rapid.IntRange(16, 8192).Draw(t, "w"), rapid.IntRange(16, 4320).Draw(t, "h"), sar}
}

// Sizes are even and inside the box, and what is shown has the source's shape.
func TestFitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawFrame(t)
		r := format.Resolution{Width: rapid.IntRange(0, 4096).Draw(t, "boxw"), Height: rapid.IntRange(0, 4096).Draw(t, "boxh")}
		mode := rapid.SampledFrom([]fitMode{fitLetterbox, fitCrop, fitInside}).Draw(t, "mode")
		g := fit(in, r, mode)
		for _, n := range []int{g.W, g.H, g.ScaleW, g.ScaleH} {
			if n < 2 || n%2 != 0 || n > maxSide {
				t.Fatalf("%v in %v: %+v has a side of %d", in, r, g, n)
			}
		}
		if r.Width > 0 && r.Height > 0 && mode != fitInside && (g.W != even(float64(r.Width)) || g.H != even(float64(r.Height))) {
			t.Fatalf("%v in %v: %+v is not the box", in, r, g)
		}
		if r.Width > 1 && r.Height > 1 && mode == fitInside && (g.W > even(float64(r.Width)) || g.H > even(float64(r.Height))) {
			t.Fatalf("%v in %v: %+v is larger than the box", in, r, g)
		}
		if !g.letterboxed() && !g.cropped() && g.W < maxSide && g.H < maxSide {
			shown, want := g.SAR.float()*float64(g.W)/float64(g.H), in.dar().float()
			if math.Abs(shown/want-1) > 1e-4 {
				t.Fatalf("%v in %v: %+v shows %.6f, the source %.6f", in, r, g, shown, want)
			}
		}
	})
}

// Found by TestFitProperties: cutting a strip into a tall box asked for a
// picture a million pixels wide.
func TestFitCropIsBounded(t *testing.T) {
	if g := fit(frame{4097, 16, ratio{1, 1}}, format.Resolution{Width: 2, Height: 4096}, fitCrop); g.ScaleW > maxSide {
		t.Errorf("%+v", g)
	}
}

// A ladder never enlarges, never comes out empty, names each rung once, and has
// audio alone last; no variant has bars.
func TestLadderProperties(t *testing.T) {
	variants := []string{"mp4:x:64k", "mp4:240p", "mp4:360p::quality=3", "mp4:480p", "mp4:720p", "mp4:1080p", "mp4:2160p", "mp4:640x360", "mp4:0x100", "mp4", "mp4:720p:x"}
	rapid.Check(t, func(rt *rapid.T) {
		in := drawFrame(rt)
		m := film(in.W, in.H)
		m.Video[0].SAR = format.Rational{Num: int(in.SAR.num), Den: int(in.SAR.den)}
		m.Video[0].Rotation = rapid.SampledFrom([]int{0, 90, 180, 270}).Draw(rt, "rotation")
		o := output(t, "httpstream hls=/h dash=/d")
		o.Stream.DefaultLadder = rapid.Bool().Draw(rt, "default")
		if !o.Stream.DefaultLadder {
			o.Stream.Variants = nil
			for _, v := range rapid.SliceOfN(rapid.SampledFrom(variants), 1, 6).Draw(rt, "variants") {
				f, _ := format.Parse(v)
				o.Stream.Variants = append(o.Stream.Variants, f)
			}
		}
		p := newPlanner(newSource(m), Options{SegmentSeconds: 6}, "", 1)
		list, _, err := p.variants(o.Stream)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		seen, pictures, large := map[string]bool{}, 0, 0
		for i, v := range list {
			if seen[v.id] {
				rt.Fatalf("two variants are named %s", v.id)
			}
			seen[v.id] = true
			if v.video == nil {
				if i+1 < len(list) && list[i+1].video != nil {
					rt.Fatalf("audio alone comes before video")
				}
				continue
			}
			pictures++
			g := v.video.geometry
			if g.upscales(p.src.frame) {
				large++
			}
			if g.letterboxed() || g.cropped() {
				rt.Fatalf("variant %s has bars: %+v", v.id, g)
			}
		}
		if large > 1 || large == 1 && pictures > 1 {
			rt.Fatalf("%d of %d variants are larger than the source", large, pictures)
		}
	})
}

func FuzzPicturePath(f *testing.F) {
	for _, s := range []string{"/t_%.2d.jpg", "/t_%05d.jpg", "/#num#.jpg", "/100%.jpg", "/a%20b_%1d.jpg", "/%", "/%.d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, several := picturePath(s)
		if several && fmt.Sprintf(path, 1) == fmt.Sprintf(path, 2) {
			t.Errorf("%q became %q, which is no pattern", s, path)
		}
		if !several && path != s {
			t.Errorf("%q became %q", s, path)
		}
	})
}
