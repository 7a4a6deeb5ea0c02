package transcode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

// These tests execute plans with the ffmpeg of the machine on tiny clips and
// measure what comes out.

func command(t testing.TB, dir, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := execute(t, dir, nil, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr)
	}
	return stdout, stderr
}

func execute(t testing.TB, dir string, stdin io.Reader, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	if name == "ffmpeg" || name == "ffprobe" {
		name = testmedia.FFmpeg(t, name)
	}
	cmd := exec.CommandContext(t.Context(), testmedia.Tool(t, name), args...)
	cmd.Dir, cmd.Stdin = dir, stdin
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	err = cmd.Run()
	return out.String(), msg.String(), err
}

// step carries out a step with more arguments before its own. What it tails comes
// through a pipe.
func step(t testing.TB, dir string, secrets Secrets, s Step, args ...string) (stderr string, err error) {
	t.Helper()
	for _, d := range s.Dirs {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if t := s.Op.ThumbnailTrack; t != nil {
		made := 0
		for made < len(t.Times) && exists(filepath.Join(dir, fmt.Sprintf(t.Pictures, made+1))) {
			made++
		}
		return "", os.WriteFile(filepath.Join(dir, t.Name), t.WebVTT(made), 0o600)
	}
	if w := s.Op.WriteCaptions; w != nil {
		data, err := os.ReadFile(filepath.Join(dir, w.From))
		if err == nil {
			data, err = w.Text(data)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, w.To), data, 0o600)
		}
		return "", err
	}
	if handled, stderr, err := chunkStep(t, dir, s, args...); handled {
		return stderr, err
	}
	if s.Op.Loudness != nil {
		return measure(t, dir, *s.Op.Loudness)
	}
	if s.Op.Quality != nil {
		return compareQuality(t, dir, *s.Op.Quality)
	}
	for _, f := range s.Op.FFmpeg.Inputs {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content(secrets), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdin io.Reader
	if s.Tail != (TailInput{}) {
		f, err := os.Open(filepath.Join(dir, s.Tail.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		stdin = struct{ io.Reader }{f} // os/exec would pass a file on instead of a pipe
	}
	args = append([]string{"-nostdin", "-y", "-protocol_whitelist", "file,pipe,crypto,data"}, args...)
	if first := s.Op.FFmpeg.First; first != nil {
		if _, stderr, err = execute(t, dir, nil, "ffmpeg", slices.Concat(args, first)...); err != nil {
			return stderr, err
		}
	}
	_, stderr, err = execute(t, dir, stdin, "ffmpeg", slices.Concat(args, s.FFmpegArgs())...)
	return stderr, err
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// clip makes a source with ffmpeg in a new work directory. Equal sources that are made of
// no file are made once for all tests; each test has a copy, which it may change.
func clip(t testing.TB, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if slices.ContainsFunc(args, filepath.IsAbs) {
		command(t, dir, "ffmpeg", append(append([]string{"-v", "error", "-y"}, args...), SourceName)...)
		return dir
	}
	copyTo(t, dir, testmedia.Clip(t, testmedia.Recipe{Name: SourceName, Args: args}))
	return dir
}

// copyTo makes a copy of a file the source in a work directory.
func copyTo(t testing.TB, dir, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, SourceName), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// real copies one of the shared media into a new work directory.
func real(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	copyTo(t, dir, testmedia.Shared(t, name))
	return dir
}

// described are the answers of ffprobe, by the file and the question.
var described sync.Map

type question struct{ path, args string }

type answer struct {
	size int64
	at   time.Time
	text string
}

// ffprobe asks about a file; the same question about the same file once.
func ffprobe(t testing.TB, dir, name string, args ...string) []byte {
	t.Helper()
	q := question{filepath.Join(dir, name), strings.Join(args, " ")}
	st, err := os.Stat(q.path)
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := described.Load(q); ok && a.(answer).size == st.Size() && a.(answer).at.Equal(st.ModTime()) {
		return []byte(a.(answer).text)
	}
	out, _ := command(t, dir, "ffprobe", append(append([]string{"-v", "error", "-of", "json"}, args...), name)...)
	described.Store(q, answer{st.Size(), st.ModTime(), out})
	return []byte(out)
}

func probe(t testing.TB, dir, name string) job.Media {
	t.Helper()
	m, err := job.ParseMedia(ffprobe(t, dir, name, "-show_streams", "-show_format"))
	if err != nil {
		t.Fatalf("probe %s: %v", name, err)
	}
	return m
}

// fast makes encoders quick: these tests are not about pictures.
var fast = Options{Presets: map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libvpx": "8", "libvpx-vp9": "8"}}

// run plans outputs for the source in dir, executes the steps, and checks every
// file against what the plan expects of it.
func run(t testing.TB, dir string, o Options, lines ...string) Plan {
	t.Helper()
	return runMedia(t, dir, probe(t, dir, SourceName), o, lines...)
}

// runMedia is run for a source of which m is known.
func runMedia(t testing.TB, dir string, m job.Media, o Options, lines ...string) Plan {
	t.Helper()
	return runThe(t, dir, m, o, func(s Step) Step { return s }, lines...)
}

// runThe is runMedia with steps that are changed before they run.
func runThe(t testing.TB, dir string, m job.Media, o Options, change func(Step) Step, lines ...string) Plan {
	t.Helper()
	p := Build(outputs(t, lines...), m, o)
	checkPlan(t, p)
	for i := range p.Steps {
		p.Steps[i] = change(p.Steps[i])
	}
	for _, r := range runAll(t, dir, p.Secrets, p.Steps) {
		s := r.steps[0]
		if r.err != nil {
			t.Fatalf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), r.err, r.stderr)
		}
		if strings.Contains(r.stderr, "DPB size") || strings.Contains(r.stderr, "Non-monotonous") || strings.Contains(r.stderr, "Past duration") {
			t.Errorf("step %s %q and what ran with it: %s", s.ID, s.FFmpegArgs(), r.stderr)
		}
		for _, s := range r.steps {
			checkMade(t, dir, s, r.stderr)
		}
	}
	for i, r := range p.Results {
		if r.Err != nil {
			t.Errorf("output %s: %v", lines[i], r.Err)
		}
		for _, f := range r.Files {
			checkFile(t, dir, f)
		}
	}
	return p
}

// checkMade finds the finished files and the pictures of a step.
func checkMade(t testing.TB, dir string, s Step, stderr string) {
	t.Helper()
	for _, f := range s.Files {
		if !strings.Contains(f, "%") && !strings.HasPrefix(f, "out") {
			continue
		}
		if strings.Contains(f, "%") {
			f = fmt.Sprintf(f, 1)
		}
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			t.Errorf("step %s %q made no %s\n%s", s.ID, s.FFmpegArgs(), f, stderr)
		}
	}
}

func checkFile(t testing.TB, dir string, f File) job.Media {
	t.Helper()
	if f.Check == CheckNone {
		return job.Media{}
	}
	name := f.Name
	for n := 1; n <= f.Count; n++ {
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf(f.Name, n))); err != nil {
			t.Errorf("picture %d of %d is missing: %v", n, f.Count, err)
		}
	}
	if f.Count > 0 {
		name = fmt.Sprintf(f.Name, 1)
	}
	m, ok := picture(t, dir, name)
	if !ok {
		m = probe(t, dir, name)
	}
	if e := f.Expect; e.Duration > 0 && min(math.Abs(m.Duration-e.Duration), math.Abs(m.StartTime+m.Duration-e.Duration)) > max(0.5, 0.02*e.Duration)+e.Slack {
		t.Errorf("%s lasts %.3f s, want %.3f", name, m.Duration, e.Duration)
	}
	if f.Expect.Video && len(m.Video) != 1 || f.Expect.Audio && len(m.Audio) != 1 {
		t.Errorf("%s has %d video and %d audio streams, want %+v", name, len(m.Video), len(m.Audio), f.Expect)
	}
	if f.Expect.Width > 0 && len(m.Video) > 0 && (m.Video[0].Width != f.Expect.Width || m.Video[0].Height != f.Expect.Height) {
		t.Errorf("%s is %dx%d, want %dx%d", name, m.Video[0].Width, m.Video[0].Height, f.Expect.Width, f.Expect.Height)
	}
	return m
}

// picture describes a PNG or JPEG without ffprobe; ok is false for other files.
func picture(t testing.TB, dir, name string) (m job.Media, ok bool) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read := map[string]func(io.Reader) (image.Config, error){".png": png.DecodeConfig, ".jpg": jpeg.DecodeConfig}[filepath.Ext(name)]
	if read == nil {
		return job.Media{}, false
	}
	c, err := read(f)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return job.Media{Video: []job.VideoStream{{Width: c.Width, Height: c.Height}}}, true
}

// beepAndFlash is a source whose picture is white and whose sound is a tone for
// the first fifth of every second but the first.
var beepAndFlash = []string{
	"-f", "lavfi", "-i", "color=black:s=160x90:r=25:d=4,drawbox=c=white:t=fill:enable='gte(t,1)*lt(mod(t,1),0.2)'",
	"-f", "lavfi", "-i", "aevalsrc='if(gte(t,1)*lt(mod(t,1),0.2),sin(2*PI*1000*t),0)':s=48000:d=4",
	"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac",
}

var (
	ptsTime    = regexp.MustCompile(`pts_time:(-?[0-9.]+)`)
	brightness = regexp.MustCompile(`YAVG=([0-9.]+)`)
	silenceEnd = regexp.MustCompile(`silence_end[:=] ?(-?[0-9.]+)`)
)

// Audio and video keep their offset in every container, however late one of them
// starts in the source, and wherever a cut begins.
func TestOffsetOfAudioAndVideo(t *testing.T) {
	t.Parallel()
	base := clip(t, append(beepAndFlash, "-f", "mp4")...)
	from := filepath.Join(base, SourceName)
	sources := map[string][]string{
		"in step":           {"-i", from, "-map", "0", "-c", "copy", "-f", "mp4"},
		"video late":        {"-i", from, "-itsoffset", "0.513", "-i", from, "-map", "1:v", "-map", "0:a", "-c", "copy", "-f", "mp4"},
		"audio late":        {"-i", from, "-itsoffset", "0.713", "-i", from, "-map", "0:v", "-map", "1:a", "-c", "copy", "-f", "mp4"},
		"audio late, ts":    {"-i", from, "-itsoffset", "0.713", "-i", from, "-map", "0:v", "-map", "1:a", "-c", "copy", "-f", "mpegts"},
		"video late, ts":    {"-i", from, "-itsoffset", "0.513", "-i", from, "-map", "1:v", "-map", "0:a", "-c", "copy", "-f", "mpegts"},
		"in step, matroska": {"-i", from, "-map", "0", "-c", "copy", "-f", "matroska"},
	}
	lines := []string{"mp4:80x::quality=3 path=/a.mp4", "mpegts:80x::quality=3 path=/a.ts", "webm:80x path=/a.webm", "mp4:80x::quality=3 path=/c.mp4 offset=0.5"}
	more := []string{"mov:80x::quality=3,metadata=0 path=/a.mov", "mkv:80x::quality=3 path=/a.mkv", "webm:80x:opus path=/o.webm", "mp4:80x::frag,quality=3 path=/f.mp4", "mp4:80x:mp3:quality=3 path=/m.mp4"}
	// Of each source some output is made, and each output of some source of each kind.
	var matrix [][2]string
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		for _, line := range lines {
			matrix = append(matrix, [2]string{name, line})
		}
	}
	of := map[string][]string{"video late": slices.Concat(lines, more)}
	for _, c := range testmedia.Cover(matrix, func(c [2]string) []string {
		kind, _, _ := strings.Cut(c[0], ",")
		return []string{c[0], kind + c[1]}
	}) {
		if c[0] != "video late" {
			of[c[0]] = append(of[c[0]], c[1])
		}
	}
	for name, args := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, args...)
			p := run(t, dir, fast, of[name]...)
			if video, _ := encodes(p); len(of[name]) > len(lines) && video != 3 {
				t.Errorf("%d video encodes, want 3", video)
			}
			names := []string{SourceName}
			for _, r := range p.Results {
				names = append(names, r.Files[0].Name)
			}
			measured := offsets(t, dir, names...)
			want := measured[SourceName]
			for _, r := range p.Results {
				tolerance := 0.005
				if r.Files[0].Path == "/o.webm" {
					tolerance = 0.008 // FFmpeg 5.1 writes the delay of Opus into Matroska twice
				}
				if got := measured[r.Files[0].Name]; math.Abs(got-want) > tolerance {
					t.Errorf("%s (%s): flash - beep = %.3f s, in the source %.3f", r.Files[0].Name, r.Files[0].Path, got, want)
				}
			}
		})
	}
}

// frames returns the times of all frames in order, of keyframes only with key.
func frames(t testing.TB, dir, name string, key bool) []float64 {
	t.Helper()
	out := ffprobe(t, dir, name, "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags")
	var doc struct {
		Packets []struct {
			Time  string `json:"pts_time"`
			Flags string
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	var times []float64
	for _, p := range doc.Packets {
		if n, err := strconv.ParseFloat(p.Time, 64); err == nil && (!key || strings.HasPrefix(p.Flags, "K")) {
			times = append(times, n)
		}
	}
	slices.Sort(times)
	return times
}
