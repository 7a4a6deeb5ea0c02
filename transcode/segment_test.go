package transcode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// run runs a tool in dir and returns what it prints. COPRA_FFMPEG names
// another ffmpeg, such as a wrapper of another version.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	name = testmedia.FFmpeg(t, name)
	if other := os.Getenv("COPRA_FFMPEG"); other != "" && filepath.Base(name) == "ffmpeg" {
		name = other
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// ffmpeg runs ffmpeg in dir.
func ffmpeg(t *testing.T, dir string, args ...string) {
	t.Helper()
	run(t, dir, "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
}

// clip is a synthetic source as the encoders of a job write it: intermediates with
// one track, a keyframe every two seconds.
type clip struct {
	rate    format.Rational
	seconds float64
	video   []encoded
	audio   []encoded
}

type encoded struct {
	id   string
	args []string // of the encoder
	size string
}

func (c clip) encode(t *testing.T, dir string) {
	t.Helper()
	rate := fmt.Sprintf("%d/%d", c.rate.Num, c.rate.Den)
	for _, v := range c.video {
		args := []string{
			"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%s:r=%s:d=%g", v.size, rate, c.seconds),
			"-force_key_frames", "expr:gte(t,n_forced*2)",
		}
		args = append(args, v.args...)
		ffmpeg(t, dir, append(args, v.id+".mp4")...)
	}
	for _, a := range c.audio {
		args := []string{"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=48000:d=%g", c.seconds), "-ac", "2", "-c:a", "aac"}
		args = append(args, a.args...)
		ffmpeg(t, dir, append(args, a.id+".mp4")...)
	}
}

func x264(id, size, rate string, more ...string) encoded {
	args := []string{"-c:v", "libx264", "-preset", "veryfast", "-b:v", rate, "-maxrate", rate, "-bufsize", rate,
		"-flags", "+cgop", "-sc_threshold", "0", "-pix_fmt", "yuv420p"}
	return encoded{id: id, size: size, args: append(args, more...)}
}

func aac(id, rate string, more ...string) encoded {
	return encoded{id: id, args: append([]string{"-b:a", rate}, more...)}
}

// published is a package that was cut, built and laid out as it is published.
type published struct {
	*testing.T
	clip  clip
	pkg   stream.Package
	work  string // work files
	root  string // published folder
	files []stream.File
	sums  map[string]stream.Summary
}

// publish cuts the renditions of a clip, builds the package and writes the
// published folder.
func publish(t *testing.T, work string, c clip, p stream.Package) *published {
	t.Helper()
	var cuts [][]string
	for _, tr := range p.Tracks {
		dir := filepath.Join(p.Dir, tr.Dir)
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		cuts = append(cuts, cutArgs(p, tr, dir))
	}
	ffmpeg(t, work, testmedia.Merge(cuts...)...)
	files, sums, err := stream.Build(os.DirFS(work), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := &published{T: t, clip: c, pkg: p, work: work, root: t.TempDir(), files: files, sums: map[string]stream.Summary{}}
	for _, s := range sums {
		out.sums[s.ID] = s
	}
	for _, f := range files {
		data := f.Data
		if f.Source != "" {
			if data, err = os.ReadFile(filepath.Join(work, f.Source)); err != nil {
				t.Fatal(err)
			}
		}
		to := filepath.Join(out.root, f.Path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// mediaStart is the media time at which the tracks of fragmented MP4 begin, in
// seconds.
const mediaStart = 0.1

// cutArgs are the arguments for one track. Muxed tracks play with the first
// audio.
func cutArgs(p stream.Package, tr stream.Track, dir string) []string {
	source := tr.ID + ".mp4"
	if p.Layout == stream.CMAF {
		return transcode.SegmentCMAFArgs(source, dir, p.TargetDuration, tr.Type == stream.Video, mediaStart)
	}
	switch tr.Type {
	case stream.Muxed:
		return transcode.SegmentTSArgs(source, "audio.mp4", dir, p.TargetDuration, 0, "")
	case stream.Video:
		return transcode.SegmentTSArgs(source, "", dir, p.TargetDuration, 0, "")
	}
	return transcode.SegmentTSArgs("", source, dir, p.TargetDuration, 0, "")
}

func (p *published) read(name string) []byte {
	p.Helper()
	data, err := os.ReadFile(filepath.Join(p.root, name))
	if err != nil {
		p.Fatal(err)
	}
	return data
}

// joined is a file with the whole track: all segments, after the init segment.
func (p *published) joined(tr stream.Track) string {
	p.Helper()
	var all bytes.Buffer
	playlist := p.media(p.T, p.sums[tr.ID].Playlist)
	dir := filepath.Dir(p.sums[tr.ID].Playlist)
	if playlist.Map != nil {
		all.Write(p.read(filepath.Join(dir, playlist.Map.URI)))
	}
	for _, s := range segments(playlist) {
		all.Write(p.read(filepath.Join(dir, s.URI)))
	}
	name := filepath.Join(p.TempDir(), "joined")
	if err := os.WriteFile(name, all.Bytes(), 0o600); err != nil {
		p.Fatal(err)
	}
	return name
}

// asked are the answers about files, which do not change once they are made.
var asked sync.Map

// once returns what a function says of a file, asking it only once.
func once[T any](what, file string, ask func() T) T {
	key := what + " " + file
	if a, ok := asked.Load(key); ok {
		return a.(T)
	}
	a := ask()
	asked.Store(key, a)
	return a
}

// packets returns the presentation times of a file's packets of one kind
// ("video", "audio") in seconds, in presentation order as ffprobe sees them.
func packets(t *testing.T, file, kind string) []float64 {
	t.Helper()
	return once("packets", file, func() map[string][]float64 {
		out := run(t, "", "ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pts_time", "-of", "json", file)
		var doc struct {
			Packets []struct {
				Kind string  `json:"codec_type"`
				PTS  float64 `json:"pts_time,string"`
			}
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		times := map[string][]float64{}
		for _, p := range doc.Packets {
			times[p.Kind] = append(times[p.Kind], p.PTS)
		}
		return times
	})[kind]
}

// frames returns the hashes of the decoded pictures.
func frames(t *testing.T, file string) []string {
	t.Helper()
	out := run(t, "", "ffmpeg", "-v", "error", "-allowed_extensions", "ALL", "-i", file,
		"-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-")
	return hashes(out)
}

// sourceFrames is frames for a file that is not a playlist.
func sourceFrames(t *testing.T, file string) []string {
	t.Helper()
	return once("frames", file, func() []string {
		return hashes(run(t, "", "ffmpeg", "-v", "error", "-i", file, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"))
	})
}

func hashes(out string) []string {
	var list []string
	for line := range strings.Lines(out) {
		if f := strings.Split(line, ","); !strings.HasPrefix(line, "#") && len(f) == 6 {
			list = append(list, strings.TrimSpace(f[5]))
		}
	}
	return list
}

var (
	fps25 = format.Rational{Num: 25, Den: 1}
	ntsc  = format.Rational{Num: 30000, Den: 1001}
)

func newTrack(kind stream.TrackType, id string, rate format.Rational, layout stream.Layout) stream.Track {
	tr := stream.Track{ID: id, Type: kind, Dir: id, FrameRate: rate, Segments: "segment-%05d.ts"}
	if layout == stream.CMAF {
		tr.Init, tr.Segments = "init.mp4", "segment-%05d.m4s"
	}
	return tr
}

// TestSegments makes real streams and checks them against the rules with parsers
// that the writer does not use.
func TestSegments(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	c := clip{
		rate: fps25, seconds: 12, // two segments exactly
		video: []encoded{x264("180p", "160x90", "500k"), x264("90p", "80x46", "100k", "-bf", "0")},
		audio: []encoded{aac("audio", "128k"), aac("low", "64k")},
	}
	c.encode(t, work)
	for _, layout := range []stream.Layout{stream.TS, stream.CMAF} {
		p := stream.Package{
			Layout: layout, Dir: "out/" + string(layout), Path: "/x", Name: "master", HLS: true, DASH: layout == stream.CMAF,
			TargetDuration: 6, Duration: 12,
		}
		video := stream.Muxed
		if layout == stream.CMAF {
			video = stream.Video
		}
		p.Tracks = []stream.Track{
			newTrack(stream.Audio, "low", format.Rational{}, layout),
			newTrack(video, "90p", fps25, layout), newTrack(video, "180p", fps25, layout),
		}
		if layout == stream.CMAF {
			a := newTrack(stream.Audio, "audio", format.Rational{}, layout)
			a.Group, a.Language, a.NoVariant = "main", "eng", true
			p.Tracks[1].Audio, p.Tracks[2].Audio = []string{"main"}, []string{"main"}
			p.Tracks = append(p.Tracks, a)
		}
		t.Run(string(layout), func(t *testing.T) {
			pub := publish(t, work, c, p)
			pub.judge(t)
		})
	}
}

// TestSegmentsRates are frame rates at which keyframes miss the grid by a frame,
// and sample rates at which frames of audio do not divide it.
func TestSegmentsRates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rate  format.Rational
		audio encoded
	}{
		{ntsc, aac("audio", "96k")},
		{format.Rational{Num: 24000, Den: 1001}, aac("audio", "64k", "-ar", "44100")},
		{format.Rational{Num: 60, Den: 1}, aac("audio", "32k", "-ar", "22050", "-ac", "1")},
	} {
		c := clip{rate: test.rate, seconds: 14, video: []encoded{x264("90p", "64x36", "60k")}, audio: []encoded{test.audio}}
		t.Run(fmt.Sprint(test.rate), func(t *testing.T) {
			t.Parallel()
			work := t.TempDir()
			c.encode(t, work)
			for _, layout := range []stream.Layout{stream.TS, stream.CMAF} {
				p := stream.Package{Layout: layout, Dir: "o-" + string(layout), Name: "master", HLS: true, DASH: layout == stream.CMAF, TargetDuration: 6, Duration: 14}
				kind := stream.Muxed
				if layout == stream.CMAF {
					kind = stream.Video
				}
				p.Tracks = []stream.Track{newTrack(kind, "90p", c.rate, layout), newTrack(stream.Audio, "audio", format.Rational{}, layout)}
				t.Run(string(layout), func(t *testing.T) {
					publish(t, work, c, p).judge(t)
				})
			}
		})
	}
}

// TestSegmentsHEVC is HDR10 in fMP4, and a clip shorter than one segment.
func TestSegmentsHEVC(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	hevc := encoded{id: "90p", size: "160x90", args: []string{
		"-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1",
		"-x265-params", "log-level=error:scenecut=0:open-gop=0:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
	}}
	c := clip{rate: ntsc, seconds: 3, video: []encoded{hevc}, audio: []encoded{aac("audio", "96k")}}
	c.encode(t, work)
	p := stream.Package{
		Layout: stream.CMAF, Dir: "out", Name: "master", HLS: true, DASH: true, TargetDuration: 6, Duration: 3,
		Tracks: []stream.Track{newTrack(stream.Video, "90p", ntsc, stream.CMAF), newTrack(stream.Audio, "audio", format.Rational{}, stream.CMAF)},
	}
	pub := publish(t, work, c, p)
	pub.judge(t)
	t.Run("9.16 VIDEO-RANGE", func(t *testing.T) {
		for _, v := range pub.master(t).Variants {
			if v.Resolution != "" && v.VideoRange != "PQ" {
				t.Errorf("variant %s has the range %q", v.URI, v.VideoRange)
			}
		}
	})
}
