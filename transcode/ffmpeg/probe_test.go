package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

func TestProbe(t *testing.T) {
	f := tools(t)
	for _, c := range []struct {
		recipe       testmedia.Recipe
		video, audio int
		duration     float64
		check        func(m job.Media) bool
	}{
		{testmedia.Standard, 1, 1, 4, func(m job.Media) bool { return m.Video[0].FPS.Num == 25 && m.Audio[0].Channels == 2 }},
		{testmedia.NoAudio, 1, 0, 4, nil},
		{testmedia.AudioOnly, 0, 1, 4, nil},
		{testmedia.CoverArt, 0, 1, 4, nil},
		{testmedia.OddSize, 1, 1, 4, func(m job.Media) bool { return m.Video[0].Width == 321 && m.Video[0].Height == 181 }},
		{testmedia.Portrait90, 1, 1, 4, func(m job.Media) bool { return m.Video[0].Rotation == 90 && m.Video[0].Width == 320 }},
		{testmedia.Anamorphic, 1, 1, 4, func(m job.Media) bool { return m.Video[0].SAR.Num == 16 && m.Video[0].SAR.Den == 15 }},
		{testmedia.VFR, 1, 1, 4, func(m job.Media) bool { return m.Video[0].FPS != m.Video[0].BaseFPS }},
		{testmedia.TenBit, 1, 1, 4, func(m job.Media) bool { return m.Video[0].BitDepth == 10 }},
		{testmedia.Interlaced, 1, 1, 4, func(m job.Media) bool { return m.Video[0].FieldOrder == "tt" }},
		{testmedia.LateAudio, 1, 1, 5.5, func(m job.Media) bool { return m.StartTime == 0 && m.Audio[0].StartTime > 1.4 }},
		{testmedia.LateStart, 1, 1, 4, func(m job.Media) bool { return m.StartTime > 36000 }},
		{testmedia.SurroundFivePointOne, 1, 1, 4, func(m job.Media) bool { return m.Audio[0].Channels == 6 && m.Audio[0].ChannelLayout == "5.1" }},
		{testmedia.OneFrame, 1, 0, 0.04, nil},
		{testmedia.MultiAudio, 1, 2, 4, func(m job.Media) bool { return m.Audio[0].Language == "eng" && m.Audio[1].Language == "fra" }},
		{testmedia.Subtitled, 1, 1, 4, func(m job.Media) bool {
			return len(m.Subtitles) == 2 && m.Subtitles[1].Text && m.Subtitles[1].Language == "fre"
		}},
		{testmedia.WebM, 1, 1, 4, nil},
		{testmedia.Photo, 1, 0, 0, nil},
		{testmedia.Logo, 1, 0, 0, nil},
	} {
		m, err := f.Probe(t.Context(), testmedia.Clip(t, c.recipe))
		if err != nil {
			t.Errorf("%s: %v", c.recipe.Name, err)
			continue
		}
		if len(m.Video) != c.video || len(m.Audio) != c.audio || !closeTo(m.Duration, transcode.Expect{Duration: c.duration}) || c.duration == 0 && m.Duration != 0 ||
			c.check != nil && !c.check(m) {
			t.Errorf("%s: %s\n%+v", c.recipe.Name, m.Raw, m)
		}
		if !strings.Contains(string(m.Raw), `"filename":"`+c.recipe.Name+`"`) || strings.Contains(string(m.Raw), os.TempDir()) {
			t.Errorf("%s: filename in %s", c.recipe.Name, m.Raw)
		}
	}
}

func TestProbeSharedMedia(t *testing.T) {
	f := tools(t)
	m, err := f.Probe(t.Context(), testmedia.Shared(t, "rotated-180.mov"))
	if err != nil || m.Video[0].Rotation != 180 {
		t.Errorf("rotated: %v, %+v", err, m.Video)
	}
	m, err = f.Probe(t.Context(), testmedia.Shared(t, "photo.jpg"))
	if err != nil || m.Duration != 0 || len(m.Video) != 1 {
		t.Errorf("photo: %v, %+v", err, m)
	}
}

// A picture whose name does not tell its format, as in the work directory.
func TestProbePictureCalledSource(t *testing.T) {
	for _, r := range []testmedia.Recipe{testmedia.Photo, testmedia.Logo} {
		path := filepath.Join(t.TempDir(), "source")
		if err := os.Symlink(testmedia.Clip(t, r), path); err != nil {
			t.Fatal(err)
		}
		if m, err := tools(t).Probe(t.Context(), path); err != nil || m.Duration != 0 || len(m.Video) != 1 {
			t.Errorf("%s: %v %+v", r.Name, err, m)
		}
	}
}

// refused probes a file and returns the reason and the sentence of the refusal.
func refused(t *testing.T, path string) (job.Reason, string) {
	t.Helper()
	_, err := tools(t).Probe(t.Context(), path)
	e, ok := errors.AsType[*job.Error](err)
	if !ok || !slices.Contains([]job.Reason{job.InputNotValid, job.InputDamaged, job.InputEncrypted}, e.Reason) {
		t.Errorf("%s: %v, want an input that is not valid", path, err)
		return 0, ""
	}
	if strings.Contains(e.Message, os.TempDir()) {
		t.Errorf("the sentence tells a path: %s", e.Message)
	}
	return e.Reason, e.Message
}

func TestProbeRefuses(t *testing.T) {
	for _, c := range []struct {
		recipe testmedia.Recipe
		reason job.Reason
		want   string
	}{
		{testmedia.Empty, job.InputNotValid, "The input is empty."},
		{testmedia.HTML, job.InputNotValid, "The input is a web page (HTML), not a media file."},
		{testmedia.Text, job.InputNotValid, "The input is a text, not a media file."},
		{testmedia.Playlist, job.InputNotValid, "The input is an HLS playlist, not a media file."},
		{testmedia.Concat, job.InputNotValid, "The input is a list of files for FFmpeg, not a media file."},
		{testmedia.Truncated, job.InputDamaged, "The input is damaged or not complete: its index (the moov atom) is missing."},
		{testmedia.Encrypted, job.InputEncrypted, "The media file couldn't be encoded: it is encrypted (DRM), and this server has no key for it."},
		{testmedia.TruncatedTail, job.InputDamaged, "The input is not complete: the file ends before its media does."},
		{testmedia.TruncatedFragments, job.InputDamaged, "The input is damaged or not complete."},
		{testmedia.TruncatedMatroska, job.InputDamaged, "The input is not complete: the file ends before its media does."},
	} {
		if reason, got := refused(t, testmedia.Clip(t, c.recipe)); reason != c.reason || got != c.want {
			t.Errorf("%s: %s %q", c.recipe.Name, reason, got)
		}
	}
	srt := "1\n00:00:00,000 --> 00:00:01,000\nHello\n"
	for name, content := range map[string]string{
		"art.ans":     "\x1b[31mtext for a terminal\x1b[0m\n", // the demuxer tty draws it
		"source":      strings.Repeat("a line of text\n", 500),
		"sub.srt":     srt,
		"meta.txt":    ";FFMETADATA1\ntitle=x\n",
		"m.mpd":       `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>`,
		"session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
		"x.json":      `{"error":"no"}`,
		"zeros":       strings.Repeat("\x00", 5000),
		"a.tar.gz":    "\x1f\x8b\x08\x00rest",
		"x.svg":       `<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>`,
		"x.mp3":       "not an mp3",
		"%03d.jpg":    "a name that is a pattern",
		"one":         "x",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, path)
	}
	observed.Row(t, "errors.md input_damaged")
	observed.Row(t, "errors.md input_encrypted")
}

func TestProbeNeedsAudioOrVideo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.srt"), []byte("1\n00:00:00,000 --> 00:00:01,000\nHello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-f", "srt", "-i", "a.srt", "-c:s", "srt", "a.mkv"}}); err != nil {
		t.Fatal(err)
	}
	if _, got := refused(t, filepath.Join(dir, "a.mkv")); got != "The input holds no audio and no video that can be decoded." {
		t.Errorf("%q", got)
	}
}

func TestProbeNamesAnimatedWebP(t *testing.T) {
	dir := t.TempDir()
	if err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-f", "lavfi", "-i", "testsrc2=s=16x16:r=5:d=1", "-c:v", "libwebp_anim", "-f", "webp", "a.webp"}}); err != nil {
		t.Fatal(err)
	}
	if _, got := refused(t, filepath.Join(dir, "a.webp")); !strings.HasPrefix(got, "The input is an animated WebP, which FFmpeg cannot decode;") {
		t.Errorf("%q", got)
	}
}

func TestProbeErrorsOfTheServer(t *testing.T) {
	_, err := tools(t).Probe(t.Context(), filepath.Join(t.TempDir(), "missing"))
	if _, ok := errors.AsType[*job.Error](err); ok || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := tools(t).Probe(t.Context(), t.TempDir()); err == nil || job.IsPermanent(err) {
		t.Errorf("folder: %v", err)
	}
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := tools(t).Probe(ctx, testmedia.Clip(t, testmedia.Short)); !errors.Is(err, why) {
		t.Errorf("ended context: %v", err)
	}
}

func TestProbeByAddress(t *testing.T) {
	mux := http.NewServeMux()
	for name, r := range map[string]testmedia.Recipe{"video": testmedia.Standard, "page": testmedia.HTML, "empty": testmedia.Empty, "list": testmedia.Playlist, "tail": testmedia.TruncatedTail} {
		path := testmedia.Clip(t, r)
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	}
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusBadGateway) })
	s := httptest.NewServer(mux)
	defer s.Close()

	m, err := tools(t).Probe(t.Context(), s.URL+"/video")
	if err != nil || len(m.Video) != 1 || !closeTo(m.Duration, transcode.Expect{Duration: 4}) || !strings.Contains(string(m.Raw), `"filename":"video"`) {
		t.Errorf("video: %v %s", err, m.Raw)
	}
	if _, got := refused(t, s.URL+"/page"); !strings.Contains(got, "HTML") {
		t.Errorf("page: %q", got)
	}
	if _, got := refused(t, s.URL+"/tail"); !strings.Contains(got, "not complete") {
		t.Errorf("tail: %q", got)
	}
	if _, got := refused(t, s.URL+"/empty"); got != "The input is empty." {
		t.Errorf("empty: %q", got)
	}
	if _, got := refused(t, s.URL+"/list"); !strings.Contains(got, "HLS playlist") {
		t.Errorf("list: %q", got)
	}
	if _, err := tools(t).Probe(t.Context(), s.URL+"/broken"); err == nil || job.IsPermanent(err) {
		t.Errorf("a reader that fails is no fault of the input: %v", err)
	}
	for _, address := range []string{"http://192.0.2.1:80/x", "http://example.com:80/x", "http://127.0.0.1/x", "http://localhost:1/x", "http://a@127.0.0.1:1/x", "https://127.0.0.1:1/x", "tcp://127.0.0.1:1"} {
		if _, err := tools(t).Probe(t.Context(), address); err == nil || job.IsPermanent(err) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A file that names other files or hosts does not get them opened.
func TestNothingElseIsOpened(t *testing.T) {
	var hits atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1) }))
	defer s.Close()
	other := testmedia.Clip(t, testmedia.LateStart)
	for name, content := range map[string]string{
		"hls of a host":    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n" + s.URL + "/a.ts\n#EXT-X-ENDLIST\n",
		"hls of a file":    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n" + other + "\n#EXT-X-ENDLIST\n",
		"concat of a host": "ffconcat version 1.0\nfile " + s.URL + "/a.ts\n",
		"concat of a file": fmt.Sprintf("ffconcat version 1.0\nfile '%s'\n", other),
		"dash":             `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"><Period><AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>` + s.URL + `/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"sdp":              "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "source")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, path)
		err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-i", "source", "-c", "copy", "out.mkv"}})
		if _, ok := errors.AsType[*RunError](err); !ok {
			t.Errorf("%s: run gave %v", name, err)
		}
	}
	// The planner may force a list of our own. The protocols of its entries are
	// restricted all the same.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte("ffconcat version 1.0\nfile "+s.URL+"/a.ts\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-f", "concat", "-safe", "0", "-i", "list", "-c", "copy", "out.mkv"}}); err == nil {
		t.Error("a forced list of addresses was taken")
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestConcatOfOurOwn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.mp4", "b.mp4"} {
		put(t, dir, name, testmedia.Short)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte("ffconcat version 1.0\nfile a.mp4\nfile b.mp4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tools(t).Run(t.Context(), Command{Dir: dir, Args: []string{"-f", "concat", "-i", "list", "-c", "copy", "out.mp4"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := tools(t).Verify(t.Context(), filepath.Join(dir, "out.mp4"), transcode.Expect{Duration: 2, Video: true, Audio: true}); err != nil {
		t.Error(err)
	}
}
