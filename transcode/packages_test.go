package transcode

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// bilingual is a film with audio in two languages and subtitles in two, whose
// audio continues for most of a second after its last picture.
func bilingual(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	copyTo(t, dir, testmedia.Clip(t, testmedia.Recipe{
		Name: "bilingual.mkv",
		Files: map[string]string{
			"en.srt": "1\n00:00:00,500 --> 00:00:01,500\nfirst <i>line</i>\n\n2\n00:00:01,800 --> 00:00:04,200\nover two edges\n",
			"de.srt": "1\n00:00:03,000 --> 00:00:03,500\nzweite\nZeile\n",
		},
		Args: []string{
			"-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=5", "-f", "lavfi", "-i", "sine=f=440:d=5.7", "-f", "lavfi", "-i", "sine=f=880:d=5.7",
			"-i", "en.srt", "-i", "de.srt", "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4",
			"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac", "-ac", "2", "-c:s", "srt",
			"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Deutsche Fassung",
			"-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=ger", "-disposition:s:0", "0", "-disposition:a:0", "default",
			"-f", "matroska",
		},
	}))
	return dir
}

// packaged carries a plan out in dir and writes each package of the first
// output as it is published, in a folder of its own.
func packaged(t testing.TB, dir string, o Options, out *job.Output) (roots []string, packages []stream.Package) {
	t.Helper()
	p := Build([]*job.Output{out}, probe(t, dir, SourceName), o)
	checkPlan(t, p)
	if err := p.Results[0].Err; err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if stderr, err := step(t, dir, p.Secrets, s, "-v", "error"); err != nil {
			t.Fatalf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), err, stderr)
		}
	}
	for i, pkg := range p.Results[0].Packages {
		files, _, err := stream.Build(os.DirFS(dir), pkg, p.Secrets.Key)
		if err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(t.TempDir(), fmt.Sprint(i))
		for _, f := range files {
			data := f.Data
			if f.Source != "" {
				if data, err = os.ReadFile(filepath.Join(dir, f.Source)); err != nil {
					t.Fatal(err)
				}
			}
			to := filepath.Join(root, f.Path)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		roots, packages = append(roots, root), append(packages, pkg)
	}
	return roots, packages
}

func text(t testing.TB, names ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(names...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var shortSegments = Options{Presets: fast.Presets, SegmentSeconds: 2}

// TestRenditions: viewers can choose among all audio and all text subtitles of a
// source, in every layout.
func TestRenditions(t *testing.T) {
	t.Parallel()
	dir := bilingual(t)
	roots, _ := packaged(t, dir, shortSegments, output(t, "httpstream hls=/hls dash=/dash variants=mp4:128x72::quality=2;mp4:x:64k"))
	for i, root := range roots {
		master := text(t, root, "master.m3u8")
		uri := map[int][2]string{0: {`,URI="audio-ger/stream.m3u8"`, `,URI="audio/stream.m3u8"`}, 1: {`,URI="stream-audio-ger.m3u8"`, `,URI="stream-audio.m3u8"`}}[i]
		for _, want := range []string{
			`TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2"` + uri[1] + "\n",
			`TYPE=AUDIO,GROUP-ID="audio",NAME="Deutsche Fassung",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2"` + uri[0] + "\n",
			`TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=`,
			`TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="Deutsch",LANGUAGE="de",`,
			`AUDIO="audio",SUBTITLES="subtitles"`,
		} {
			if !strings.Contains(master, want) {
				t.Errorf("package %d lacks %s:\n%s", i, want, master)
			}
		}
		folder, pattern, stamp := "subtitles-eng/", "text-%05d.vtt", "900000"
		if i == 1 {
			folder, pattern, stamp = "", "subtitles-eng-%05d.vtt", "0"
		}
		second := text(t, root, folder+fmt.Sprintf(pattern, 2))
		// Matroska moves picture and subtitles by the priming of the audio, and
		// fragmented MP4 begins with the picture.
		times := "00:00:01.823 --> 00:00:04.223"
		if i == 1 {
			times = "00:00:01.800 --> 00:00:04.200"
		}
		if want := "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:" + stamp + ",LOCAL:00:00:00.000\n\n" + times + "\nover two edges\n"; second != want {
			t.Errorf("package %d: the second segment of subtitles is %q, want %q", i, second, want)
		}
		if first := text(t, root, folder+fmt.Sprintf(pattern, 1)); strings.Count(first, "-->") != 2 || !strings.Contains(first, "first <i>line</i>") {
			t.Errorf("package %d: the first segment of subtitles is %q", i, first)
		}
	}
	mpd := text(t, roots[1], "master.mpd")
	for _, want := range []string{`contentType="audio" mimeType="audio/mp4" lang="de"`, `contentType="text" mimeType="text/vtt" lang="en"`, "<BaseURL>subtitles-eng.vtt</BaseURL>", `value="alternate"`} {
		if !strings.Contains(mpd, want) {
			t.Errorf("the manifest lacks %s:\n%s", want, mpd)
		}
	}
	if whole := text(t, roots[1], "subtitles-ger.vtt"); whole != "WEBVTT\n\n00:00:03.000 --> 00:00:03.500\nzweite\nZeile\n" {
		t.Errorf("the whole subtitles are %q", whole)
	}
	// The last picture is held until the audio ends, so that no segment is longer
	// than the target.
	for _, line := range strings.Split(text(t, roots[0], "72p", "stream.m3u8"), "\n") {
		var d float64
		if _, err := fmt.Sscanf(line, "#EXTINF:%f", &d); err == nil && d > 2.1 {
			t.Errorf("a segment lasts %g s", d)
		}
	}
	if n := len(frames(t, roots[0], "72p/stream.m3u8", false)); n < 140 || n > 144 {
		t.Errorf("%d frames, want those of 5.7 s", n)
	}
}

// TestBrokenSubtitles: a stream is made without subtitles that could not be
// extracted.
func TestBrokenSubtitles(t *testing.T) {
	t.Parallel()
	dir := bilingual(t)
	roots, packages := packaged(t, dir, shortSegments, output(t, "httpstream hls=/hls variants=mp4:128x72::quality=2"))
	if !strings.Contains(text(t, roots[0], "master.m3u8"), "TYPE=SUBTITLES") {
		t.Fatal("there are no subtitles to break")
	}
	pkg := packages[0]
	for i, tr := range pkg.Tracks {
		if tr.Type != stream.Text {
			continue
		}
		name := filepath.Join(dir, pkg.Dir, tr.Dir, tr.Segments)
		if i%2 == 0 {
			os.Remove(name)
		} else if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, _, err := stream.Build(os.DirFS(dir), pkg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Path, ".vtt") || strings.Contains(string(f.Data), "SUBTITLES") {
			t.Errorf("%s is of subtitles", f.Path)
		}
	}
}

// TestEncryption: openssl decrypts what players get, with the rules of RFC 8216,
// and the key is in no argument.
func TestEncryption(t *testing.T) {
	t.Parallel()
	const key = "00112233445566778899aabbccddeeff"
	dir := bilingual(t)
	out := output(t, "httpstream hls=/hls variants=mp4:128x72::quality=2;mp4:x:64k")
	out.Stream.HLS.EncryptionKey, out.Stream.HLS.EncryptionKeyURI = job.NewSecret(key), "https://keys.example.com/1"
	plan := Build([]*job.Output{out}, probe(t, dir, SourceName), shortSegments)
	raw, _ := hex.DecodeString(key)
	for _, s := range plan.Steps {
		if all := strings.Join(s.FFmpegArgs(), " "); strings.Contains(all, key) || strings.Contains(all, string(raw)) {
			t.Errorf("the key is in the arguments of %s", s.ID)
		}
	}
	if b, _ := json.Marshal(plan); bytes.Contains(b, raw) || bytes.Contains(b, []byte(key)) || bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(raw))) {
		t.Errorf("the key is in the plan: %s", b)
	}
	roots, packages := packaged(t, dir, shortSegments, out)
	for _, tr := range packages[0].Tracks {
		if tr.Type == stream.Text {
			continue
		}
		list := text(t, roots[0], tr.Dir, "stream.m3u8")
		if strings.Count(list, "#EXT-X-KEY:") != 1 || !strings.Contains(list, `#EXT-X-KEY:METHOD=AES-128,URI="https://keys.example.com/1"`+"\n") || !strings.Contains(list, "#EXT-X-MEDIA-SEQUENCE:1\n") {
			t.Errorf("%s: the key line is not right:\n%s", tr.ID, list)
		}
		var all bytes.Buffer
		n := 0
		for line := range strings.Lines(list) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			n++
			var iv [16]byte
			binary.BigEndian.PutUint64(iv[8:], uint64(n))
			name := filepath.Join(roots[0], tr.Dir, strings.TrimSpace(line))
			clear, _ := command(t, dir, "openssl", "enc", "-d", "-aes-128-cbc", "-K", key, "-iv", hex.EncodeToString(iv[:]), "-in", name)
			if len(clear)%188 != 0 || clear[0] != 0x47 {
				t.Errorf("%s does not decrypt to TS packets", name)
			}
			all.WriteString(clear)
		}
		whole := filepath.Join(t.TempDir(), "whole.ts")
		if err := os.WriteFile(whole, all.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, warnings := command(t, dir, "ffmpeg", "-v", "warning", "-i", whole, "-map", "0", "-f", "null", "-"); warnings != "" {
			t.Errorf("%s: ffmpeg says of the decrypted stream: %s", tr.ID, warnings)
		}
	}
	if master := text(t, roots[0], "master.m3u8"); strings.Contains(master, "I-FRAME") || !strings.Contains(master, "audio-ger/stream.m3u8") {
		t.Errorf("the multivariant playlist is not right:\n%s", master)
	}
}

// TestVersion3 is for old players: no renditions, no I-frames.
func TestVersion3(t *testing.T) {
	t.Parallel()
	out := output(t, "httpstream hls=/hls variants=mp4:128x72::quality=2")
	out.Stream.HLS.Version = 3
	roots, _ := packaged(t, bilingual(t), shortSegments, out)
	for _, name := range []string{"master.m3u8", "72p/stream.m3u8"} {
		list := text(t, roots[0], name)
		if !strings.Contains(list, "#EXT-X-VERSION:3\n") || strings.Contains(list, "EXT-X-MEDIA:") || strings.Contains(list, "I-FRAME") || strings.Contains(list, "BYTERANGE") {
			t.Errorf("%s is not of version 3:\n%s", name, list)
		}
	}
	if _, err := os.Stat(filepath.Join(roots[0], "audio-ger")); err == nil {
		t.Error("there is audio that no playlist of version 3 can name")
	}
}

// TestEncryptionRefused: the error says what cannot be encrypted.
func TestEncryptionRefused(t *testing.T) {
	for _, test := range []struct{ variants, key, uri, want string }{
		{"mp4:240p_hevc", "00112233445566778899aabbccddeeff", "https://k", "H.264"},
		{"mp4:240p", "00112233445566778899aabbccddeeff", "", "encryption_key_uri"},
		{"mp4:240p", "0011", "https://k", "32 hexadecimal"},
	} {
		out := output(t, "httpstream hls=/hls variants="+test.variants)
		out.Stream.HLS.EncryptionKey, out.Stream.HLS.EncryptionKeyURI = job.NewSecret(test.key), test.uri
		p := Build([]*job.Output{out}, film(1280, 720), fast)
		if err := p.Results[0].Err; err == nil || !strings.Contains(err.Message, test.want) || strings.Contains(err.Message, "0011") {
			t.Errorf("%+v: the error is %v", test, err)
		}
		if len(p.Steps) > 0 {
			t.Errorf("%+v: %d steps", test, len(p.Steps))
		}
	}
}

// TestDecodedEarlier: in TS of 50 and 60 frames a second pictures are decoded two and a
// half packets of sound before their time, else hls.js moves the sound. At lower rates,
// and without sound or pictures, all is as the encoder has it.
func TestDecodedEarlier(t *testing.T) {
	for _, tt := range []struct {
		rate, want string
		variants   string
	}{
		{"60/1", "setts=pts=PTS:dts='DTS-max(0,STARTDTS+3.2*DURATION)'", "mp4:240p"},
		{"60000/1001", "setts=pts=PTS:dts='DTS-max(0,STARTDTS+3.2*DURATION)'", "mp4:240p"},
		{"50/1", "setts=pts=PTS:dts='DTS-max(0,STARTDTS+2.67*DURATION)'", "mp4:240p"},
		{"30/1", "", "mp4:240p"},
		{"24000/1001", "", "mp4:240p"},
		{"60/1", "", "mp4:240p:x"},
		{"60/1", "", "mp4:x:96k"},
	} {
		m := film(640, 360)
		num, den, _ := strings.Cut(tt.rate, "/")
		rate := format.Rational{}
		rate.Num, _ = strconv.Atoi(num)
		rate.Den, _ = strconv.Atoi(den)
		m.Video[0].FPS, m.Video[0].BaseFPS = rate, rate
		p := Build(outputs(t, "httpstream hls=/h variants="+tt.variants), m, Options{})
		for _, s := range p.Steps {
			if s.Kind != StepSegment {
				continue
			}
			got := ""
			if i := slices.Index(s.FFmpegArgs(), "-bsf:v"); i >= 0 {
				got = s.FFmpegArgs()[i+1]
			}
			if got != tt.want {
				t.Errorf("%s at %s: %q, want %q", tt.variants, tt.rate, got, tt.want)
			}
		}
	}
}

// TestShortDelay: where the audio may be switched, the pictures of fragmented MP4 are decoded
// no longer before their time than the sound is primed, at the beginning and at each
// segment; and none is moved.
func TestShortDelay(t *testing.T) {
	t.Parallel()
	testmedia.Long(t)
	dir := t.TempDir()
	const fps = 60
	command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=60:d=5", "-f", "lavfi", "-i", "sine=r=48000:d=5", "-map", "0", "-map", "1", "-map", "1",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", "-f", "mov", SourceName)
	// superfast has B-frames, of which two are decoded before they are shown.
	roots, _ := packaged(t, dir, Options{Presets: map[string]string{"libx264": "superfast"}, SegmentSeconds: 2}, output(t, "httpstream dash=/dash variants=mp4:64x36::quality=2"))
	var track []byte
	for _, name := range []string{"init-36p.mp4", "36p-00001.m4s", "36p-00002.m4s", "36p-00003.m4s"} {
		track = append(track, text(t, roots[0], name)...)
	}
	if err := os.WriteFile(filepath.Join(dir, "track.mp4"), track, 0o600); err != nil {
		t.Fatal(err)
	}
	var shown []float64
	keys := 0
	packets, _ := command(t, dir, "ffprobe", "-v", "error", "-show_entries", "packet=pts_time,dts_time,flags", "-of", "csv=p=0", "track.mp4")
	for line := range strings.Lines(packets) {
		var pts, dts float64
		var flags string
		if _, err := fmt.Sscanf(strings.ReplaceAll(line, ",", " "), "%f %f %s", &pts, &dts, &flags); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		shown = append(shown, pts)
		if flags[0] == 'K' {
			keys++
			if early := pts - dts; math.Abs(early-1024./48000) > 0.001 {
				t.Errorf("the picture at %.3f s is decoded %.1f ms earlier, not 21.3 ms", pts, 1000*early)
			}
		}
	}
	slices.Sort(shown)
	if len(shown) != 5*fps || keys != 3 {
		t.Fatalf("%d pictures, %d keyframes", len(shown), keys)
	}
	for i, at := range shown {
		if math.Abs(at-float64(i)/fps) > 0.001 {
			t.Fatalf("picture %d is shown at %.4f s, not at %.4f s", i, at, float64(i)/fps)
		}
	}
}
