package transcode

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// Renditions that several outputs share are encoded once.
func TestSharing(t *testing.T) {
	for _, stream := range []string{
		"httpstream hls=/hls",
		"httpstream hls=/hls variants=mp4:240p::quality=4,maxrate=400k;mp4:360p::quality=4,maxrate=1000k;mp4:480p::quality=4,maxrate=1500k;mp4:720p::quality=4,maxrate=2000k;mp4:1080p::quality=4,maxrate=4000k",
		"httpstream hls=/hls dash=/dash",
	} {
		p := Build(outputs(t,
			"mp4:720p::quality=4,maxrate=2000k path=/720.mp4",
			"mp4:480p::quality=4,maxrate=1500k path=/480.mp4",
			"mp4:360p::quality=4,maxrate=1000k path=/360.mp4",
			stream,
			"jpg:300x path=/t_%02d.jpg number=5",
		), film(1920, 1080), Options{})
		video, audio := encodes(p)
		if video != 5 || audio != 1 {
			t.Errorf("%s: %d video and %d audio encodes, want 5 and 1\n%s", stream, video, audio, show(p))
		}
		if n := count(p, StepEncode); n != 1 {
			t.Errorf("%d decodes of the picture, want 1", n)
		}
		if n := count(p, StepThumbnails); n != 0 {
			t.Errorf("%d steps for pictures, want them in the encode", n)
		}
	}
}

func count(p Plan, k StepKind) (n int) {
	for _, s := range p.Steps {
		if s.Kind == k {
			n++
		}
	}
	return n
}

func TestIsolateSharesNothing(t *testing.T) {
	outs := outputs(t, "mp4:720p path=/a.mp4", "mp4:720p path=/b.mp4", "jpg path=/c.jpg", "httpstream hls=/hls variants=mp4:720p")
	p := Build(outs, film(1920, 1080), Options{Isolate: true})
	ids, files := map[string]bool{}, map[string]string{}
	for _, s := range p.Steps {
		if len(s.Outputs) != 1 {
			t.Errorf("step %s serves %v, want one output", s.ID, s.Outputs)
		}
		if ids[s.ID] {
			t.Errorf("step ID %s twice", s.ID)
		}
		ids[s.ID] = true
		for _, f := range s.Files {
			if by, ok := files[f]; ok {
				t.Errorf("%s is made by %s and %s", f, by, s.ID)
			}
			files[f] = s.ID
		}
	}
	if video, _ := encodes(p); video != 3 {
		t.Errorf("%d video encodes, want 3", video)
	}
}

// Every plan must be runnable: what a step needs comes before it, and the failure
// of each step fails some output.
func checkPlan(t testing.TB, p Plan) {
	t.Helper()
	done := map[string]bool{}
	for _, s := range p.Steps {
		before := s.Needs
		if s.Tail.Step != "" {
			before = append(slices.Clone(before), s.Tail.Step)
		}
		if (s.Tail.Name != "") != slices.Contains(s.FFmpegArgs(), StdinInput) {
			t.Errorf("step %s follows %q by %q", s.ID, s.Tail.Name, s.FFmpegArgs())
		}
		for _, n := range before {
			if !done[n] {
				t.Errorf("step %s needs %s, which does not come before it", s.ID, n)
			}
		}
		if done[s.ID] {
			t.Errorf("step ID %s twice", s.ID)
		}
		done[s.ID] = true
		if len(s.Outputs) == 0 || !slices.IsSorted(s.Outputs) {
			t.Errorf("step %s has outputs %v", s.ID, s.Outputs)
		}
		for _, i := range s.Outputs {
			if p.Results[i].Err != nil {
				t.Errorf("step %s serves output %d, which has failed", s.ID, i)
			}
		}
		if s.Cost <= 0 {
			t.Errorf("step %s costs %v", s.ID, s.Cost)
		}
	}
}

func TestErrors(t *testing.T) {
	silent := film(1280, 720)
	silent.Audio = nil
	sound := film(1280, 720)
	sound.Video, sound.FormatName = nil, "mp3"
	vp9 := film(1280, 720)
	vp9.Video[0].Codec = "prores"
	for _, tt := range []struct {
		name, output, want string
		media              job.Media
	}{
		{"no video", "mp4:720p path=/a.mp4", "The input has no video, so mp4 cannot be made from it; ask for an audio format such as mp3.", sound},
		{"no video for a picture", "jpg path=/a.jpg", "The input has no video, so no picture can be taken from it.", sound},
		{"no audio", "mp3 path=/a.mp3", "The input has no audio, so mp3 cannot be made from it.", silent},
		{"no audio, video off", "mp4:x:64k path=/a.mp4", "The input has no audio, so mp4 cannot be made from it.", silent},
		{"offset", "mp4 path=/a.mp4 offset=40", "The offset of 40 s lies beyond the end of the input, which lasts 30 s.", silent},
		{"copy into a foreign container", "webm:copy path=/a.webm", "The input's video codec prores cannot be copied into webm; choose another container, or a codec to encode it with.", vp9},
		{"profile", "mp4:720p::vprofile=main,pix_fmt=yuv422p path=/a.mp4", "", silent},
		{"pictures without a variable", "jpg path=/a.jpg number=3", "The path \"/a.jpg\" must hold a sequence variable such as %.2d, because 3 pictures are made.", silent},
		{"crop", "mp4 path=/a.mp4 crop=9000:10", "The crop \"9000:10\" does not fit the input's picture of 1280x720; give two numbers such as \"640:360\".", silent},
		{"variant that copies", "httpstream hls=/h variants=mp4:copy", "A variant of an httpstream cannot copy the input's video, because segments must begin at keyframes; name a codec.", silent},
		{"audio-only stream of a silent source", "httpstream hls=/h variants=mp4:x:64k", "The input has no stream that the variants ask for, so no httpstream can be made from it.", silent},
	} {
		if tt.want == "" {
			continue // refused by the format's own check at POST
		}
		p := Build(outputs(t, tt.output, "png path=/other.png"), tt.media, Options{})
		if err := p.Results[0].Err; err == nil || err.Message != tt.want {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		checkPlan(t, p)
	}
	p := Build(outputs(t, "mp4:hevc path=/a.mp4"), film(640, 360), Options{Capabilities: Capabilities{Encoders: NewSet("libx264", "aac")}})
	if err := p.Results[0].Err; err == nil || err.Message != "This server's ffmpeg has no libx265, so hevc cannot be encoded." {
		t.Errorf("missing encoder: %v", err)
	}
	if p := Build([]*job.Output{nil, output(t, "png path=/a.png")}, film(64, 36), Options{}); p.Results[0].Err != nil || len(p.Results[1].Files) != 1 {
		t.Errorf("a nil output was planned: %+v", p.Results)
	}
}

// A picture that is late only by the priming of the audio, as ffmpeg's Matroska
// files are, does not keep streams and files from sharing.
func TestSharingOfSlightlyLateVideo(t *testing.T) {
	m := film(1280, 720)
	m.FormatName, m.Video[0].StartTime = "matroska,webm", 0.021
	p := Build(outputs(t, "mp4:720p::quality=4,maxrate=2000k path=/a.mp4", "httpstream hls=/h variants=mp4:720p::quality=4,maxrate=2000k"), m, Options{})
	if video, _ := encodes(p); video != 1 {
		t.Errorf("%d video encodes, want 1", video)
	}
}

func TestStreamRate(t *testing.T) {
	r := func(n, d int) format.Rational { return format.Rational{Num: n, Den: d} }
	for _, tt := range []struct {
		base, avg, want format.Rational
	}{
		{r(30, 1), r(30, 1), r(0, 0)},
		{r(24, 1), r(602112, 25088), r(0, 0)}, // exactly 24
		{r(120, 1), r(120, 1), r(60, 1)},
		{r(120000, 1001), r(120000, 1001), r(60000, 1001)},
		{r(30, 1), r(28, 1), r(30, 1)},          // most frames are there
		{r(30, 1), r(20, 1), r(20, 1)},          // a third is missing
		{r(1000, 1), r(119, 5), r(24000, 1001)}, // 23.8, no nominal rate
		{r(90000, 1), r(58, 1), r(60000, 1001)},
		{r(0, 1), r(0, 1), r(25, 1)},
	} {
		m := film(640, 360)
		m.Video[0].BaseFPS, m.Video[0].FPS = tt.base, tt.avg
		if got := newSource(m).streamRate(); got != tt.want && (validRate(got) || validRate(tt.want)) {
			t.Errorf("base %v, average %v: %v, want %v", tt.base, tt.avg, got, tt.want)
		}
	}
}

func TestPicturePath(t *testing.T) {
	for path, want := range map[string]string{
		"/t_%.2d.jpg": "/t_%02d.jpg", "/t_%02d.jpg": "/t_%02d.jpg", "/t_%05d.jpg": "/t_%05d.jpg", "/t_%1d.jpg": "/t_%01d.jpg",
		"/t_%d.jpg": "/t_%01d.jpg", "/t_#num#.jpg": "/t_%02d.jpg", "/50%/t_%d.jpg": "/50%%/t_%01d.jpg", "/t.jpg": "/t.jpg", "/50%.jpg": "/50%.jpg",
	} {
		if got, _ := picturePath(path); got != want {
			t.Errorf("%q became %q, want %q", path, got, want)
		}
	}
}

// An encoder writes a finished file only when the file holds nothing but its
// audio.
func TestCopiedAudioInOgg(t *testing.T) {
	m := film(640, 360)
	m.Audio[0].Codec = "vorbis"
	p := Build(outputs(t, "ogv:theora:copy path=/a.ogv", "ogg:copy:metadata=0 path=/b.ogg", "ogg:copy path=/c.ogg"), m, Options{})
	if e := p.Results[0].Files[0].Expect; !e.Video || !e.Audio {
		t.Errorf("video with copied audio: %+v", e)
	}
	for i, tags := range []string{"-1", "0:g"} {
		at := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Kind == StepAudio && slices.Contains(s.Outputs, i+1) })
		if at < 0 || !strings.Contains(strings.Join(p.Steps[at].FFmpegArgs(), " "), "-c:a copy -map_metadata "+tags+" ") {
			t.Errorf("output %d does not take the tags %s: %+v", i+1, tags, p.Steps)
		}
	}
}

// TestMovable: a file is given away only if it was muxed for one output and nothing else
// has it.
func TestMovable(t *testing.T) {
	p := Build(outputs(t, "mp4:copy:copy path=/a.mp4", "mp4:720p path=/b.mp4", "mp4:720p path=/c.mp4", "mp3 path=/d.mp3", "jpg path=/e.jpg number=2",
		"httpstream hls=/hls variants=mp4:720p", "mp4:360p::frag path=/f.mp4"), film(1920, 1080), Options{})
	want := map[string]bool{"/a.mp4": true, "/b.mp4": true, "/c.mp4": true, "/d.mp3": false, "/e.jpg": false, "/f.mp4": true}
	for _, r := range p.Results {
		for _, f := range r.Files {
			if got := p.Movable(f.Name); got != want[f.Path] {
				t.Errorf("%s, %s: %v", f.Path, f.Name, got)
			}
		}
	}
	for _, s := range p.Steps {
		for _, name := range append(s.Reads, s.Tail.Name) {
			if p.Movable(name) {
				t.Errorf("%s, which %s reads", name, s.ID)
			}
		}
	}
}
