package transcode

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// TestCopyVariants: a variant that is the source's video is copied where its keyframes allow
// to cut it: beside others where these are cut, alone where segments become no longer than
// they may be.
func TestCopyVariants(t *testing.T) {
	t.Parallel()
	const (
		alone  = "httpstream hls=/h dash=/d variants=mp4:720p"
		ladder = "httpstream hls=/h dash=/d variants=mp4:360p;mp4:720p"
	)
	ntsc := func(step float64) func(v *job.VideoStream) {
		return func(v *job.VideoStream) {
			v.FPS, v.BaseFPS = format.Rational{Num: 30000, Den: 1001}, format.Rational{Num: 30000, Den: 1001}
			v.GOPs = every(step, 0, 30)
		}
	}
	for _, c := range []struct {
		name, line string
		change     func(v *job.VideoStream)
		encodes    int
		note       string
	}{
		{"alone", alone, nil, 0, "Video of the variant 720p copied: it is h264 High in 1280x720 as asked for, with a keyframe every 2.0 s"},
		{"in a ladder", ladder, nil, 1, "as asked for, with a keyframe every 2.0 s or more often, at each edge of a segment. Variants encoded and not copied: 360p (its size is 1280x720, and 640x360 is asked for)."},
		{"two bitrates", "httpstream hls=/h dash=/d variants=mp4:720p_2000k;mp4:720p_4000k", nil, 0, "Video of the variant 720p copied"},
		{"larger than the source", "httpstream hls=/h variants=mp4:720p;mp4:1080p", nil, 0, "Video of the variant 720p copied"},
		{"no variant fits", "httpstream hls=/h variants=mp4:360p", nil, 1, "Variants encoded and not copied: 360p (its size"},
		{"keyframes too seldom", alone, func(v *job.VideoStream) { v.GOPs = every(3, 0, 30) }, 1, "its keyframes are up to 3.0 s apart, and in this stream they are 2 s apart at most"},
		{"keyframes off the grid", ladder, func(v *job.VideoStream) { v.GOPs = every(1.6, 0, 30) }, 2, "it has no keyframe at 6.0 s, where the other variants are cut"},
		{"long segments", alone, func(v *job.VideoStream) { v.GOPs = every(1.9, 0, 30) }, 1, "its keyframes make a segment of 7.6 s, and 6 s are aimed at"},
		{"off the grid, alone", alone, func(v *job.VideoStream) { v.GOPs = every(1.6, 0, 30) }, 0, "Video of the variant 720p copied"},
		{"no keyframe in the last segment", ladder, func(v *job.VideoStream) { v.Duration, v.GOPs = 29.98, every(2, 0, 23); v.GOPs.Longest = 2 }, 2, "it has no keyframe at 24.0 s"},
		{"a second of 29.97", alone, ntsc(30 * 1001.0 / 30000), 0, "Video of the variant 720p copied"},
		{"a second of 29.97 in a ladder", ladder, ntsc(30 * 1001.0 / 30000), 1, "Video of the variant 720p copied"},
		{"open", alone, func(v *job.VideoStream) { v.GOPs.Open = true }, 1, "its GOPs are open"},
		{"parameters in the stream", alone, func(v *job.VideoStream) { v.CodecTag = "avc3" }, 1, `as "avc3" it may change its parameters`},
		{"short picture", alone, func(v *job.VideoStream) { v.Duration = 29 }, 1, "its sound goes on for 1.0 s after the picture"},
		{"off", alone + " copy=off", nil, 1, ""},
	} {
		m := film(1280, 720)
		v := &m.Video[0]
		v.Profile, v.Level, v.CodecTag = "High", 31, "avc1"
		v.GOPs = every(2, 2, 30)
		v.GOPs.Mean, v.GOPs.Peak = 1_500_000, 2_500_000
		if c.change != nil {
			c.change(v)
		}
		p := Build(outputs(t, c.line), m, Options{Copy: CopyAuto})
		checkPlan(t, p)
		if p.Results[0].Err != nil {
			t.Fatalf("%s: %v", c.name, p.Results[0].Err)
		}
		videos, _ := encodes(p)
		copied, note := p.Results[0].Copied, ""
		if len(p.Notes) > 0 {
			note = p.Notes[0].Text
		}
		if videos != c.encodes || !strings.Contains(note, c.note) || (c.note == "") != (note == "") {
			t.Errorf("%s: %d encodes, want %d, and the note %q, want %q", c.name, videos, c.encodes, note, c.note)
		}
		if isCopied := strings.HasPrefix(note, "Video of"); note != "" && (copied == nil || copied.Video != isCopied || copied.Reason != note || p.Results[0].Seeks != isCopied) {
			t.Errorf("%s: %+v with the note %q", c.name, copied, note)
		}
	}
}

// TestCopyStreamRun: the segments of a variant that is copied have the frames of the source,
// and are cut where those of the others are.
func TestCopyStreamRun(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=5", "-f", "lavfi", "-i", "sine=d=5", "-c:v", "libx264", "-preset", "fast", "-bf", "3",
		"-x264-params", "keyint=50:min-keyint=50:scenecut=0:open-gop=0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", "-f", "mp4")
	o := shortSegments
	o.Copy = CopyAuto
	p := runMedia(t, dir, indexed(t, dir), o, "httpstream hls=/h dash=/d variants=mp4:80x::quality=1;mp4:160x")
	if videos, _ := encodes(p); videos != 1 || !slices.Equal(p.Results[0].Copied.Variants, []string{"90p"}) {
		t.Fatalf("%d encodes, %+v", videos, p.Results[0].Copied)
	}
	sums := func(name string) []string {
		out, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", name, "-map", "0:v", "-f", "framemd5", "-")
		var list []string
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "#") {
				list = append(list, line[strings.LastIndex(line, ",")+1:])
			}
		}
		return list
	}
	want := sums(SourceName)
	for _, pkg := range p.Results[0].Packages {
		_, tracks, err := stream.Build(os.DirFS(dir), pkg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tracks[0].Segments != 3 || tracks[1].Segments != 3 {
			t.Errorf("%s: %d and %d segments, want 3", pkg.Layout, tracks[0].Segments, tracks[1].Segments)
		}
		var all []byte
		track := pkg.Tracks[slices.IndexFunc(pkg.Tracks, func(t stream.Track) bool { return t.ID == "90p" })]
		if track.Init != "" {
			all = []byte(text(t, dir, pkg.Dir, track.Dir, track.Init))
		}
		for n := 1; n <= 3; n++ {
			all = append(all, text(t, dir, pkg.Segment(track, n).Source)...)
		}
		if err := os.WriteFile(filepath.Join(dir, "all"), all, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := sums("all"); !slices.Equal(got, want) || len(got) != 125 {
			t.Errorf("%s: %d frames that are not the %d of the source", pkg.Layout, len(got), len(want))
		}
	}
}
