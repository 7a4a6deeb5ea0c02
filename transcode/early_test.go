package transcode

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// TestEarly: the picture of the source is cut where players take it, else the smallest variant
// is encoded, and a stream that must not be in the clear has none.
func TestEarly(t *testing.T) {
	t.Parallel()
	const ladder = "httpstream hls=/h dash=/d variants=mp4:240p;mp4:720p"
	for _, c := range []struct {
		name   string
		lines  []string
		change func(m *job.Media, list []*job.Output)
		note   string // its beginning
	}{
		{"cut", []string{ladder}, nil, "Playable early: the picture of the input is cut as it is."},
		{"beside files", []string{"mp4:720p path=/a.mp4", ladder}, nil, "Playable early: the picture of the input is cut as it is."},
		{"hlsfmp4", []string{"httpstream dash=/d variants=mp4:240p"}, nil, "Playable early: the picture of the input is cut as it is."},
		{"turned", []string{ladder}, func(m *job.Media, _ []*job.Output) { m.Video[0].Rotation = 90 }, "Playable early: 136x240 is encoded first, since the picture of the input cannot be cut as it is: the file has it turned"},
		{"no index", []string{ladder}, func(m *job.Media, _ []*job.Output) { m.Video[0].GOPs = nil }, "Playable early: 426x240 is encoded first, since the picture of the input cannot be cut as it is: where its keyframes are is not known"},
		{"HEVC", []string{ladder}, func(m *job.Media, _ []*job.Output) { m.Video[0].Codec, m.Video[0].CodecTag = "hevc", "hvc1" }, "Playable early: 426x240"},
		{"huge", []string{ladder}, func(m *job.Media, _ []*job.Output) { m.Video[0].GOPs.Peak = 26e6 }, "Playable early: 426x240"},
		{"no HLS", []string{ladder}, func(_ *job.Media, l []*job.Output) { l[0].Stream.HLS, l[0].Stream.DASH.HLSFMP4 = nil, false }, "No stream is playable early: it is HLS, and the output has none."},
		{"encrypted", []string{ladder}, func(_ *job.Media, l []*job.Output) { l[0].Stream.HLS.EncryptionKey = job.NewSecret("0011") }, "No stream is playable early: it would not be encrypted"},
		{"protected", []string{ladder}, func(_ *job.Media, l []*job.Output) { l[0].Stream.Protection = &job.Protection{} }, "No stream is playable early: it would not be encrypted"},
		{"no picture", []string{ladder}, func(m *job.Media, _ []*job.Output) { m.Video = nil }, "No stream is playable early: the input has no moving picture."},
	} {
		m, list := film(1280, 720), outputs(t, c.lines...)
		v := &m.Video[0]
		v.Profile, v.Level, v.CodecTag, v.GOPs = "High", 31, "avc1", every(7, 7, 30)
		if c.change != nil {
			c.change(&m, list)
		}
		e, ok := BuildEarly(list, m, Options{})
		if !ok || !strings.HasPrefix(e.Note, c.note) || list[e.Output].Stream == nil {
			t.Errorf("%s: %v, %q, want %q", c.name, ok, e.Note, c.note)
		}
		videos, _ := encodes(e.Plan)
		if cut, none := strings.Contains(c.note, "is cut as it is."), strings.HasPrefix(c.note, "No"); e.Copied != cut || none != (len(e.Plan.Steps) == 0) || videos > 0 != (!cut && !none) {
			t.Errorf("%s: copied %v, %d steps, %d encodes", c.name, e.Copied, len(e.Plan.Steps), videos)
		}
	}
	if _, ok := BuildEarly(outputs(t, "mp4:720p path=/a.mp4"), film(1280, 720), Options{}); ok {
		t.Error("a job without an httpstream has an early stream")
	}
}

// TestEarlyRun: the segments of an early stream can be measured one by one, and have the frames
// of the source or of an encode, with the sound.
func TestEarlyRun(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=7", "-f", "lavfi", "-i", "sine=d=7", "-c:v", "libx264", "-preset", "fast", "-bf", "2",
		"-x264-params", "keyint=75:min-keyint=75:scenecut=0:open-gop=0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mp4")
	m := indexed(t, dir)
	want := len(frames(t, dir, SourceName, false))
	for _, copied := range []bool{true, false} {
		if !copied {
			m.Video[0].GOPs = nil
		}
		e, ok := BuildEarly(outputs(t, "httpstream hls=/h variants=mp4:80x"), m, shortSegments)
		if !ok || e.Copied != copied {
			t.Fatalf("%v, %q", ok, e.Note)
		}
		for _, s := range e.Plan.Steps {
			if stderr, err := step(t, dir, nil, s, "-v", "error"); err != nil {
				t.Fatalf("%q: %v\n%s", s.FFmpegArgs(), err, stderr)
			}
		}
		g := stream.NewGrowing(e.Package, 1000*e.PeakK)
		var all []byte
		for {
			name := g.Next().Source
			data, err := os.ReadFile(filepath.Join(dir, name))
			if os.IsNotExist(err) {
				break
			}
			all = append(all, data...)
			if err := g.Add(os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "early.ts"), all, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := len(frames(t, dir, "early.ts", false)); got != want {
			t.Errorf("copied %v: %d frames, want %d", copied, got, want)
		}
		if probed := probe(t, dir, "early.ts"); len(probed.Audio) != 1 {
			t.Errorf("copied %v: %d tracks of sound", copied, len(probed.Audio))
		}
		lists := g.Playlists(true)
		media, main := string(lists[0].Data), string(lists[1].Data)
		// Keyframes of the source are 3 s apart, and 2 s are aimed at.
		segments := map[bool]int{true: 3, false: 4}[copied]
		if strings.Count(media, "#EXTINF") != segments || g.Made() != segments || !strings.HasSuffix(media, "#EXT-X-ENDLIST\n") || !strings.Contains(media, "PLAYLIST-TYPE:EVENT") || !strings.Contains(media, "TARGETDURATION:3\n") {
			t.Errorf("copied %v:\n%s", copied, media)
		}
		if strings.Contains(string(g.Playlists(false)[0].Data), "ENDLIST") {
			t.Error("a playlist that grows has an end")
		}
		size := map[bool]string{true: "160x90", false: "82x46"}[copied]
		if !strings.Contains(main, "RESOLUTION="+size+",") || !strings.Contains(main, ",mp4a.40.2\"") || !strings.HasSuffix(main, "\nstream.m3u8\n") {
			t.Errorf("copied %v:\n%s", copied, main)
		}
	}
}

// TestReferring: a playlist that stands in a folder below has addresses that lead up.
func TestReferring(t *testing.T) {
	t.Parallel()
	got := strings.Split(string(stream.Referring([]byte("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"stream-a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n240p/stream.m3u8\n./a:b.m3u8\n"))), "\n")
	want := []string{"#EXTM3U", `#EXT-X-MEDIA:TYPE=AUDIO,URI="../stream-a.m3u8"`, "#EXT-X-STREAM-INF:BANDWIDTH=1", "../240p/stream.m3u8", "../a:b.m3u8", ""}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
