package transcode

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// uneven is a source of two films with parts that are easy and hard to encode.
func uneven(t testing.TB) string {
	t.Helper()
	const same = "fps=25,scale=320:180:force_original_aspect_ratio=decrease,pad=320:180:-1:-1,setsar=1,format=yuv420p"
	dir := t.TempDir()
	copyTo(t, dir, testmedia.Clip(t, testmedia.Recipe{Name: "uneven.mp4", Args: []string{
		"-i", testmedia.Shared(t, "two-video-streams-subtitles.mp4"), "-i", testmedia.Shared(t, "parametric-stereo.mp4"),
		"-filter_complex", "[0:v:0]" + same + "[a];[1:v:0]" + same + "[b];[a][b]concat=n=2", "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-f", "mp4",
	}}))
	return dir
}

var ssimOfFrame = regexp.MustCompile(`All:([0-9.]+)`)

// ssims are those of the frames of a file against the source.
func ssims(t testing.TB, dir, name string) []float64 {
	t.Helper()
	command(t, dir, "ffmpeg", "-v", "error", "-y", "-i", name, "-i", SourceName, "-lavfi", "[0:v][1:v]ssim=stats_file=ssim", "-f", "null", "-")
	var list []float64
	for _, m := range ssimOfFrame.FindAllStringSubmatch(text(t, dir, "ssim"), -1) {
		s, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, x := range list {
		sum += x
	}
	return sum / float64(len(list))
}

// Chunks keep to a bitrate as an encode of the whole does, look as good, and are not worse
// where they begin.
func TestChunkRate(t *testing.T) {
	t.Parallel()
	testmedia.Long(t)
	const chunk, fps = 6, 25
	lines, kbits := []string{"mp4:320x180_150k path=/a.mp4"}, []float64{150}
	if os.Getenv("COPRA_SEAMS") != "" {
		lines = []string{"mp4:320x180_150k path=/a.mp4", "mp4:320x180_151k::2pass path=/b.mp4", "mp4:hevc_320x180_150k path=/c.mp4", "webm:vp9_320x180_150k::2pass path=/d.webm", "mp4:av1_320x180_150k path=/e.mp4"}
		kbits = []float64{150, 151, 150, 150, 150}
	}
	whole := uneven(t)
	dir := link(t, whole)
	m := probe(t, whole, SourceName)
	o := fast
	o.Presets = map[string]string{"libx264": "veryfast", "libx265": "ultrafast"}
	want := runEncodes(t, whole, Build(outputs(t, lines...), m, o))
	o.ChunkSeconds = chunk
	command(t, dir, "ffmpeg", "-v", "error", "-i", SourceName, "-c", "copy", "-f", "framecrc", "packets")
	list, err := os.Open(filepath.Join(dir, "packets"))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if o.Weights, err = ReadWeights(list); err != nil {
		t.Fatal(err)
	}
	got := Build(outputs(t, lines...), m, o)
	if len(got.OnePiece) > 0 || got.Weighed == nil || *got.Weighed != 0 {
		t.Fatalf("in one piece: %+v, weighed %v", got.OnePiece, got.Weighed)
	}
	runEncodes(t, dir, got)
	var names []string
	for _, name := range encodedFiles(want) {
		if !slices.Contains(names, name) && exists(filepath.Join(dir, name)) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(a, b) })
	for i, name := range names {
		a, b := ssims(t, whole, name), ssims(t, dir, name)
		if len(a) != len(b) || len(a) < 3*chunk*fps {
			t.Fatalf("%s: %d and %d frames", name, len(a), len(b))
		}
		dip := 0.0
		for edge := chunk * fps; edge < len(a); edge += chunk * fps {
			for f := edge; f < edge+fps; f++ {
				dip = max(dip, a[f]-b[f])
			}
		}
		rates := [2]float64{}
		for k, d := range []string{whole, dir} {
			st, err := os.Stat(filepath.Join(d, name))
			if err != nil {
				t.Fatal(err)
			}
			rates[k] = float64(st.Size()) * 8 / 1000 / (float64(len(a)) / fps)
		}
		t.Logf("%s: %.0f kbit/s asked, whole %.1f, chunks %.1f; SSIM %.5f, %.5f; loss after an edge %.4f", lines[i], kbits[i], rates[0], rates[1], mean(a), mean(b), dip)
		// Some encoders miss a bitrate in so short a film.
		off := func(rate float64) float64 { return math.Abs(rate/kbits[i] - 1) }
		if off(rates[1]) > max(0.06, off(rates[0])+0.03) {
			t.Errorf("%s: %.1f kbit/s, want %.0f", lines[i], rates[1], kbits[i])
		}
		if mean(b) < mean(a)-0.0005 {
			t.Errorf("%s: SSIM %.5f, in one piece %.5f", lines[i], mean(b), mean(a))
		}
		if dip > 0.02 {
			t.Errorf("%s: SSIM falls by %.4f after an edge", lines[i], dip)
		}
	}
}
