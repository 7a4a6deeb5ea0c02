package transcode

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/stream"
)

// Every frame of the source comes out once, and keyframes are on the grid.
func TestFramesAndKeyframes(t *testing.T) {
	t.Parallel()
	type made struct{ rate, codec, line string }
	var matrix []made
	for _, rate := range []string{"24000/1001", "25"} {
		for line, codec := range map[string]string{
			"mp4:80x::quality=3 path=/a.mp4": "h264", "mp4:hevc_80x::quality=3 path=/b.mp4": "hevc", "webm:vp9_80x path=/c.webm": "vp", "mpegts:80x::quality=3 path=/d.ts": "ts",
			"mp4:80x_300k::2pass path=/e.mp4": "h264", "mp4:hevc_80x_300k::2pass path=/f.mp4": "hevc", "webm:80x_300k::2pass path=/g.webm": "vp",
		} {
			matrix = append(matrix, made{rate, codec, line})
		}
	}
	slices.SortFunc(matrix, func(a, b made) int { return cmp.Or(cmp.Compare(a.rate, b.rate), cmp.Compare(a.line, b.line)) })
	of := map[string][]string{}
	for _, m := range testmedia.Cover(matrix, func(m made) []string { return []string{m.line, m.rate + m.codec} }) {
		of[m.rate] = append(of[m.rate], m.line)
	}
	for rate, lines := range of {
		t.Run(rate, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, "-f", "lavfi", "-i", "testsrc=s=160x90:r="+rate+":d=5", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4")
			p := run(t, dir, fast, lines...)
			want := len(frames(t, dir, SourceName, false))
			for _, r := range p.Results {
				name := r.Files[0].Name
				all := frames(t, dir, name, false)
				if len(all) != want {
					t.Errorf("%s: %d frames, want %d", name, len(all), want)
				}
				keys := frames(t, dir, name, true)
				if len(keys) != 3 {
					t.Errorf("%s: keyframes at %v, want three", name, keys)
				}
				for i, k := range keys {
					if d := k - keys[0] - 2*float64(i); d < -0.002 || d > 0.045 {
						t.Errorf("%s: keyframe %d at %.3f s, off the grid", name, i, k)
					}
				}
			}
		})
	}
}

func TestVariableFrameRate(t *testing.T) {
	t.Parallel()
	// 30 fps of which a third is missing, irregularly.
	dir := clip(t, "-f", "lavfi", "-i", "testsrc=s=160x90:r=30:d=4,select='not(eq(mod(n,7),3)+eq(mod(n,5),1))'", "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4")
	p := run(t, dir, fast, "mp4:80x::quality=3 path=/a.mp4", "mp4:80x_15fps::quality=3 path=/b.mp4", "httpstream hls=/h variants=mp4:80x::quality=3")
	in, out := frames(t, dir, SourceName, false), frames(t, dir, p.Results[0].Files[0].Name, false)
	if len(in) != len(out) {
		t.Fatalf("%d frames, want the source's %d", len(out), len(in))
	}
	for i := range in {
		if math.Abs(in[i]-out[i]) > 0.002 {
			t.Fatalf("frame %d is at %.4f s, in the source at %.4f", i, out[i], in[i])
		}
	}
	if n := len(frames(t, dir, p.Results[1].Files[0].Name, false)); n < 59 || n > 61 {
		t.Errorf("15fps of 4 s has %d frames", n)
	}
	track := p.Results[2].Packages[0].Tracks[0]
	if n := len(frames(t, dir, "v2.mp4", false)) + len(frames(t, dir, "v3.mp4", false)); track.FrameRate.Num == 0 || n < 130 {
		t.Errorf("the stream's rendition is not constant: %+v, %d frames in all", track.FrameRate, n)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	dir := clip(t, append(beepAndFlash, "-f", "mp4")...)
	p := run(t, dir, Options{Presets: fast.Presets, SegmentSeconds: 2}, "httpstream hls=/hls dash=/dash variants=mp4:x:64k;mp4:40x::quality=3;mp4:80x::quality=3;mp4:160x::quality=3;mp4:1080p", "mp4:80x::quality=3 path=/a.mp4", "jpg:40x path=/t_%02d.jpg interval=1")
	if video, audio := encodes(p); video != 3 || audio != 0 {
		t.Errorf("%d video and %d audio encodes, want 3 and 0, for the audio will do as it is\n%s", video, audio, show(p))
	}
	hls, dash := p.Results[0].Packages[0], p.Results[0].Packages[1]
	if n := len(hls.Tracks); n != 4 || hls.Tracks[3].Type != stream.Audio || hls.Tracks[0].Type != stream.Muxed || hls.Layout != stream.TS {
		t.Errorf("HLS tracks %+v", hls.Tracks)
	}
	if n := len(dash.Tracks); n != 4 || dash.Tracks[0].Type != stream.Video || dash.Tracks[3].Type != stream.Audio {
		t.Errorf("DASH tracks %+v", dash.Tracks)
	}
	if n := p.Results[2].Files[0].Count; n != 4 {
		t.Errorf("%d pictures, want 4", n)
	}
	if d := offset(t, dir, hls.Dir+"/"+hls.Tracks[1].Dir+"/segment-00001.ts"); math.Abs(d) > 0.005 {
		t.Errorf("in the first segment flash - beep = %.3f s", d)
	}
}

// The shared media: rotated, portrait, deep, full range, silent, sound alone,
// no index, photos.
func TestRealMedia(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source string
		lines  []string
		check  func(t *testing.T, dir string, p Plan)
	}{
		{"rotated-180.mov", []string{"mp4:0x120::quality=3 path=/a.mp4", "jpg:100x path=/a.jpg", "mp4 path=/b.mp4 duration=1", "mp4:copy path=/c.mp4"}, nil},
		{"portrait.ts", []string{"mp4:480p::quality=3 path=/a.mp4", "mp4:240p::quality=3 path=/b.mp4", "httpstream hls=/h variants=mp4:240p::quality=3;mp4:480p", "jpg path=/a.jpg"}, func(t *testing.T, dir string, p Plan) {
			if e := p.Results[1].Files[0].Expect; e.Width != 136 && e.Width != 134 {
				t.Errorf("240p of portrait is %dx%d", e.Width, e.Height)
			}
		}},
		{"h264-10bit.mp4", []string{"mp4:100x path=/a.mp4", "webm:vp9_100x path=/a.webm", "mp4:100x::vprofile=high10 path=/b.mp4", "png:50x path=/a.png"}, func(t *testing.T, dir string, p Plan) {
			if f := probe(t, dir, p.Results[0].Files[0].Name).Video[0]; f.PixFmt != "yuv420p" {
				t.Errorf("10 bit became %s", f.PixFmt)
			}
			if f := probe(t, dir, p.Results[2].Files[0].Name).Video[0]; f.PixFmt != "yuv420p10le" || f.Profile != "High 10" {
				t.Errorf("high10 became %s %s", f.PixFmt, f.Profile)
			}
		}},
		{"full-range.mp4", []string{"mp4:320x::quality=3 path=/a.mp4", "jpg:320x path=/a.jpg"}, func(t *testing.T, dir string, p Plan) {
			if f := probe(t, dir, p.Results[0].Files[0].Name).Video[0]; f.PixFmt != "yuv420p" || f.ColorRange != "tv" || f.ColorSpace != "bt709" {
				t.Errorf("full range became %s %s %s", f.PixFmt, f.ColorRange, f.ColorSpace)
			}
		}},
		{"audio-only.mp4", []string{"mp3:64k_22050hz_mono path=/a.mp3", "ogg path=/a.ogg duration=2", "wav path=/a.wav duration=2", "aac:96k path=/a.aac", "mp4:x:64k path=/a.mp4 duration=2", "httpstream hls=/h dash=/d"}, func(t *testing.T, dir string, p Plan) {
			if k := p.Results[5].Packages; len(k) != 2 || len(k[0].Tracks) != 1 || k[0].Tracks[0].Type != stream.Audio {
				t.Errorf("a stream of sound alone: %+v", k)
			}
		}},
		{"audio.mp3", []string{"mp4:x:64k path=/a.mp4", "ogg:64k path=/a.ogg", "mp3:copy path=/b.mp3", "webm:x:opus path=/c.webm"}, nil},
		{"multiple-audio.mp4", []string{"mp3 path=/a.mp3", "mp4:x path=/a.mp4"}, nil},
		{"parametric-stereo.mp4", []string{"mp4:100x::quality=3 path=/a.mp4 duration=1", "webm:100x path=/b.webm duration=1", "httpstream hls=/h variants=mp4:100x::quality=3"}, nil},
		{"stereo-1080p25.mp4", []string{"mp4:240p::quality=3 path=/a.mp4 duration=1", "mp4:copy path=/c.mp4 offset=3 duration=2", "mov:copy:64k path=/c.mov duration=2"}, nil},
		{"two-video-streams-subtitles.mp4", []string{"mp4:100x::quality=3 path=/a.mp4 duration=4", "webm:100x path=/b.webm duration=2", "ogg:128k_8000hz path=/c.ogg duration=4"}, nil},
		{"vp9.webm", []string{"mp4:240p::quality=3 path=/a.mp4", "webm:copy path=/c.webm", "jpg:160x90 path=/t-%d.jpg number=3"}, nil},
		{"photo.jpg", []string{"jpg:100x50 path=/a.jpg", "png:0x100 path=/b.png", "jpg path=/c_%02d.jpg number=3"}, nil},
	} {
		t.Run(tt.source, func(t *testing.T) {
			t.Parallel()
			dir := real(t, tt.source)
			p := run(t, dir, fast, tt.lines...)
			if tt.check != nil {
				tt.check(t, dir, p)
			}
		})
	}
}

// Streams and pictures of an interlaced source are deinterlaced, with an encode
// over the same window and without.
func TestInterlaced(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc=s=160x96:r=50:d=2,interlace,setfield=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-f", "mpegts")
	if f := probe(t, dir, SourceName).Video[0].FieldOrder; f == "progressive" || f == "" {
		t.Fatalf("the source has field order %q", f)
	}
	run(t, dir, fast, "httpstream hls=/h variants=mp4:::quality=3", "jpg:80x path=/a_%d.jpg number=3", "mp4:::quality=3 path=/a.mp4 deinterlace=1")
	run(t, dir, fast, "jpg:80x path=/a_%d.jpg number=3")
}

// The picture of a moment is the same whether it is found by seeking or taken from
// a decode.
func TestPicturesAreOfTheirMoment(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "color=black:s=64x36:r=10:d=8,geq=lum='floor(N/10)*30':cb=128:cr=128", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-f", "mp4")
	lines := []string{"png path=/a_%d.png offsets=6;1;3.5;99", "png path=/b_%d.png interval=2", "png path=/c_%d.png number=4"}
	for _, beside := range [][]string{nil, {"mp4:32x::quality=3 path=/x.mp4"}} {
		p := run(t, dir, fast, append(slices.Clone(lines), beside...)...)
		want := [][]int{{6, 1, 3, 7}, {0, 2, 4, 6}, {1, 3, 5, 7}}
		pictures := decodedAll(t, dir, picturesOf(p.Results[:len(want)])...)
		for i, seconds := range want {
			for n, s := range seconds {
				name := pictureName(p.Results[i], n)
				// The source is limited range, the picture full.
				full := (float64(s*30) - 16) * 255 / 219
				if got := pictures[name][0].gray(); math.Abs(got-max(0, full)) > 6 {
					t.Errorf("%s: %s shows %.0f, want second %d (%.0f)", lines[i], name, got, s, full)
				}
			}
		}
	}
}

// More pairs of containers and codecs, and a picture as a film.
func TestContainers(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc=s=161x91:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1,aformat=channel_layouts=5.1", "-c:v", "ffv1", "-c:a", "flac", "-f", "matroska")
	p := run(t, dir, fast, "mov::pcm-s16le path=/a.mov", "mkv::multi path=/b.mkv", "mp4::mp3 path=/c.mp4", "mpegts:hevc path=/d.ts", "webm::opus_multi path=/e.webm", "mkv:copy path=/f.mkv", "ogg:opus path=/g.ogg", "mp4:hevc:x:pix_fmt=yuv420p10le path=/h.mp4", "mp4::mono_22050hz:frag path=/i.mp4", "mp4:60fps path=/j.mp4", "wav:pcm-u8_8000hz path=/k.wav")
	if v := probe(t, dir, p.Results[0].Files[0].Name).Video[0]; v.Width != 160 || v.Height != 90 {
		t.Errorf("an odd size became %dx%d", v.Width, v.Height)
	}
	if a := probe(t, dir, p.Results[1].Files[0].Name).Audio[0]; a.Channels != 6 {
		t.Errorf("multi has %d channels", a.Channels)
	}
	if a := probe(t, dir, p.Results[2].Files[0].Name).Audio[0]; a.Channels != 2 || a.Codec != "mp3" {
		t.Errorf("mp3 in mp4: %+v", a)
	}
	if v := probe(t, dir, p.Results[7].Files[0].Name).Video[0]; v.CodecTag != "hvc1" || v.Profile != "Main 10" {
		t.Errorf("hevc: %+v", v)
	}
	photo := clip(t, "-f", "lavfi", "-i", "testsrc=s=64x48:d=0.04", "-frames:v", "1", "-f", "image2", "-c:v", "mjpeg")
	run(t, photo, fast, "mp4 path=/a.mp4", "jpg:32x path=/a.jpg")
}

// A gap in the audio of the source becomes silence of the same length, so that
// what follows keeps its time.
func TestAudioGap(t *testing.T) {
	t.Parallel()
	whole := clip(t, append(slices.Clone(beepAndFlash), "-f", "mp4")...)
	dir := clip(t, "-i", whole+"/"+SourceName, "-c", "copy", "-bsf:a", "noise=drop='gt(n,65)*lt(n,80)'", "-f", "matroska")
	run(t, dir, fast, "mp4:80x::quality=3 path=/a.mp4", "mp3 path=/a.mp3")
	beeps := func(name string) []string {
		_, msg := command(t, dir, "ffmpeg", "-i", name, "-map", "0:a", "-af", "silencedetect=n=-30dB:d=0.3", "-f", "null", "-")
		var at []string
		for _, m := range silenceEnd.FindAllStringSubmatch(msg, -1) {
			at = append(at, m[1])
		}
		return at
	}
	// Matroska delays the start by the priming of AAC: 21 ms.
	for _, name := range []string{"out1.mp4", "a2.mp3"} {
		got := beeps(name)
		if len(got) < 3 {
			t.Fatalf("%s: beeps at %v", name, got)
		}
		for i, want := range []float64{1, 2, 3} {
			if at, _ := strconv.ParseFloat(got[i], 64); math.Abs(at-want-0.021) > 0.02 {
				t.Errorf("%s: beep %d at %.3f s, want %.3f", name, i+1, at, want+0.021)
			}
		}
	}
}

// A stream of a source whose video starts late is filled up from the first place of
// its frames on.
func TestStreamOfLateVideo(t *testing.T) {
	t.Parallel()
	whole := clip(t, append(slices.Clone(beepAndFlash), "-f", "mp4")...)
	from := whole + "/" + SourceName
	dir := clip(t, "-i", from, "-itsoffset", "0.513", "-i", from, "-map", "1:v", "-map", "0:a", "-c", "copy", "-f", "mp4")
	p := run(t, dir, fast, "httpstream hls=/h dash=/d variants=mp4:80x::quality=3")
	if times := frames(t, dir, "v1.mp4", false); len(times) != 112 || math.Abs(times[0]-0.032) > 0.001 {
		t.Errorf("%d frames from %.3f s, want 112 from 0.032", len(times), times[0])
	}
	hls := p.Results[0].Packages[0]
	want := offset(t, dir, SourceName)
	if got := offset(t, dir, hls.Dir+"/"+hls.Tracks[0].Dir+"/segment-00001.ts"); math.Abs(got-want) > 0.005 {
		t.Errorf("flash - beep = %.3f s, in the source %.3f", got, want)
	}
}
