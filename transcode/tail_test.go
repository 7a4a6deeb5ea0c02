package transcode

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestTail compares the segments that are cut from a growing intermediate, read
// through a pipe, with those that are cut from a plain file: they are the same
// bytes.
func TestTail(t *testing.T) {
	t.Parallel()
	late := []string{"-itsoffset", "0.513", "-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=5", "-f", "lavfi", "-i", "sine=d=5", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac", "-f", "mp4"}
	usual := func(more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", "testsrc=s=80x46:r=25:d=4.2", "-f", "lavfi", "-i", "sine=d=4.6"}, more...)
	}
	coded := []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-f", "mp4"}
	for name, tt := range map[string]struct {
		source []string
		lines  []string
	}{
		"reordered":        {usual(coded...), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k;mp4:160x_90k"}},
		"late picture":     {late, []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k"}},
		"one picture":      {usual("-frames:v", "1", "-t", "1", "-c:v", "libx264", "-c:a", "aac", "-f", "mp4"), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k"}},
		"no sound":         {usual("-an", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4"), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k"}},
		"other rates":      {usual(coded...), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k_29.97fps;mp4:160x_90k_12fps"}},
		"hevc, 10 bit":     {usual(coded...), []string{"httpstream hls=/h dash=/d variants=mp4:hevc_80x_60k::pix_fmt=yuv420p10le"}},
		"av1":              {usual(coded...), []string{"httpstream dash=/d variants=mp4:av1_80x_60k"}},
		"two passes":       {usual(coded...), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k::2pass;mp4:hevc_160x_90k::2pass"}},
		"edit list":        {usual("-ss", "0.3", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "3", "-c:a", "aac", "-f", "mp4"), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k"}},
		"irregular frames": {usual("-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-f", "mp4"), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k"}},
		// Other readers of the same intermediate, which read it when it is complete.
		"files too": {usual(coded...), []string{"httpstream hls=/h dash=/d variants=mp4:80x_60k", "mp4:80x_60k path=/a.mp4", "mov:80x_60k path=/a.mov", "mkv:80x_60k path=/a.mkv", "mpegts:80x_60k path=/a.ts"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, tt.source...)
			p := runThe(t, dir, probe(t, dir, SourceName), Options{Presets: fast.Presets, SegmentSeconds: 2}, oneThread, tt.lines...)
			tailed := 0
			plain := t.TempDir()
			if err := os.Link(filepath.Join(dir, SourceName), filepath.Join(plain, SourceName)); err != nil {
				t.Fatal(err)
			}
			for _, s := range p.Steps {
				if s.Tail != (TailInput{}) {
					tailed++
				}
				s = oneThread(untailed(s))
				if name == "av1" && s.Kind == StepEncode { // of which no two runs are alike
					s.Op.FFmpeg.Args = []string{"-copyts", "-i", filepath.Join(dir, s.Files[0]), "-c", "copy", s.Files[0]}
				}
				if stderr, err := step(t, plain, p.Secrets, s, "-v", "error"); err != nil {
					t.Fatalf("step %s: %v\n%s", s.ID, err, stderr)
				}
			}
			if tailed == 0 {
				t.Fatal("no step tails an intermediate")
			}
			segments := compareSegments(t, plain, dir)
			if segments < 2 {
				t.Errorf("%d segments were compared", segments)
			}
			for _, r := range p.Results {
				for _, f := range r.Files {
					if want, got := packetsOf(t, plain, f.Name), packetsOf(t, dir, f.Name); want != got {
						t.Errorf("%s holds\n%s\nwant\n%s", f.Name, got, want)
					}
				}
			}
		})
	}
}

// untailed is a step that tails nothing and whose files nobody tails.
func untailed(s Step) Step {
	args := slices.Clone(s.FFmpegArgs())
	if i := slices.Index(args, StdinInput); i >= 0 {
		args[i] = s.Tail.Name
	}
	s.Tail = TailInput{}
	for i := slices.Index(args, fragmentFlags[1]); i > 0; i = slices.Index(args, fragmentFlags[1]) {
		args = slices.Delete(args, i-1, i+1)
	}
	s.Op = Operation{FFmpeg: &FFmpeg{Args: args, Inputs: s.Op.FFmpeg.Inputs}}
	return s
}

// oneThread is a step whose video encoders have one thread each. The rate control
// of libx264 looks at how far the other threads are with their frames
// (frame_size_estimated in its ratecontrol.c) when it has a buffer to keep to, so on
// a busy machine two runs are not alike.
func oneThread(s Step) Step {
	if s.Kind != StepEncode && s.Kind != StepPass1 {
		return s
	}
	var args []string
	for _, a := range s.FFmpegArgs() {
		if a == "-c:v" {
			args = append(args, "-threads:v", "1")
		}
		args = append(args, a)
	}
	s.Op = Operation{FFmpeg: &FFmpeg{Args: args, Inputs: s.Op.FFmpeg.Inputs}}
	return s
}

// compareSegments compares all segments below two folders.
func compareSegments(t testing.TB, want, got string) (n int) {
	t.Helper()
	for _, pattern := range []string{"out1/*/*/*.ts", "out1/*/*/*.m4s", "out1/*/*/init.mp4"} {
		names, err := filepath.Glob(filepath.Join(want, pattern))
		if err != nil {
			t.Fatal(err)
		}
		others, _ := filepath.Glob(filepath.Join(got, pattern))
		if len(names) != len(others) {
			t.Errorf("%s: %d and %d files", pattern, len(names), len(others))
		}
		for _, name := range names {
			n++
			rel, _ := filepath.Rel(want, name)
			a, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(got, rel)); err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %d bytes differ from the %d of a plain intermediate: %v", rel, len(b), len(a), err)
			}
		}
	}
	return n
}

// packetsOf lists the packets of a file with what they hold.
func packetsOf(t testing.TB, dir, name string) string {
	t.Helper()
	out, _ := command(t, dir, "ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pts,dts,duration,size,flags,data_hash:stream=start_pts,avg_frame_rate,r_frame_rate", "-show_data_hash", "md5", "-of", "csv", name)
	return out
}
