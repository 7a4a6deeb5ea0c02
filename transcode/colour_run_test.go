package transcode

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/stream"
)

// shown returns the mean colours of the first frames of films and pictures as a
// player shows them: by the tags that ffprobe finds, and where there are none by
// the size. (FFmpeg itself takes BT.601 then, and believes the decoder of VP8
// more than the container.)
func shown(t testing.TB, dir string, names ...string) map[string][3]float64 {
	t.Helper()
	to := work(t, dir)
	args := append([]string{"-nostdin", "-v", "error"}, inputs(names)...)
	for i, name := range names {
		v := probe(t, dir, name).Video[0]
		matrix, levels := v.ColorSpace, v.ColorRange
		if matrix == "" || matrix == "unknown" {
			matrix = "smpte170m"
			if (v.Width >= 1280 || v.Height > 576) && v.Codec != "webp" {
				matrix = "bt709"
			}
		}
		if levels == "" || levels == "unknown" {
			levels = "tv"
		}
		filter := "scale=w=16:h=16:flags=area+accurate_rnd+full_chroma_int:out_range=pc,format=rgb24"
		if !isRGB(v.PixFmt) {
			filter = "setparams=range=" + levels + ":colorspace=" + matrix + "," + filter
		}
		args = append(args, "-map", fmt.Sprintf("%d:v:0", i), "-frames:v", "1", "-vf", filter, "-f", "rawvideo", fmt.Sprintf("%s/%d", to, i))
	}
	command(t, dir, "ffmpeg", args...)
	colours := map[string][3]float64{}
	for i, name := range names {
		raw, err := os.ReadFile(filepath.Join(dir, to, strconv.Itoa(i)))
		if err != nil || len(raw) != 16*16*3 {
			t.Fatalf("decode %s: %v, %d bytes", name, err, len(raw))
		}
		var mean [3]float64
		for i, b := range raw {
			mean[i%3] += float64(b) / (16 * 16)
		}
		colours[name] = mean
	}
	return colours
}

// Files, streams, pictures, sprites and animations of one source show the same
// colour, whether the source says what its colours are or not.
func TestSameColoursInAllOutputs(t *testing.T) {
	t.Parallel()
	const colour = "0xB04060"
	want := [3]float64{0xB0, 0x40, 0x60}
	source := func(size, scale, pixFmt string, encode ...string) []string {
		return append([]string{"-f", "lavfi", "-i", "color=" + colour + ":s=" + size + ":r=10:d=0.6,format=gbrp,scale=flags=accurate_rnd+full_chroma_int:" + scale + ",format=" + pixFmt +
			",setparams=range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"}, encode...)
	}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-qp", "4"}
	vp8 := []string{"-c:v", "libvpx", "-speed", "8", "-b:v", "2M", "-qmax", "10"}
	// Tags are put on the frames too: FFmpeg 7 would convert to those of its
	// arguments.
	tagged := func(args []string, matrix, levels string) []string {
		tags := strings.NewReplacer("range=unknown", "range="+levels, "=unknown", "="+matrix)
		args[3] = tags.Replace(args[3])
		return append(args, "-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix, "-color_range", levels)
	}
	bt601, bt709 := "out_color_matrix=bt601:out_range=tv", "out_color_matrix=bt709:out_range=tv"
	sources := map[string]struct {
		args   []string
		format string
		space  string // of outputs that can say it
	}{
		"SD without tags":            {source("160x90", bt601, "yuv420p", x264...), "mp4", "smpte170m"},
		"HD without tags":            {source("1280x240", bt709, "yuv420p", x264...), "mp4", "bt709"},
		"BT.709":                     {tagged(source("160x90", bt709, "yuv420p", x264...), "bt709", "tv"), "mp4", "bt709"},
		"VP8, BT.709 and full range": {tagged(source("160x90", "out_color_matrix=bt709:out_range=pc", "yuv420p", vp8...), "bt709", "pc"), "webm", "bt709"},
		"RGB":                        {source("160x90", "w=160:h=90", "bgr24", "-c:v", "png"), "mov", "bt709"},
		"Motion JPEG":                {source("160x90", "out_color_matrix=bt601:out_range=pc", "yuvj420p", "-c:v", "mjpeg", "-q:v", "1"), "mov", "bt470bg"},
	}
	kinds := map[string][]string{
		"able": {"mp4::x:quality=5", "webm:120x_1000k", "mkv:mpeg4_64x:x:quality=5", "mov:prores_64x:x"},
		// These cannot say what their colours are.
		"silent":  {"avi:64x:x:quality=5", "avi:1280x96:x:quality=5 fit=crop", "ogv:64x:x:quality=5", "mov:mjpeg_64x:x:quality=5"},
		"picture": {"jpg:64x", "png:64x", "webp:64x", "gif:64x", "webp:1280x96 fit=crop", "jpg:64x sprite"},
		"stream":  {"httpstream hls=/hls dash=/dash variants=mp4:96x;mp4:120x"},
	}
	made := colourCases(slices.Sorted(maps.Keys(sources)), kinds)
	for name, tt := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, cases := clip(t, append(tt.args, "-f", tt.format)...), made[name]
			var lines []string
			for i, c := range cases {
				lines = append(lines, fmt.Sprintf("%s path=/%d", c.output, i))
			}
			var names []string
			what := map[string]string{}
			compare := func() {
				for name, got := range shown(t, dir, names...) {
					for i := range got {
						if math.Abs(got[i]-want[i]) > 3 {
							t.Errorf("%s: the colour is %.0f, want %.0f", what[name], got, want)
							break
						}
					}
				}
				names = nil
			}
			p := run(t, dir, fast, lines...)
			for i, r := range p.Results {
				for _, f := range r.Files {
					if f.ContentType == "text/vtt" || f.Check == CheckAnimation {
						continue
					}
					name := f.Name
					if f.Count > 0 {
						name = fmt.Sprintf(name, 1)
					}
					names, what[name] = append(names, name), lines[i]
					v := probe(t, dir, name).Video[0]
					if cases[i].kind == "able" && (scalerMatrix(v.ColorSpace) != scalerMatrix(tt.space) || !known(v.ColorSpace) || !known(v.ColorPrimaries)) {
						t.Errorf("%s says %s, %s, want %s", lines[i], v.ColorSpace, v.ColorPrimaries, tt.space)
					}
				}
				for _, k := range r.Packages {
					for _, track := range k.Tracks {
						if track.Type != stream.Video {
							continue
						}
						segments, err := filepath.Glob(filepath.Join(dir, k.Dir, track.Dir, "segment-00001.*"))
						if err != nil || len(segments) != 1 {
							t.Fatalf("segments of %s: %q, %v", track.Dir, segments, err)
						}
						name := segments[0]
						if strings.HasSuffix(name, ".m4s") {
							name = joined(t, filepath.Join(filepath.Dir(name), "init.mp4"), name)
						}
						rel, _ := filepath.Rel(dir, name)
						names, what[rel] = append(names, rel), rel
						if v := probe(t, dir, rel).Video[0]; v.ColorSpace != tt.space {
							t.Errorf("%s says %s, want %s", rel, v.ColorSpace, tt.space)
						}
					}
				}
			}
			compare()
			// Without an encode of a film, pictures are found by seeking.
			alone := run(t, dir, fast, "png:64x path=/a", "jpg:64x path=/b")
			for _, r := range alone.Results {
				names, what[r.Files[0].Name] = append(names, r.Files[0].Name), r.Files[0].Path+" alone"
			}
			compare()
		})
	}
}

// colourCase is an output of a kind that is made of a source.
type colourCase struct{ source, kind, output string }

// colourCases are the outputs of each source: at least one of each kind and one of each
// width on which the default matrix depends, and each output of at least one source.
func colourCases(sources []string, kinds map[string][]string) map[string][]colourCase {
	var matrix []colourCase
	for _, source := range sources {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			for _, output := range kinds[kind] {
				matrix = append(matrix, colourCase{source, kind, output})
			}
		}
	}
	of := map[string][]colourCase{}
	for _, c := range testmedia.Cover(matrix, func(c colourCase) []string {
		return []string{c.source + " " + c.kind, c.output, fmt.Sprint(c.source, " ", strings.Contains(c.output, ":1280x"))}
	}) {
		of[c.source] = append(of[c.source], c)
	}
	return of
}

// joined puts files behind each other.
func joined(t testing.TB, names ...string) string {
	t.Helper()
	var all []byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	out := filepath.Join(filepath.Dir(names[0]), "joined.mp4")
	if err := os.WriteFile(out, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}
