package transcode

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/join"
)

// chunkStep carries out the steps that come with chunks and fragments.
func chunkStep(t testing.TB, dir string, s Step, args ...string) (handled bool, stderr string, err error) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	switch {
	case s.Op.Seams != nil:
		for _, p := range s.Op.Seams.Pairs {
			err = errors.Join(err, join.CompareSeam(p.Seconds, p.Length, read(p.Before), read(p.After)))
		}
		return true, "", err
	case s.Op.Join != nil:
		var pieces []join.Piece
		for _, p := range s.Op.Join.Pieces {
			data := read(p.Name)
			pieces = append(pieces, join.Piece{File: strings.NewReader(string(data)), Size: int64(len(data)), From: p.From})
		}
		joined, err := join.Reader(s.Op.Join.Format, pieces)
		if err != nil {
			return true, "", err
		}
		args = append(append([]string{"-nostdin", "-y", "-protocol_whitelist", "file,pipe"}, args...), s.Op.Join.Args...)
		_, stderr, err = execute(t, dir, struct{ io.Reader }{joined}, "ffmpeg", args...)
		return true, stderr, err
	case s.Op.WriteDuration != nil:
		file, err := os.OpenFile(filepath.Join(dir, s.Op.WriteDuration.Name), os.O_RDWR, 0)
		if err != nil {
			return true, "", err
		}
		defer file.Close()
		st, err := file.Stat()
		if err != nil {
			return true, "", err
		}
		return true, "", join.WriteDuration(file, st.Size())
	case s.Op.NumberPictures != nil:
		made := 0
		for _, from := range s.Op.NumberPictures.From {
			for k := 1; exists(filepath.Join(dir, fmt.Sprintf(from, k))); k++ {
				made++
				if err := os.Link(filepath.Join(dir, fmt.Sprintf(from, k)), filepath.Join(dir, fmt.Sprintf(s.Op.NumberPictures.To, made))); err != nil {
					return true, "", err
				}
			}
		}
		return true, "", nil
	}
	return false, "", nil
}

// counter is a source whose frames have a brightness that tells them from those
// around them: each is 37 steps from the one before.
func counter(rate string, seconds int, more ...string) []string {
	args := []string{
		"-f", "lavfi", "-i", fmt.Sprintf("color=black:s=64x64:r=%s:d=%d,format=yuv420p,geq=lum='16+mod(N*37,211)':cb=128:cr=128", rate, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='if(lt(mod(t,1),0.1),sin(2*PI*1000*t),0)':s=48000:d=%d", seconds),
		"-c:a", "aac",
	}
	return append(args, more...)
}

// brightnesses are those of all frames in a file.
func brightnesses(t testing.TB, dir, name string) []byte {
	t.Helper()
	out, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", name, "-map", "0:v:0", "-vf", "format=gray,scale=1:1:flags=area", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	return []byte(out)
}

// packets are the packets of the first video track: when they are shown and
// decoded, and which are keyframes.
func packets(t testing.TB, dir, name string) []string {
	t.Helper()
	out, _ := command(t, dir, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts,dts,flags", "-of", "csv=p=0", name)
	return strings.Split(strings.TrimSpace(out), "\n")
}

// link puts the source of one work directory into a new one.
func link(t testing.TB, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Link(filepath.Join(from, SourceName), filepath.Join(dir, SourceName)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// chunkCase is a source that is transcoded in one piece and in chunks.
type chunkCase struct {
	source func(seconds int) []string
	lines  []string
	remux  []string // if set, the source is copied once more with these arguments
}

var x264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}

// counterIn is a counter of H.264 in a container.
func counterIn(muxer, rate string, more ...string) func(int) []string {
	return func(seconds int) []string {
		return slices.Concat(counter(rate, seconds), x264, more, []string{"-f", muxer})
	}
}

var (
	filePictures = []string{"mp4:32x32::quality=3 path=/a.mp4", "httpstream hls=/h variants=mp4:64x64_80k", "jpg:32x32 interval=0.7 path=/t_%03d.jpg"}
	files        = []string{"mp4:32x32::quality=3 path=/a.mp4", "mp4:32x32_60k path=/b.mp4"}
	irregular    = []string{"-vf", "select='not(eq(mod(n,7),3)+eq(mod(n,5),1))'", "-fps_mode", "vfr", "-bf", "2"}
	openGOP      = []string{"-bf", "3", "-x264-params", "open-gop=1:scenecut=0:keyint=70:bframes=3:b-adapt=0"}
	// editList hides the first frames, which are decoded but not shown.
	editList = []string{"-ss", "1.31", "-i", "whole", "-map", "0", "-c", "copy", "-f", "mp4"}
)

// chunkCases are those that every change runs. With COPRA_SEAMS=1 there are more, of
// a length at which edges meet the frames in many ways.
func chunkCases() (cases map[string]chunkCase, seconds int) {
	cases = map[string]chunkCase{
		"pictures, late": {func(n int) []string {
			return append([]string{"-itsoffset", "0.513"}, counterIn("mp4", "25", "-bf", "2")(n)...)
		}, filePictures, nil},
		"open GOP, 29.97":        {counterIn("matroska", "30000/1001", openGOP...), files, nil},
		"irregular":              {counterIn("mp4", "30", irregular...), files, nil},
		"VP9, AV1, HEVC, MPEG-4": {counterIn("mp4", "25"), []string{"webm:32x32::quality=3 path=/a.webm", "mp4:av1_64x64::quality=3 path=/b.mp4", "mp4:hevc_32x32_60k path=/c.mp4", "avi:mpeg4_32x32_100k path=/d.avi"}, nil},
		"other rate, edit list":  {counterIn("mp4", "60", "-bf", "2"), []string{"mp4:32x32_25fps::quality=3 path=/a.mp4"}, editList},
	}
	if os.Getenv("COPRA_SEAMS") == "" {
		return cases, 9
	}
	for _, rate := range []string{"24000/1001", "25", "30000/1001", "60"} {
		for _, muxer := range []string{"mp4", "matroska"} {
			cases[muxer+" "+strings.ReplaceAll(rate, "/", ":")] = chunkCase{counterIn(muxer, rate, "-bf", "3", "-g", "600"), filePictures, nil}
			cases[muxer+" open GOP "+strings.ReplaceAll(rate, "/", ":")] = chunkCase{counterIn(muxer, rate, openGOP...), files, nil}
		}
	}
	cases["irregular, matroska"] = chunkCase{counterIn("matroska", "30", irregular...), files, nil}
	cases["VP8, ProRes, MPEG-2"] = chunkCase{counterIn("mp4", "25"), []string{"webm:vp8_32x32::quality=3 path=/a.webm", "mov:prores_32x32 path=/b.mov", "mpegts:mpeg2video_32x32_100k path=/c.ts"}, nil}
	return cases, 180
}

// What is made of chunks has the frames, their order and their times of what is
// made in one piece.
func TestChunks(t *testing.T) {
	t.Parallel()
	cases, seconds := chunkCases()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := clip(t, c.source(seconds)...)
			if c.remux != nil {
				if err := os.Rename(filepath.Join(whole, SourceName), filepath.Join(whole, "whole")); err != nil {
					t.Fatal(err)
				}
				command(t, whole, "ffmpeg", slices.Concat([]string{"-v", "error"}, c.remux, []string{SourceName})...)
			}
			dir := link(t, whole)
			m := probe(t, whole, SourceName)
			o := fast
			o.SegmentSeconds = 2
			want := runEncodes(t, whole, Build(outputs(t, c.lines...), m, o))
			o.ChunkSeconds = 4
			got := runEncodes(t, dir, Build(outputs(t, c.lines...), m, o))
			if len(got.OnePiece) > 0 {
				t.Fatalf("in one piece: %+v", got.OnePiece)
			}
			for _, v := range encodedFiles(want) {
				if !strings.Contains(v, "%") {
					a, b := packets(t, whole, v), packets(t, dir, v)
					if d := cmp.Diff(a, b); d != "" {
						t.Errorf("%s: packets (-whole +chunks):\n%s", v, d)
					}
				}
				sameBrightness(t, v, brightnesses(t, whole, v), brightnesses(t, dir, v))
			}
		})
	}
}

// runEncodes carries out the steps of a plan that encode pictures, and those that
// join chunks.
func runEncodes(t testing.TB, dir string, p Plan) Plan {
	t.Helper()
	checkPlan(t, p)
	checkJSON(t, p)
	for _, s := range p.Steps {
		if s.Kind != StepEncode && s.Kind != StepPass1 && !s.OfChunks() {
			continue
		}
		stderr, err := step(t, dir, p.Secrets, s, "-v", "warning")
		if err != nil || strings.Contains(stderr, "Non-monotonous") {
			t.Fatalf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), err, stderr)
		}
	}
	return p
}

// encodedFiles are what the encodes of a plan in one piece make.
func encodedFiles(p Plan) []string {
	var names []string
	for _, s := range p.Steps {
		if s.Kind == StepEncode {
			names = append(names, s.Files...)
		}
	}
	return names
}

// A source that cannot be cut exactly is made in one piece, and the plan says why.
func TestOnePiece(t *testing.T) {
	of := func(change func(*job.Media)) job.Media {
		m := film(640, 360)
		change(&m)
		return m
	}
	for _, tt := range []struct {
		name, output, want string
		media              job.Media
	}{
		{"transport stream", "mp4:360p path=/a.mp4", "The time stamps of the input may jump, and it has no index to enter it by.", of(func(m *job.Media) { m.FormatName = "mpegts" })},
		{"AVI", "mp4:360p path=/a.mp4", "Inputs of the format avi have no reliable index.", of(func(m *job.Media) { m.FormatName = "avi" })},
		{"a clip", "mp4:360p path=/a.mp4 offset=1", "It is a part of the input.", film(640, 360)},
		{"Theora", "ogv:360p path=/a.ogv", "Encoded theora cannot be joined.", film(640, 360)},
		{"irregular", "httpstream hls=/h variants=mp4:360p", "The frames of the input come irregularly, and where each goes at a constant rate depends on all before it.",
			of(func(m *job.Media) { m.Video[0].Rate, m.Video[0].Irregular = format.Rational{Num: 30, Den: 1}, true })},
	} {
		p := Build(outputs(t, tt.output), tt.media, Options{ChunkSeconds: 10})
		if d := cmp.Diff([]OnePiece{{Outputs: []int{0}, Reason: tt.want}}, p.OnePiece); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
		for _, s := range p.Steps {
			if s.OfChunks() {
				t.Errorf("%s: step %s", tt.name, s.ID)
			}
		}
	}
}

// sameBrightness compares frames, whose coding changes them by less than half of
// what tells them apart.
func sameBrightness(t testing.TB, name string, want, got []byte) {
	t.Helper()
	if len(want) != len(got) || len(want) == 0 {
		t.Errorf("%s: %d frames, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		if d := math.Abs(float64(want[i]) - float64(got[i])); d > 16 {
			t.Errorf("%s: frame %d has a brightness of %d, want %d", name, i, got[i], want[i])
			return
		}
	}
}
