// Package streamtest makes whole streams for tests. It plans an httpstream, runs
// the plan's steps with the ffmpeg of the machine, and arranges the files as
// they are published.
package streamtest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/join"
	"github.com/copra-video/copra/transcode/protect"
	"github.com/copra-video/copra/transcode/stream"
)

// Published is one package of a stream.
type Published struct {
	Root    string // folder
	Package stream.Package
}

// Run runs ffmpeg in dir.
func Run(t testing.TB, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testmedia.FFmpeg(t, "ffmpeg"), append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, out)
	}
}

// Film makes a source in a new folder: moving video, a beep each second in the
// first audio track, another tone in a second one, and a subtitle for each
// second in two languages.
func Film(t testing.TB, seconds int, size, rate string) string {
	t.Helper()
	dir := t.TempDir()
	for _, l := range []string{"en", "de"} {
		var w strings.Builder
		for n := range seconds {
			fmt.Fprintf(&w, "%d\n00:00:%02d,000 --> 00:00:%02d,900\n%s %d\n\n", n+1, n, n, l, n)
		}
		if err := os.WriteFile(filepath.Join(dir, l+".srt"), []byte(w.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Run(t, dir,
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%s:r=%s:d=%d", size, rate, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='if(lt(mod(t,1),0.1),sin(2*PI*1000*t),0)':s=48000:d=%d", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=300:r=48000:d=%d", seconds),
		"-i", "en.srt", "-i", "de.srt", "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4",
		"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac", "-b:a", "192k", "-ac", "2", "-c:s", "mov_text",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=deu",
		"-disposition:s:0", "0", "-f", "mp4", transcode.SourceName)
	return dir
}

// Flashes makes a source in a new folder in which a white picture and a beep
// begin together every period frames. rate is the frame rate as a fraction.
func Flashes(t testing.TB, seconds, period int, rate [2]int) string {
	t.Helper()
	dir := t.TempDir()
	every := float64(period*rate[1]) / float64(rate[0])
	Run(t, dir,
		"-f", "lavfi", "-i", fmt.Sprintf("color=black:s=160x90:r=%d/%d:d=%d,drawbox=c=white:t=fill:enable='lt(mod(n,%d),%d)'", rate[0], rate[1], seconds, period, period/4),
		"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='if(lt(mod(t,%.9f),0.1),0.8*cos(2*PI*1000*mod(t,%.9f)),0)':s=48000:d=%d", every, every, seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-c:a", "pcm_s16le", "-f", "mov", transcode.SourceName)
	return dir
}

// Second makes of Flashes a source with another track of audio, without beeps.
func Second(t testing.TB, flashes string) string {
	t.Helper()
	dir := t.TempDir()
	Run(t, dir, "-i", filepath.Join(flashes, transcode.SourceName), "-f", "lavfi", "-i", "sine=f=300:r=48000", "-map", "0", "-map", "1", "-shortest",
		"-c:v", "copy", "-c:a", "pcm_s16le", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-f", "mov", transcode.SourceName)
	return dir
}

// Plain makes of a Film a source with a single audio track and without
// subtitles.
func Plain(t testing.TB, film string) string {
	t.Helper()
	dir := t.TempDir()
	Run(t, dir, "-i", filepath.Join(film, transcode.SourceName), "-map", "0:0", "-map", "0:1", "-c", "copy", "-f", "mp4", transcode.SourceName)
	return dir
}

// Formats parses variants.
func Formats(t testing.TB, list ...string) []format.Format {
	t.Helper()
	var out []format.Format
	for _, s := range list {
		f, err := format.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// Tools returns ffmpeg and ffprobe as testmedia.FFmpeg starts them, which is not in a
// sandbox. What they can do is determined once.
func Tools(t testing.TB) *ffmpeg.Toolchain {
	t.Helper()
	programs := ffmpeg.Options{FFmpeg: testmedia.FFmpeg(t, "ffmpeg"), FFprobe: testmedia.FFmpeg(t, "ffprobe")}
	opened.Lock()
	defer opened.Unlock()
	if opened.tools == nil {
		tools, err := ffmpeg.Open(t.Context(), programs)
		if err != nil {
			t.Fatal(err)
		}
		opened.tools = tools
	}
	return opened.tools
}

var opened struct {
	sync.Mutex
	tools *ffmpeg.Toolchain
}

// build runs the plan of one output of the source in dir.
func build(t testing.TB, dir string, output *job.Output, o transcode.Options) transcode.Plan {
	t.Helper()
	tools := Tools(t)
	media, err := tools.Probe(t.Context(), filepath.Join(dir, transcode.SourceName))
	if err != nil {
		t.Fatal(err)
	}
	o.Capabilities = tools.Capabilities()
	plan := transcode.Build([]*job.Output{output}, media, o)
	if err := plan.Results[0].Err; err != nil {
		t.Fatal(err)
	}
	runSteps(t, tools, dir, plan)
	return plan
}

// File makes a file of the source in dir and returns its path.
func File(t testing.TB, dir, asked string, o transcode.Options) string {
	t.Helper()
	f := Formats(t, asked)[0]
	plan := build(t, dir, &job.Output{Key: asked, Type: job.TypeVideo, Format: f, Video: &job.VideoParams{}}, o)
	return filepath.Join(dir, plan.Results[0].Files[0].Name)
}

// Picture makes a picture of the source in dir and returns its path.
func Picture(t testing.TB, dir, asked string, o transcode.Options) string {
	t.Helper()
	f := Formats(t, asked)[0]
	plan := build(t, dir, &job.Output{Key: asked, Path: "/p." + f.Container, Type: job.TypeImage, Format: f, Image: &job.ImageParams{}}, o)
	return filepath.Join(dir, plan.Results[0].Files[0].Name)
}

// Publish makes the stream of the source in dir.
func Publish(t testing.TB, dir string, params *job.StreamParams, o transcode.Options) []Published {
	t.Helper()
	plan := build(t, dir, &job.Output{Key: "httpstream", Type: job.TypeStream, Stream: params}, o)
	var out []Published
	for _, pkg := range plan.Results[0].Packages {
		files, _, err := stream.Build(os.DirFS(dir), pkg, plan.Secrets.Key)
		if err != nil {
			j, _ := json.Marshal(pkg.Tracks)
			t.Fatalf("build %s: %v\n%s", pkg.Path, err, j)
		}
		root := t.TempDir()
		for _, f := range files {
			to := filepath.Join(root, filepath.FromSlash(f.Path))
			mkdir(t, filepath.Dir(to))
			data := f.Data
			if f.Source != "" {
				if data, err = os.ReadFile(filepath.Join(dir, f.Source)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, to, data)
		}
		out = append(out, Published{root, pkg})
	}
	return out
}

// runSteps runs the steps of a plan. All that can are cut together by one ffmpeg,
// when the intermediates that they follow are complete.
func runSteps(t testing.TB, tools *ffmpeg.Toolchain, dir string, plan transcode.Plan) {
	t.Helper()
	run := func(name string, args []string) {
		if err := tools.Run(t.Context(), ffmpeg.Command{Args: args, Dir: dir}); err != nil {
			t.Fatalf("step %s: %v", name, err)
		}
	}
	cuts := map[string][][]string{} // by their global options
	var protects []transcode.Protect
	for _, s := range plan.Steps {
		for _, d := range s.Dirs {
			mkdir(t, filepath.Join(dir, d))
		}
		if w := s.Op.WriteDuration; w != nil {
			writeDuration(t, filepath.Join(dir, w.Name))
			continue
		}
		if s.Op.Protect != nil {
			protects = append(protects, *s.Op.Protect)
			continue
		}
		for _, f := range s.Op.FFmpeg.Inputs {
			write(t, filepath.Join(dir, f.Name), f.Content(plan.Secrets))
		}
		args := slices.Clone(s.Op.FFmpeg.Args)
		if i := slices.Index(args, transcode.StdinInput); i >= 0 {
			args[i] = s.Tail.Name
		}
		if global, ok := testmedia.Mergeable(args); ok && s.Kind == transcode.StepSegment {
			key := strings.Join(global, " ")
			cuts[key] = append(cuts[key], args)
			continue
		}
		run(s.ID, args)
	}
	for key, runs := range cuts {
		run("segment"+key, testmedia.Merge(runs...))
	}
	for _, op := range protects {
		encrypt(t, dir, op, plan.Secrets)
	}
}

// encrypt carries out a step that encrypts segments.
func encrypt(t testing.TB, dir string, op transcode.Protect, secrets transcode.Secrets) {
	t.Helper()
	id, err := hex.DecodeString(op.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(filepath.Join(dir, op.From, op.Init))
	if err != nil {
		t.Fatal(err)
	}
	track, init, err := protect.NewTrack(plain, protect.Config{Scheme: op.Scheme, KeyID: id, Key: secrets.Key(string(op.Key)), TrackID: op.Track, PSSH: op.PSSH})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, op.To, op.Init), init)
	for n := 1; ; n++ {
		name := fmt.Sprintf(op.Segments, n)
		plain, err := os.ReadFile(filepath.Join(dir, op.From, name))
		if err != nil {
			return
		}
		made, err := track.Segment(plain, n)
		if err != nil {
			t.Fatalf("encrypt segment %d: %v", n, err)
		}
		write(t, filepath.Join(dir, op.To, name), made)
	}
}

func writeDuration(t testing.TB, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := join.WriteDuration(file, st.Size()); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
