package transcode

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// TestPairs makes every pair of container and codec that the tables allow, or with
// every change some of them, and looks at what came out. A codec whose encoder is missing here must fail with
// its own sentence.
func TestPairs(t *testing.T) {
	t.Parallel()
	dir := clip(t, append(beepAndFlash, "-t", "1.4", "-f", "mp4")...)
	m := probe(t, dir, SourceName)
	encoders, _ := command(t, dir, "ffmpeg", "-hide_banner", "-encoders")
	version, _ := command(t, dir, "ffmpeg", "-version")
	o := fast
	o.Presets = map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libvpx": "8", "libvpx-vp9": "8", "libsvtav1": "13"}
	o.Capabilities.Encoders = NewSet(strings.Fields(encoders)...)
	var lines []string
	for _, c := range codec.Containers() {
		if !c.Encodable || c.Kind != codec.KindVideo && c.Kind != codec.KindAudio {
			continue
		}
		for i, name := range c.VideoCodecs {
			audio := ":x"
			if i == 0 {
				audio = ""
			}
			lines = append(lines, fmt.Sprintf("%s:%s%s path=/v", c.Name, name, audio))
		}
		for _, name := range c.AudioCodecs {
			lines = append(lines, fmt.Sprintf("%s:%s:%s path=/a", c.Name, map[codec.Kind]string{codec.KindVideo: "x"}[c.Kind], name))
		}
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		spec, _, _ := strings.Cut(line, " ")
		f, err := format.Parse(strings.Replace(spec, "::", ":", 1))
		return err != nil || format.Supported(f) != nil
	})
	for i := range lines {
		lines[i] = strings.Replace(lines[i], "::", ":", 1)
	}
	// Of each container the usual pair and one of each kind, and each codec in one container.
	lines = testmedia.Cover(lines, func(line string) []string {
		spec, _, _ := strings.Cut(line, " ")
		f, _ := format.Parse(spec)
		v, a := f.VideoCodec(), f.AudioCodec()
		return []string{f.Container + fmt.Sprint(" ", v != "", " ", a != ""), "video " + v, "audio " + a}
	})
	p := Build(outputs(t, lines...), m, o)
	made := runSteps(t, dir, p)
	var missing, together []string
	for i, r := range p.Results {
		name, _, _ := strings.Cut(lines[i], " ")
		f, _ := format.Parse(name)
		if r.Err != nil {
			if !strings.Contains(r.Err.Message, "This server's ffmpeg has no ") {
				t.Errorf("%s: %v", name, r.Err)
			}
			if f.AudioCodec() != "amr-nb" { // which distributions leave out
				missing = append(missing, name)
			}
			continue
		}
		if !made[r.Files[0].Name] {
			t.Errorf("%s was not made", name)
			continue
		}
		if f.Container == "aac" {
			r.Files[0].Expect.Duration = 0 // ADTS has no index, so this is a guess of ffprobe's
		}
		checkCodecs(t, name, checkFile(t, dir, r.Files[0]), f)
		if f.Container == "ogv" && f.VideoCodec() == "theora" && !strings.HasPrefix(version, "ffmpeg version 5.") {
			continue // still pictures lose their time there, see docs/formats.md
		}
		if f.VideoCodec() != "" && f.AudioCodec() != "" {
			together = append(together, r.Files[0].Name)
		}
	}
	for file, got := range offsets(t, dir, together...) {
		if math.Abs(got) > 0.05 {
			t.Errorf("%s: flash - beep = %.3f s; frames at %v", file, got, frames(t, dir, file, false))
		}
	}
	if len(missing) > 0 && !t.Failed() {
		testmedia.Missing(t, fmt.Sprintf("ffmpeg has no encoder for %s", strings.Join(missing, ", ")))
	}
}

// runSteps runs the steps of a plan and continues after failures. It returns which
// files were made.
func runSteps(t testing.TB, dir string, p Plan) map[string]bool {
	t.Helper()
	made := map[string]bool{}
	for _, r := range runAll(t, dir, p.Secrets, p.Steps) {
		for _, s := range r.steps {
			if r.err != nil {
				t.Errorf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), r.err, r.stderr)
				continue
			}
			for _, f := range s.Files {
				made[f] = true
			}
		}
	}
	return made
}

// checkCodecs compares what ffprobe finds with what was asked for.
func checkCodecs(t testing.TB, name string, m job.Media, f format.Format) {
	t.Helper()
	if f.Container == "mp4" && f.AudioCodec() == "mp2" {
		return // MP4 has one number for the layers of MPEG audio, which ffprobe takes for MP3
	}
	sameCodec := map[string]string{"xvid": "mpeg4", "prores-ks": "prores", "amr-nb": "amr_nb", "flv": "flv1"}
	for _, c := range []struct{ want, got string }{
		{f.VideoCodec(), first(m.Video, func(v job.VideoStream) string { return v.Codec })},
		{f.AudioCodec(), first(m.Audio, func(a job.AudioStream) string { return a.Codec })},
	} {
		if want, ok := sameCodec[c.want]; ok {
			c.want = want
		}
		if strings.ReplaceAll(c.want, "-", "_") != c.got {
			t.Errorf("%s holds %q, want %q", name, c.got, c.want)
		}
	}
}

func first[T any](list []T, get func(T) string) string {
	if len(list) == 0 {
		return ""
	}
	return get(list[0])
}
