package transcode

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// compareQuality carries out a measurement as package execute does.
func compareQuality(t testing.TB, dir string, op MeasureQuality) (stderr string, err error) {
	t.Helper()
	_, stderr, err = execute(t, dir, nil, "ffmpeg", append([]string{"-nostdin", "-y", "-v", "warning"}, op.Args...)...)
	for _, track := range op.Tracks {
		q := Quality{Width: track.Width, Height: track.Height}
		for _, l := range track.Logs {
			log, openErr := os.Open(filepath.Join(dir, l.Name))
			if openErr != nil {
				return stderr, openErr
			}
			m, frames, readErr := ReadMetric(log, l.Metric)
			log.Close()
			if readErr != nil {
				return stderr, readErr
			}
			q.Frames = frames
			q.Set(l.Metric, m)
		}
		figures, _ := json.Marshal(q)
		if err := os.WriteFile(filepath.Join(dir, track.Figures), figures, 0o600); err != nil {
			return stderr, err
		}
	}
	return stderr, err
}

// quick are presets with reordered frames.
var quick = map[string]string{"libx264": "veryfast", "libvpx": "8"}

func qualityAt(t testing.TB, dir string, f QualityFigures) Quality {
	t.Helper()
	var q Quality
	b, err := os.ReadFile(filepath.Join(dir, f.Name))
	if err == nil {
		err = json.Unmarshal(b, &q)
	}
	if err != nil || q.SSIM == nil || q.PSNR == nil {
		t.Fatalf("no quality: %v\n%s", err, b)
	}
	return q
}

// byHand compares a file with the source by the two filters alone, in frames as they
// come: the SSIM and PSNR that FFmpeg sums up, and the PSNR of some frames. filters make the
// pictures of the source those that were encoded.
func byHand(t testing.TB, dir, name, filters string, from, to int) (ssim, psnr, part float64) {
	t.Helper()
	number := "settb=1/1000,setpts=N*10"
	_, said := command(t, dir, "ffmpeg", "-nostdin", "-y", "-v", "info", "-i", name, "-i", SourceName, "-lavfi",
		"[0:v]"+number+",split[a][b];[1:v]"+filters+number+",split[c][d];[a][c]ssim=shortest=1,nullsink;[b][d]psnr=shortest=1:stats_file=byhand", "-f", "null", "-")
	value := func(text, before string) float64 {
		_, after, _ := strings.Cut(text, before)
		n, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
		if err != nil {
			t.Fatalf("%s in %s", before, text)
		}
		return n
	}
	sum := 0.0
	for line := range strings.Lines(text(t, dir, "byhand")) {
		if n := int(value(line, "n:")) - 1; n >= from && n < to {
			sum += value(line, "mse_avg:")
		}
	}
	return value(said, "All:"), value(said, "average:"), 10 * math.Log10(255*255*float64(to-from)/sum)
}

// The figures are those that FFmpeg gives for the same files by hand: of a file, of a part of
// the input, of a changed size and of what is joined from chunks. The worst second is
// the one with noise.
func TestQuality(t *testing.T) {
	t.Parallel()
	const clipped = "testsrc2=s=80x60:r=25:d=6,noise=alls=60:allf=t:enable='between(t,3,3.99)',format=yuv420p"
	dir := clip(t, "-f", "lavfi", "-i", clipped, "-f", "lavfi", "-i", "anoisesrc=d=6:a=0.01", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mp4")
	// In High, since the lossless source has a profile of its own that outputs never have.
	lines := []string{
		"mp4:::quality=2 path=/a.mp4 quality_metrics", "mp4:::quality=2 path=/part.mp4 offset=2 duration=3 quality_metrics",
		"mp4:40x30_60k path=/small.mp4 quality_metrics", "mp4:::quality=2 path=/b.mp4",
	}
	for _, o := range []Options{{Presets: quick}, {Presets: quick, ChunkSeconds: 2}} {
		dir := link(t, dir)
		p := run(t, dir, o, lines...)
		for _, c := range []struct {
			output   int
			filters  string
			from, to int
			worst    int
		}{{0, "", 75, 100, 3}, {1, "trim=start=2,setpts=PTS-STARTPTS,", 25, 50, 1}, {2, "scale=40:30:flags=bicubic,", 75, 100, 3}} {
			q := qualityAt(t, dir, p.Results[c.output].Quality[0])
			ssim, psnr, worst := byHand(t, dir, p.Results[c.output].Files[0].Name, c.filters, c.from, c.to)
			if math.Abs(q.SSIM.Mean-ssim) > 1e-4 || math.Abs(q.PSNR.Mean-psnr) > 0.02 || math.Abs(q.PSNR.WorstSecond-worst) > 0.02 {
				t.Errorf("output %d of %+v: %s, by hand SSIM %.5f, PSNR %.3f, in the worst second %.3f", c.output, o, asJSON(q), ssim, psnr, worst)
			}
			if q.PSNR.WorstAt != c.worst || q.SSIM.WorstAt != c.worst || q.SSIM.WorstSecond >= q.SSIM.Mean {
				t.Errorf("output %d of %+v: %s, want the worst second at %d", c.output, o, asJSON(q), c.worst)
			}
		}
		if len(p.Results[3].Quality) > 0 {
			t.Error("an output that did not ask has figures")
		}
		steps := 0
		for _, s := range p.Steps {
			if s.Kind == StepQuality {
				steps++
			}
		}
		if want := 2; steps != want {
			t.Errorf("%d measurements, want one for each decode\n%s", steps, show(p))
		}
	}
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// Each frame is held against its own, whatever the container of source and intermediate do with
// times: the frames of the source differ so much that any other gives a bad figure.
func TestQualityInStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source []string
		line   string
		frames int
	}{
		"TS, a part":     {counter("25", 6, append(x264, "-g", "12", "-f", "mpegts")...), "mp4:::quality=4 path=/a.mp4 offset=2 duration=2", 50},
		"irregular, MKV": {counter("30", 4, append(x264, "-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr", "-f", "matroska")...), "mp4:::quality=4 path=/a.mp4", 103},
		"late picture":   {counter("30000/1001", 4, append(x264, "-vf", "setpts=PTS+0.4/TB", "-f", "matroska")...), "webm:vp8_64x64_800k path=/a.webm", 120},
		"fewer frames":   {counter("30", 4, append(x264, "-f", "mp4")...), "mp4:15fps::quality=4 path=/a.mp4", 60},
		"full range":     {counter("25", 3, append(x264, "-f", "mp4")...), "avi:mjpeg::quality=4 path=/a.avi", 75},
		"rounded times":  {counter("30000/1001", 3, append(x264, "-f", "mp4")...), "webm:vp8_64x64_800k path=/a.webm", 90},
		"stream":         {counter("24000/1001", 5, append(x264, "-f", "mp4")...), "httpstream hls=/hls dash=/dash variants=mp4:64x64_600k;mp4:32x32_300k", 120},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, c.source...)
			p := run(t, dir, Options{Presets: quick}, c.line+" quality_metrics")
			for _, f := range p.Results[0].Quality {
				if q := qualityAt(t, dir, f); q.PSNR.WorstSecond < 28 || q.Frames < c.frames-1 || q.Frames > c.frames+1 {
					t.Errorf("%s %s, want a good picture and %d frames", f.Variant, asJSON(q), c.frames)
				}
			}
			if want := strings.Count(c.line, ";") + 1; len(p.Results[0].Quality) != want {
				t.Errorf("figures %+v, want %d", p.Results[0].Quality, want)
			}
		})
	}
}

func TestReadMetric(t *testing.T) {
	t.Parallel()
	log := func(key string, values ...string) *strings.Reader {
		var b strings.Builder
		for i, v := range values {
			fmt.Fprintf(&b, "frame:%d pts:%d pts_time:%g\n%s=%s\n", i, i, float64(i)*0.5+0.01, key, v)
		}
		return strings.NewReader(b.String())
	}
	for name, c := range map[string]struct {
		metric string
		log    *strings.Reader
		want   Metric
	}{
		"ssim":          {"ssim", log("lavfi.ssim.All", "0.9", "1", "0.8", "0.9", "1"), Metric{0.92, 0.85, 1}},
		"psnr":          {"psnr", log("lavfi.psnr.psnr_avg", "inf", "30", "30", "30"), Metric{31.25, 30, 1}},
		"no difference": {"psnr", log("lavfi.psnr.psnr_avg", "inf", "inf", "inf"), Metric{100, 100, 0}},
		"xpsnr":         {"xpsnr", log("lavfi.xpsnr.xpsnr.y", "40", "40", "20"), Metric{26.02 + 1.94, 20, 1}},
	} {
		got, _, err := ReadMetric(c.log, c.metric)
		if err != nil || math.Abs(got.Mean-c.want.Mean) > 0.05 || math.Abs(got.WorstSecond-c.want.WorstSecond) > 0.005 || got.WorstAt != c.want.WorstAt {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	if _, _, err := ReadMetric(log("lavfi.ssim.All"), "ssim"); err == nil {
		t.Error("a log without frames has figures")
	}
}

// XPSNR is measured where FFmpeg is known to have it, of a rate that is known. Without the
// others nothing can be.
func TestQualityCapabilities(t *testing.T) {
	t.Parallel()
	at := func(filters ...string) Plan {
		return Build(outputs(t, "mp4:240p path=/a.mp4 quality_metrics"), film(640, 360), Options{Capabilities: Capabilities{Filters: NewSet(filters...)}})
	}
	const xpsnr = "xpsnr,metadata=mode=print:key=lavfi.xpsnr.xpsnr.y"
	if p := at("ssim", "psnr", "xpsnr"); !strings.Contains(show(p), xpsnr) || !strings.Contains(show(p), "fps=30/1,split=3") {
		t.Errorf("no XPSNR, or of frames without a rate\n%s", show(p))
	}
	uneven := film(640, 360)
	uneven.Video[0].FPS.Num = 22
	if p := Build(outputs(t, "mp4:240p path=/a.mp4 quality_metrics"), uneven, Options{Capabilities: Capabilities{Filters: NewSet("ssim", "psnr", "xpsnr")}}); strings.Contains(show(p), xpsnr) {
		t.Errorf("XPSNR of frames without a rate\n%s", show(p))
	}
	if p := at("ssim", "psnr"); p.Results[0].Err != nil || strings.Contains(show(p), "xpsnr") {
		t.Errorf("XPSNR, or an error\n%s", show(p))
	}
	if p := at("ssim"); p.Results[0].Err == nil || !strings.Contains(p.Results[0].Err.Message, "filter psnr") {
		t.Errorf("no error\n%s", show(p))
	}
}
