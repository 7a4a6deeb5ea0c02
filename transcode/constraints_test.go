package transcode

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// surround is a film of an odd shape with audio in 5.1, at a sample rate and a
// time base that few of the older codecs know.
var surround = []string{
	"-f", "lavfi", "-i", "testsrc=s=142x80:r=12:d=0.5,setsar=640/639", "-f", "lavfi", "-i", "sine=d=0.5:r=96000",
	"-af", "pan=7.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0|SL=c0|SR=c0", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", "-f", "matroska",
}

// TestConstraints asks for what encoders cannot do, and gets the nearest that
// they can.
func TestConstraints(t *testing.T) {
	t.Parallel()
	dir := clip(t, surround...)
	m := probe(t, dir, SourceName)
	type want struct {
		size, fps string
		rate, ch  int
	}
	wants := map[string]want{
		"3gp::x":                            {size: "128x96", fps: "12/1"},
		"3gp:640x360_60fps:x":               {size: "704x576", fps: "30000/1001"},
		"mkv:h263_90x60:x:quality=3":        {size: "92x60", fps: "12/1"},
		"mov:dnxhd:x":                       {size: "256x144", fps: "12/1"},
		"mov:dnxhd_300x:x:pix_fmt=gbrp10le": {size: "300x170", fps: "12/1"},
		"mp4:av1_40x30:x":                   {size: "86x64", fps: "12/1"},
		"mp4:hevc_8x8:x":                    {size: "16x16", fps: "12/1"},
		"mp4:mpeg2video:x":                  {size: "142x80", fps: "24/1"},
		"mp4:mpeg2video:x:pix_fmt=yuv422p,quality=5,maxrate=300k": {size: "142x80", fps: "24/1"},
		"mp4:mpeg1video_48fps:x":                                  {size: "142x80", fps: "50/1"},
		"mp4:mpeg4_59.94fps:x":                                    {size: "142x80", fps: "60000/1001"},
		"avi:120fps:x":                                            {size: "142x80", fps: "120/1"},
		"avi:h264:x:2pass":                                        {size: "142x80", fps: "12/1"},
		"flv::mp3":                                                {size: "142x80", fps: "12000/1001", rate: 44100, ch: 2},
		"flv:x:pcm_48000hz_multi":                                 {rate: 44100, ch: 2},
		"flv:x:pcm-alaw":                                          {rate: 8000, ch: 1},
		"3gp:x:multi":                                             {rate: 48000, ch: 8},
		"mp4:x:multi":                                             {rate: 48000, ch: 8},
		"mp4:x:ac3_multi":                                         {rate: 48000, ch: 6},
		"mkv:x:flac_multi":                                        {rate: 96000, ch: 8},
		"mkv:x:opus_multi":                                        {rate: 48000, ch: 8},
		"webm:x:multi":                                            {rate: 48000, ch: 8},
		"wav:multi":                                               {rate: 96000, ch: 8},
		"mp3:multi":                                               {rate: 48000, ch: 2},
		"mkv:x:mp2_100k_22050hz":                                  {rate: 22050, ch: 2},
		"mkv:x:mp2_512k_mono":                                     {rate: 48000, ch: 1},
		"asf:x:4k_8000hz_mono":                                    {rate: 8000, ch: 1},
		"asf:x:512k_multi":                                        {rate: 48000, ch: 2},
		"mkv:x:ac3_512k_mono_22050hz":                             {rate: 32000, ch: 1},
		"mov:prores:x:pix_fmt=yuva444p10le":                       {size: "142x80", fps: "12/1"},
		"mov:prores-ks_60fps:x:vprofile=3":                        {size: "142x80", fps: "60/1"},
		"mov:qtrle:x:pix_fmt=argb":                                {size: "142x80", fps: "12/1"},
		"avi:huffyuv:x":                                           {size: "142x80", fps: "12/1"},
		"ogv:theora_200k::2pass":                                  {size: "142x80", fps: "12/1", rate: 48000, ch: 2},
		"ogv:theora:x:quality=4":                                  {size: "142x80", fps: "12/1"},
		"mov:mjpeg:x:pix_fmt=yuv422p,quality=4,maxrate=900k": {size: "142x80", fps: "12/1"},
	}
	var lines []string
	for f := range wants {
		lines = append(lines, f+" path=/a")
	}
	slices.Sort(lines)
	o := fast
	o.Presets = map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvpx": "8"}
	p := Build(outputs(t, lines...), m, o)
	made := runSteps(t, dir, p)
	for i, r := range p.Results {
		f, _, _ := strings.Cut(lines[i], " ")
		if r.Err != nil || !made[r.Files[0].Name] {
			t.Errorf("%s: %v", f, r.Err)
			continue
		}
		r.Files[0].Expect.Duration = 0 // half a second is too short to judge
		got := checkFile(t, dir, r.Files[0])
		var g want
		if len(got.Video) > 0 {
			v := got.Video[0]
			g.size, g.fps = fmt.Sprintf("%dx%d", v.Width, v.Height), fmt.Sprintf("%d/%d", v.BaseFPS.Num, v.BaseFPS.Den)
		}
		if len(got.Audio) > 0 {
			g.rate, g.ch = got.Audio[0].SampleRate, got.Audio[0].Channels
		}
		if g != wants[f] {
			t.Errorf("%s: %+v, want %+v", f, g, wants[f])
		}
	}
}

// TestQualityAndPasses encodes with every codec that has them in two passes and
// with each quality.
func TestQualityAndPasses(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.4", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4")
	m := probe(t, dir, SourceName)
	var lines []string
	for _, c := range codec.Codecs() {
		i := slices.IndexFunc(codec.Containers(), func(k *codec.Container) bool { return slices.Contains(k.VideoCodecs, c.Name) })
		if c.Track != codec.Video || !c.Encodable || i < 0 {
			continue
		}
		spec := codec.Containers()[i].Name + ":" + c.Name + ":x:"
		if c.Quality {
			lines = append(lines, spec+"quality=1", spec+"quality=5", spec+"quality=5,maxrate=200k")
		}
		if c.TwoPass {
			lines = append(lines, spec+"2pass")
		}
	}
	for i := range lines {
		lines[i] += " path=/a"
	}
	o := fast
	o.Presets = map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvpx": "8", "libvpx-vp9": "8"}
	p := Build(outputs(t, lines...), m, o)
	made := runSteps(t, dir, p)
	sizes := map[string]int64{}
	var files []string
	for i, r := range p.Results {
		f, _, _ := strings.Cut(lines[i], " ")
		if r.Err != nil || !made[r.Files[0].Name] {
			t.Errorf("%s: %v", f, r.Err)
			continue
		}
		st, err := os.Stat(filepath.Join(dir, r.Files[0].Name))
		if err != nil {
			t.Fatal(err)
		}
		sizes[f], files = st.Size(), append(files, r.Files[0].Name)
	}
	playable(t, dir, files...)
	for f, low := range sizes {
		spec, ok := strings.CutSuffix(f, "quality=1")
		if best := sizes[spec+"quality=5"]; ok && best <= low {
			t.Errorf("%s has %d bytes, quality 5 only %d", f, low, best)
		}
	}
}

// TestPixFmts encodes with every pixel format that the tables allow, each codec with all of
// them or, with every change, with some.
func TestPixFmts(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.08", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-f", "mp4")
	m := probe(t, dir, SourceName)
	var pairs [][2]string
	for _, c := range codec.Codecs() {
		i := slices.IndexFunc(codec.Containers(), func(k *codec.Container) bool { return slices.Contains(k.VideoCodecs, c.Name) })
		if c.Track != codec.Video || !c.Encodable || i < 0 {
			continue
		}
		for _, pf := range c.PixFmts {
			pairs = append(pairs, [2]string{codec.Containers()[i].Name + ":" + c.Name, pf})
		}
	}
	var lines []string
	for _, c := range testmedia.Cover(pairs, func(c [2]string) []string { return c[:] }) {
		lines = append(lines, fmt.Sprintf("%s:x:pix_fmt=%s path=/a", c[0], c[1]))
	}
	o := fast
	o.Presets = map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvpx": "8", "libvpx-vp9": "8"}
	p := Build(outputs(t, lines...), m, o)
	for i, r := range p.Results {
		if r.Err != nil {
			t.Errorf("%s: %v", lines[i], r.Err)
		}
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(s Step) bool { return s.Kind == StepMux })
	runSteps(t, dir, p)
	// The error names the pixel format that this ffmpeg does not take.
	o.Capabilities.PixFmts = map[string][]string{"libx264": {"yuv420p"}}
	r := Build(outputs(t, "mp4:h264::pix_fmt=yuv422p path=/a"), m, o).Results[0]
	if r.Err == nil || !strings.Contains(r.Err.Message, `"yuv422p"`) {
		t.Errorf("%v", r.Err)
	}
}

func TestLimits(t *testing.T) {
	source := geometry{640, 360, 640, 360, ratio{1, 1}}
	h263 := encoder.ForVideo("h263", "3gp")[0].Limits
	for _, tt := range []struct {
		l        encoder.Limits
		in, want geometry
	}{
		{encoder.Limits{}, source, source},
		{encoder.Limits{MinW: 256, MinH: 120}, source, source},
		{encoder.Limits{MinW: 256, MinH: 120}, geometry{160, 90, 160, 90, ratio{1, 1}}, geometry{256, 144, 256, 144, ratio{1, 1}}},
		{encoder.Limits{MaxW: 320}, source, geometry{320, 180, 320, 180, ratio{1, 1}}},
		{encoder.Limits{Multiple: 4}, geometry{426, 240, 426, 240, ratio{640, 639}}, geometry{428, 240, 428, 240, ratio{320, 321}}},
		{encoder.Limits{MinW: 64, MinH: 64, MaxH: 8704}, geometry{2000, 2, 2000, 2, ratio{1, 1}}, geometry{2000, 64, 2000, 64, ratio{32, 1}}},
		{encoder.Limits{MinW: 64, MinH: 64, MaxH: 8704}, geometry{64, 16384, 64, 16384, ratio{1, 1}}, geometry{64, 8704, 64, 8704, ratio{17, 32}}},
		{encoder.Limits{MinW: 16, MinH: 16, MinBesideLong: 32}, geometry{8000, 16, 8000, 16, ratio{1, 1}}, geometry{8000, 32, 8000, 32, ratio{2, 1}}},
		{encoder.Limits{MinW: 256, MinH: 120}, geometry{2, 100, 64, 100, ratio{1, 1}}, geometry{8, 400, 256, 400, ratio{1, 1}}},
		{encoder.Limits{MinW: 256, MinH: 120}, geometry{2, 2, 2, 2000, ratio{1, 1}}, geometry{256, 2, 256, 2000, ratio{1, 128}}},
		{encoder.Limits{MaxW: 16382, MaxH: 16382, Forbidden: 4096}, geometry{4096, 2160, 4096, 2160, ratio{1, 1}}, geometry{4094, 2160, 4094, 2160, ratio{2048, 2047}}},
		{h263, source, geometry{704, 432, 704, 576, ratio{12, 11}}},
		{h263, geometry{240, 428, 240, 428, ratio{1, 1}}, geometry{148, 288, 352, 288, ratio{12, 11}}},
		{h263, geometry{640, 360, 360, 360, ratio{1, 1}}, geometry{470, 288, 352, 288, ratio{12, 11}}},
	} {
		if got := fitLimits(tt.l, tt.in); got != tt.want {
			t.Errorf("%+v of %+v = %+v, want %+v", tt.l, tt.in, got, tt.want)
		}
	}
	mpeg := encoder.ForVideo("mpeg2video", "mpegts")[0].Limits
	for in, want := range map[format.Rational]format.Rational{
		{Num: 10, Den: 1}: {Num: 30, Den: 1}, {Num: 15, Den: 1}: {Num: 30, Den: 1}, {Num: 30000, Den: 1001}: {Num: 30000, Den: 1001},
		{Num: 120, Den: 1}: {Num: 60, Den: 1}, {Num: 23, Den: 1}: {Num: 24000, Den: 1001}, {Num: 1, Den: 1}: {Num: 24, Den: 1},
	} {
		if got := allowedRate(mpeg, in); got != want {
			t.Errorf("allowedRate(%v) = %v, want %v", in, got, want)
		}
	}
	for in, want := range map[format.Rational]format.Rational{
		{Num: 120000, Den: 1001}: {Num: 120, Den: 1}, {Num: 90000, Den: 3003}: {Num: 30000, Den: 1001}, {Num: 1234567, Den: 98765}: {Num: 12500, Den: 1000},
	} {
		if got := mpeg4Rate(in); got != want {
			t.Errorf("mpeg4Rate(%v) = %v, want %v", in, got, want)
		}
	}
}

// Every encoder of this FFmpeg takes what its limits make of sources that are a line, and of
// sides that the standards forbid.
func TestLines(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	formats := []string{"mp4", "mp4:hevc", "mp4:av1", "webm", "webm:vp9", "ogv", "avi", "mpegts:mpeg2video", "asf", "flv", "mov:prores", "mov:dnxhd", "mov:mjpeg", "3gp", "png", "jpg", "webp"}
	for size, want := range map[string]string{"2000x2": "", "2x2000": "", "1x999": "", "4096x8": "mpegts:mpeg2video", "64x17000": "webm"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=0.4,format=gray,scale="+strings.Replace(size, "x", ":", 1)+",setsar=1", "-c:v", "ffv1", "-f", "matroska")
			var lines []string
			for i, f := range formats {
				if want == "" || f == want {
					lines = append(lines, fmt.Sprintf("%s path=/%d.x", f, i))
				}
			}
			m := measured(t, dir)
			p := runMedia(t, dir, m, fast, lines...)
			for i, r := range p.Results {
				f := r.Files[0]
				if got := probe(t, dir, f.Name); len(got.Video) == 0 || f.Expect.Width > 0 && got.Video[0].Width != f.Expect.Width {
					t.Errorf("%s: %+v, want %d wide", lines[i], got.Video, f.Expect.Width)
				}
			}
		})
	}
}

// A picture without a size is no larger than FFmpeg's frames may be.
func TestLargestPicture(t *testing.T) {
	for _, in := range []frame{{64, 20000, ratio{625, 2}}, {16384, 16384, ratio{1, 1}}, {64, 20000, ratio{1, 1}}, {30000, 30, ratio{1, 1}}} {
		g := fitThumbnail(in, format.Resolution{}, fitLetterbox)
		if got, want := float64(g.W)/float64(g.H), in.dar().float(); (g.W+128)*(g.H+128) >= 1<<28 || max(g.W, g.H) > maxSide || math.Abs(got/want-1) > 0.05 {
			t.Errorf("%+v: %dx%d", in, g.W, g.H)
		}
	}
}

// No H.264 is of level 1b, whose codec string browsers do not know, at any rate.
func TestLevel1b(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=64x36:r=10:d=0.4", "-c:v", "ffv1", "-f", "matroska")
	var lines []string
	for _, rate := range []string{"30k", "50k", "64k", "80k", "100k", "107k", "128k", "160k", "200k"} {
		lines = append(lines, "mp4:64x36_"+rate+" path=/"+rate+".mp4", "mp4:64x36_"+rate+"::vprofile=baseline path=/b"+rate+".mp4")
	}
	p := runMedia(t, dir, measured(t, dir), Options{}, lines...)
	for i, r := range p.Results {
		if v := probe(t, dir, r.Files[0].Name).Video[0]; v.Level < 10 || v.Level > 13 {
			t.Errorf("%s: level %d", lines[i], v.Level)
		}
	}
	if args := strings.Join(Build(outputs(t, "mp4:320x180_100k path=/a.mp4"), film(320, 180), fast).Steps[0].FFmpegArgs(), " "); strings.Contains(args, "-level") {
		t.Errorf("a level is given to a larger picture: %s", args)
	}
}

// Without a size, H.263 is no larger than what telephones play.
func TestTelephone(t *testing.T) {
	p := Build(outputs(t, "3gp path=/a.3gp"), film(1920, 1080), Options{})
	if e := p.Results[0].Files[0].Expect; e.Width != 352 || e.Height != 288 {
		t.Errorf("%+v", e)
	}
}

// A source whose frames come irregularly gets a constant rate where frames are
// counted, and keeps its times elsewhere.
func TestConstantRate(t *testing.T) {
	m := film(640, 360)
	m.Video[0].FPS, m.Video[0].BaseFPS = format.Rational{Num: 17, Den: 1}, format.Rational{Num: 90000, Den: 1}
	p := Build(outputs(t, "avi path=/a.avi", "mp4 path=/b.mp4", "mp4:mpeg4 path=/c.mp4"), m, Options{})
	args := strings.Join(p.Steps[0].FFmpegArgs(), " ")
	if !strings.Contains(args, "fps=15/1") || !strings.Contains(args, "1/90000") {
		t.Error(args)
	}
	// One that begins late is filled up.
	m = film(640, 360)
	m.Video[0].StartTime = 0.08
	p = Build(outputs(t, "avi path=/a.avi"), m, Options{})
	if args := strings.Join(p.Steps[0].FFmpegArgs(), " "); !strings.Contains(args, "fps=30/1:start_time=0") {
		t.Error(args)
	}
}
