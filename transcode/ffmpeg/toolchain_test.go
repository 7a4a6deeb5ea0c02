package ffmpeg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode"
)

func TestFind(t *testing.T) {
	c := tools(t).Capabilities()
	if c.Major < 5 || c.Version == "unknown" {
		t.Errorf("version %q, major %d", c.Version, c.Major)
	}
	for kind, want := range map[string]struct {
		has   transcode.Set
		names []string
	}{
		"encoder": {c.Encoders, []string{"libx264", "aac", "png"}},
		"decoder": {c.Decoders, []string{"h264", "aac"}},
		"filter":  {c.Filters, []string{"scale", "split", "aresample", "testsrc2"}},
		"muxer":   {c.Muxers, []string{"mp4", "mpegts", "matroska", "null"}},
		"demuxer": {c.Demuxers, []string{"mov", "mp4", "matroska", "webm", "lavfi"}},
	} {
		for _, name := range want.names {
			if !want.has.Has(name) {
				t.Errorf("no %s %s", kind, name)
			}
		}
		if want.has.Has("=") || want.has.Has("nonsense") {
			t.Errorf("%s: has what is none", kind)
		}
	}
	if c.Encoders.Has("mov") || c.Muxers.Has("mov,mp4,m4a,3gp,3g2,mj2") {
		t.Error("kinds are mixed")
	}
	report := tools(t).Report()
	if len(report) < 20 || !report[0].OK || !strings.Contains(report[0].Note, c.Version) {
		t.Errorf("report %+v", report)
	}
}

func TestReportOfWhatIsMissing(t *testing.T) {
	for _, l := range (&Toolchain{capabilities: transcode.Capabilities{Version: "5.1"}, probeVersion: "4.0"}).Report() {
		if l.Name != "ffmpeg" && l.OK {
			t.Errorf("%+v", l)
		}
		if strings.HasPrefix(l.Name, encoderFeature) && !strings.HasPrefix(l.Note, "missing: no ") {
			t.Errorf("%+v", l)
		}
	}
}

// fake makes a folder with an ffmpeg and an ffprobe that print their version.
func fake(t *testing.T, version string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		body := "#!/bin/sh\necho '" + name + " version " + version + "'\n"
		testmedia.Program(t, filepath.Join(dir, name), body)
	}
	return dir
}

func TestFindRefusesOldOnes(t *testing.T) {
	for _, v := range []string{"4.4.2-0ubuntu0.22.04.1", "5.0.1", "n4.4", "mystery", "N-1\nlibavutil      57. 10.100 / 57. 10.100"} {
		_, err := Find(t.Context(), filepath.Join(fake(t, v), "ffmpeg"), "")
		if err == nil || !strings.Contains(err.Error(), "5.1 or newer") {
			t.Errorf("%s: %v", v, err)
		}
	}
	for _, v := range []string{"5.1", "n7.1.1", "8.0", "N-109000-gabc\nlibavutil      57. 28.100 / 57. 28.100", "git-2025\nlibavutil      60.  8.100 / 60.  8.100"} {
		if f, err := Find(t.Context(), filepath.Join(fake(t, v), "ffmpeg"), ""); err != nil || f.Capabilities().Major < 5 || f.Capabilities().Major > 8 {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestFindTakesTheProbeBeside(t *testing.T) {
	dir := fake(t, "7.1.5")
	f, err := Find(t.Context(), filepath.Join(dir, "ffmpeg"), "")
	if err != nil || f.ffprobe != filepath.Join(dir, "ffprobe") {
		t.Errorf("%v %+v", err, f)
	}
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	if _, err := Find(t.Context(), "/nowhere/ffmpeg", ""); err == nil || !strings.HasPrefix(err.Error(), "find ffmpeg: ") {
		t.Errorf("%v", err)
	}
	if _, err := Find(t.Context(), filepath.Join(fake(t, "7.1"), "ffmpeg"), "/nowhere/ffprobe"); err == nil || !strings.HasPrefix(err.Error(), "find ffprobe: ") {
		t.Errorf("%v", err)
	}
	broken := script(t, "echo 'cannot open shared object' >&2; exit 127")
	if _, err := Find(t.Context(), broken.ffmpeg, broken.ffmpeg); err == nil || !strings.Contains(err.Error(), "cannot open shared object") {
		t.Errorf("%v", err)
	}
}

// The columns of -muxers are wider in 7.1.
func TestParseFormats(t *testing.T) {
	in := "Formats:\n D.. = Demuxing supported\n .E. = Muxing supported\n ..d = Is a device\n ---\n" +
		" DE  ac3             raw AC-3\n  Ed alsa            ALSA\n D d lavfi           Libavfilter\n D   mov,mp4         QuickTime\n"
	if d := cmp.Diff([]string{"ac3", "alsa"}, parseMuxers(in)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"ac3", "lavfi", "mov", "mp4"}, parseDemuxers(in)); d != "" {
		t.Error(d)
	}
}

func TestAllowlistInputs(t *testing.T) {
	got := allowlistInputs([]string{"-ss", "1", "-i", "source", "-f", "lavfi", "-i", "anullsrc", "-f", "mp4", "out"}, nil)
	lists := func(formats string) []string {
		return []string{"-protocol_whitelist", fileProtocols, "-format_whitelist", formats}
	}
	want := []string{"-ss", "1"}
	want = append(append(append(want, lists(mediaFormats)...), probeLimits...), "-i", "source", "-f", "lavfi")
	want = append(append(want, lists(mediaFormats+",lavfi")...), "-i", "anullsrc", "-f", "mp4", "out")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"hls", "dash", "concat", "tty", "lavfi", "sdp", "rtsp", "ffmetadata", "rawvideo", "s16le", "data", "imf", "svg_pipe", "image2pipe"} {
		for name := range strings.SplitSeq(mediaFormats, ",") {
			if name == bad {
				t.Errorf("%s is accepted as media", bad)
			}
		}
	}
}

func TestVerify(t *testing.T) {
	f := tools(t)
	ok := transcode.Expect{Duration: 4, Video: true, Audio: true, Width: 320, Height: 180}
	if m, err := f.Verify(t.Context(), testmedia.Clip(t, testmedia.Standard), ok); err != nil || len(m.Video) != 1 {
		t.Errorf("%v", err)
	}
	if _, err := f.Verify(t.Context(), testmedia.Clip(t, testmedia.Photo), transcode.Expect{Video: true, Width: 640}); err != nil {
		t.Errorf("photo: %v", err)
	}
	for _, c := range []struct {
		recipe testmedia.Recipe
		want   transcode.Expect
		says   string
	}{
		{testmedia.Standard, transcode.Expect{Duration: 8}, "the result lasts 4.00 seconds where 8.00 were expected; the input may be damaged or not complete."},
		{testmedia.Standard, transcode.Expect{Width: 640}, "the result is 320x180 where 640xany was expected."},
		{testmedia.Standard, transcode.Expect{Width: 320, Height: 182}, "the result is 320x180 where 320x182 was expected."},
		{testmedia.NoAudio, transcode.Expect{Audio: true}, "the result has no audio."},
		{testmedia.AudioOnly, transcode.Expect{Video: true}, "the result has no video."},
		{testmedia.AudioOnly, transcode.Expect{Width: 10}, "the result has no video."},
		{testmedia.Truncated, ok, "the result is not a playable file."},
		{testmedia.Empty, ok, "nothing was encoded."},
	} {
		_, err := f.Verify(t.Context(), testmedia.Clip(t, c.recipe), c.want)
		if err == nil || !strings.Contains(err.Error(), "The media file couldn't be encoded: "+c.says) {
			t.Errorf("%s: %v", c.recipe.Name, err)
		}
	}
	if _, err := f.Verify(t.Context(), filepath.Join(t.TempDir(), "none.mp4"), ok); err == nil || !strings.Contains(err.Error(), "nothing was encoded") {
		t.Errorf("missing: %v", err)
	}
	observed.Row(t, "errors.md output_not_valid")
}

// ffprobe estimates how long raw AAC lasts, and is far off when its rate varies.
func TestVerifyMeasuresDuration(t *testing.T) {
	t.Run("own user", func(t *testing.T) { verifyMeasures(t, tools(t)) })
	// The folder above is closed to the other user, as a work directory is.
	t.Run("other user", func(t *testing.T) { verifyMeasures(t, asUser(t, tools(t))) })
}

func verifyMeasures(t *testing.T, f *Toolchain) {
	t.Helper()
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := f.Run(t.Context(), Command{Dir: dir, Args: []string{
		"-f", "lavfi", "-i", "aevalsrc='if(lt(t,4),0,random(0)-0.5)':s=16000:d=20", "-c:a", "aac", "-b:a", "48k", "out.aac",
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "out.aac")
	if m, err := f.Probe(t.Context(), path); err != nil || closeTo(m.Duration, transcode.Expect{Duration: 20}) {
		t.Errorf("ffprobe's estimate is close enough, so that nothing is measured: %v, %v", m.Duration, err)
	}
	if m, err := f.Verify(t.Context(), path, transcode.Expect{Duration: 20, Audio: true}); err != nil || !closeTo(m.Duration, transcode.Expect{Duration: 20}) {
		t.Errorf("%v", err)
	}
	if _, err := f.Verify(t.Context(), path, transcode.Expect{Duration: 15}); err == nil {
		t.Error("20 seconds pass for 15")
	}
}
