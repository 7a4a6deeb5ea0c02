package input

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/backends"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

var findTools = sync.OnceValues(func() (*ffmpeg.Toolchain, error) { return ffmpeg.Find(context.Background(), "", "") })

// recorder reads inputs with the real parts.
func recorder(t *testing.T) Reader {
	t.Helper()
	testmedia.Tool(t, "ffmpeg")
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	opener := backends.New(backends.Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}), Retry: retry.Policy{Waits: []time.Duration{0}}})
	t.Cleanup(opener.Close)
	return Reader{
		Opener: opener, Media: tools, Serves: tools.ServesInputs(), Capabilities: tools.Capabilities(),
		Run: func(ctx context.Context, dir string, s transcode.Step) error {
			return tools.Run(ctx, ffmpeg.Command{Args: s.Op.FFmpeg.Args, Dir: dir})
		},
	}
}

// cut has ffmpeg cut the counter film into a folder.
func cut(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	film := testmedia.Counter(t, "25", 6, 128, 72)
	args = append([]string{"-v", "error", "-i", film}, args...)
	c := exec.CommandContext(t.Context(), testmedia.FFmpeg(t, "ffmpeg"), args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// inHalves has the film cut in two streams, each with a clock of its own, and returns a folder
// with a playlist of both.
func inHalves(t *testing.T, hls []string) string {
	t.Helper()
	dir := t.TempDir()
	list := "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"
	for i, span := range [][]string{{"-t", "3"}, {"-ss", "3"}} {
		half := fmt.Sprint(i)
		from := cut(t, slices.Concat(span, hls[2:], []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "in.m3u8"})...)
		text, err := os.ReadFile(filepath.Join(from, "in.m3u8"))
		if err != nil {
			t.Fatal(err)
		}
		list += "#EXT-X-DISCONTINUITY\n"
		for line := range strings.Lines(string(text)) {
			switch {
			case strings.HasPrefix(line, "#EXTINF"):
				list += line
			case strings.HasPrefix(line, "#EXT-X-MAP"):
				list += strings.Replace(line, `"init`, `"`+half+`/init`, 1)
			case !strings.HasPrefix(line, "#"):
				list += half + "/" + line
			}
		}
		if err := os.Rename(from, filepath.Join(dir, half)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "in.m3u8", list+"#EXT-X-ENDLIST\n")
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRecordings: recordings that ffmpeg made of a film become a file with all frames of
// the film and its sound, whichever way they are cut.
func TestRecordings(t *testing.T) {
	r := recorder(t)
	hls := []string{"-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod"}
	for name, tt := range map[string]struct {
		make  func(t *testing.T) string
		entry string
	}{
		"hls ts": {func(t *testing.T) string { return cut(t, append(hls, "in.m3u8")...) }, "in.m3u8"},
		"hls aes-128": {func(t *testing.T) string {
			keys := t.TempDir()
			write(t, keys, "key", "0123456789abcdef")
			write(t, keys, "info", "key\n"+filepath.Join(keys, "key")+"\n")
			dir := cut(t, append(hls, "-hls_key_info_file", filepath.Join(keys, "info"), "in.m3u8")...)
			write(t, dir, "key", "0123456789abcdef")
			return dir
		}, "in.m3u8"},
		"hls fmp4 in ranges, audio apart": {func(t *testing.T) string {
			return cut(t, append(hls, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-hls_segment_type", "fmp4", "-hls_flags", "single_file",
				"-var_stream_map", "v:0,agroup:a a:0,agroup:a,language:en,default:yes a:1,agroup:a,language:de", "-master_pl_name", "main.m3u8", "part%v.m3u8")...)
		}, "main.m3u8"},
		"hls ts, audio apart": {func(t *testing.T) string {
			return cut(t, append(hls, "-map", "0:v", "-map", "0:a", "-var_stream_map", "v:0,agroup:a a:0,agroup:a,default:yes", "-master_pl_name", "main.m3u8", "part%v.m3u8")...)
		}, "main.m3u8"},
		"hls ts, packed audio": {func(t *testing.T) string {
			dir := cut(t, append(hls, "-an", "part.m3u8")...)
			sound := cut(t, "-vn", "-c", "copy", "-f", "adts", "a.aac")
			audio, err := os.ReadFile(filepath.Join(sound, "a.aac"))
			if err != nil {
				t.Fatal(err)
			}
			// ffmpeg's clock of transport streams begins at 1.4 s; the film's sound has 1024 samples of priming.
			owner := "com.apple.streaming.transportStreamTimestamp\x00" + string(binary.BigEndian.AppendUint64(nil, 126000-1920))
			frame := "PRIV\x00\x00\x00" + string(rune(len(owner))) + "\x00\x00" + owner
			write(t, dir, "a.aac", "ID3\x04\x00\x00\x00\x00\x00"+string(rune(len(frame)))+frame+string(audio))
			write(t, dir, "a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.aac\n#EXT-X-ENDLIST\n")
			write(t, dir, "main.m3u8", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\npart.m3u8\n")
			return dir
		}, "main.m3u8"},
		"hls ts, discontinuity":   {func(t *testing.T) string { return inHalves(t, hls) }, "in.m3u8"},
		"hls fmp4, discontinuity": {func(t *testing.T) string { return inHalves(t, append(hls, "-hls_segment_type", "fmp4")) }, "in.m3u8"},
		"copra's dash": {func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Link(testmedia.Counter(t, "25", 6, 128, 72), filepath.Join(dir, transcode.SourceName)); err != nil {
				t.Fatal(err)
			}
			return streamtest.Publish(t, dir, &job.StreamParams{
				Variants: streamtest.Formats(t, "mp4:128x72::quality=4"), DASH: &job.DASHParams{Path: "/dash"},
			}, transcode.Options{})[0].Root
		}, "master.mpd"},
		"dash template": {func(t *testing.T) string {
			return cut(t, "-c", "copy", "-f", "dash", "-seg_duration", "2", "in.mpd")
		}, "in.mpd"},
		"dash number": {func(t *testing.T) string {
			return cut(t, "-c", "copy", "-f", "dash", "-seg_duration", "2", "-use_timeline", "0", "in.mpd")
		}, "in.mpd"},
		"dash one file": {func(t *testing.T) string {
			return cut(t, "-c", "copy", "-f", "dash", "-seg_duration", "2", "-single_file", "1", "in.mpd")
		}, "in.mpd"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tt.make(t)
			srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer srv.Close()
			in := job.Input{URL: job.NewSecret(srv.URL + "/" + tt.entry)}
			m, err := r.Probe(t.Context(), in, func(context.Context) (string, func(), error) { return t.TempDir(), func() {}, nil })
			if err != nil {
				t.Fatal(err)
			}
			if m.Recording == "" || len(m.Video) != 1 || len(m.Audio) < 1 || m.Duration < 5.9 || m.Duration > 6.2 || m.Size <= 0 {
				t.Errorf("the probe says %s", m.Raw)
			}
			work := t.TempDir()
			c, err := r.Open(t.Context(), "job", in, true, work)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Fetch(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, _ := c.Made()
			whole := testmedia.ReadFrames(t, filepath.Join(work, transcode.SourceName))
			if len(whole) != 150 {
				t.Errorf("%d frames: %s", len(whole), got.Raw)
			}
			for i, n := range whole {
				if i != n {
					t.Errorf("frame %d shows %d", i, n)
					break
				}
			}
			if got.Duration < 5.95 || got.Duration > 6.1 || got.Recording != m.Recording || len(got.Audio) != len(m.Audio) || c.Received() == 0 {
				t.Errorf("the file is %s", got.Raw)
			}
			shift := got.Video[0].StartTime - got.StartTime
			beeps, want := testmedia.Beeps(t, filepath.Join(work, transcode.SourceName)), testmedia.Beeps(t, testmedia.Counter(t, "25", 6, 128, 72))
			for i := range want {
				if len(beeps) != len(want) || math.Abs(beeps[i]-shift-want[i]) > 0.03 {
					t.Errorf("the picture is at %.3f, the beeps are at %.3f, want %.3f", shift, beeps, want)
					break
				}
			}
			list, err := os.ReadDir(work)
			if err != nil || len(list) != 1 {
				t.Errorf("left in the folder: %v, %v", list, err)
			}
		})
	}
}

// serving is a server of a few small files.
func serving(t *testing.T, files map[string]string) *httptest.Server {
	t.Helper()
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.ReplaceAll(text, "SRV", srv.URL)))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// encrypt is AES-128 as HLS has it, with an IV of zeros.
func encrypt(t *testing.T, key, text string) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	pad := 16 - len(text)%16
	b := []byte(text + strings.Repeat(string(rune(pad)), pad))
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(b, b)
	return string(b)
}

// TestRecordingRefused: what is wrong with a recording is said in a sentence that names
// the segment, and nothing else is read.
func TestRecordingRefused(t *testing.T) {
	observed.Row(t, "errors.md input_playlist_not_valid")
	ts := strings.Repeat("\x47"+strings.Repeat("\xff", 187), 4)
	const key = "0123456789abcdef"
	vod := func(lines string) string { return "#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + lines + "#EXT-X-ENDLIST\n" }
	aes := "#EXT-X-KEY:METHOD=AES-128,URI=\"key\",IV=0x0\n"
	aes = strings.Replace(aes, "0x0", "0x"+strings.Repeat("0", 32), 1)
	mpd := func(kind, inside string) string {
		return `<?xml version="1.0"?><!-- made by hand --><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="` + kind + `" mediaPresentationDuration="PT4S"><Period><AdaptationSet contentType="video">` +
			inside + `<Representation id="1" bandwidth="1"><BaseURL>a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`
	}
	for name, tt := range map[string]struct {
		files  map[string]string
		reason job.Reason
		says   string
	}{
		"live":                  {map[string]string{"in": "#EXTM3U\n#EXTINF:2,\na.ts\n"}, job.InputPlaylistNotValid, "live stream"},
		"live manifest":         {map[string]string{"in": mpd("dynamic", "")}, job.InputPlaylistNotValid, "live stream"},
		"loop":                  {map[string]string{"in": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nin\n"}, job.InputPlaylistNotValid, "as in a loop"},
		"missing segment":       {map[string]string{"in": vod("#EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n"), "a.ts": ts}, job.InputHTTPError, "segment 2 of 2, which could not be downloaded from 127.0.0.1: HTTP status code: 404"},
		"missing playlist":      {map[string]string{"in": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb\n"}, job.InputHTTPError, "the playlist of its best variant, which could not"},
		"file":                  {map[string]string{"in": vod("#EXTINF:2,\nfile:///etc/passwd\n")}, job.InputPlaylistNotValid, `segment 1 of 1, which has an address of the kind "file:"`},
		"data":                  {map[string]string{"in": vod("#EXTINF:2,\ndata:text/plain,a\n")}, job.InputPlaylistNotValid, `kind "data:"`},
		"private address":       {map[string]string{"in": vod("#EXTINF:2,\nhttp://10.1.2.3/a.ts\n")}, job.AddressNotAllowed, "10.1.2.3"},
		"private variant":       {map[string]string{"in": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://169.254.169.254/a\n"}, job.AddressNotAllowed, "169.254.169.254"},
		"private key":           {map[string]string{"in": vod("#EXT-X-KEY:METHOD=AES-128,URI=\"http://10.1.2.3/key\"\n#EXTINF:2,\na.ts\n"), "a.ts": encrypt(t, key, ts)}, job.AddressNotAllowed, "10.1.2.3"},
		"short key":             {map[string]string{"in": vod(aes + "#EXTINF:2,\na.ts\n"), "a.ts": encrypt(t, key, ts), "key": "short"}, job.InputEncrypted, "has 16 bytes, but at the address of its key are 5 bytes"},
		"wrong key":             {map[string]string{"in": vod(aes + "#EXTINF:2,\na.ts\n"), "a.ts": encrypt(t, key, ts), "key": "fedcba9876543210"}, job.InputEncrypted, "the key is not the one"},
		"no key":                {map[string]string{"in": vod(aes + "#EXTINF:2,\na.ts\n"), "a.ts": encrypt(t, key, ts)}, job.InputHTTPError, "the key of its segments, which could not be downloaded"},
		"encrypted, truncated":  {map[string]string{"in": vod(aes + "#EXTINF:2,\na.ts\n"), "a.ts": encrypt(t, key, ts)[:100], "key": key}, job.InputDamaged, "segment 1 of 1, which is encrypted and not complete"},
		"truncated":             {map[string]string{"in": vod("#EXTINF:2,\na.ts\n"), "a.ts": ts[:500]}, job.InputDamaged, "segment 1 of 1, which is not complete"},
		"truncated MP4":         {map[string]string{"in": vod("#EXT-X-MAP:URI=\"i\"\n#EXTINF:2,\na.ts\n"), "i": "\x00\x00\x00\x08ftyp", "a.ts": "\x00\x00\x00\xffmoof"}, job.InputDamaged, "segment 1 of 1, which is not complete"},
		"a page":                {map[string]string{"in": vod("#EXTINF:2,\na.ts\n"), "a.ts": "<!doctype html>"}, job.InputDamaged, "segment 1 of 1, which is no segment of media"},
		"too large":             {map[string]string{"in": vod(strings.Repeat("#EXTINF:2,\na.ts\n", 20)), "a.ts": ts}, job.InputTooLarge, "together larger than 10000 bytes"},
		"SAMPLE-AES":            {map[string]string{"in": vod("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n#EXTINF:2,\na.ts\n")}, job.InputEncrypted, "is encrypted (DRM)"},
		"SAMPLE-AES identity":   {map[string]string{"in": vod("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\"\n#EXTINF:2,\na.ts\n")}, job.InputEncrypted, "is encrypted (SAMPLE-AES)"},
		"CENC":                  {map[string]string{"in": mpd("static", `<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>`)}, job.InputEncrypted, "ContentProtection"},
		"range beyond the file": {map[string]string{"in": vod("#EXTINF:2,\n#EXT-X-BYTERANGE:1000@500\na.ts\n"), "a.ts": ts}, job.InputDamaged, "reaches beyond the end of its file"},
		"no segment":            {map[string]string{"in": vod("")}, job.InputPlaylistNotValid, "names no segment"},
		"no playlist inside":    {map[string]string{"in": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb\n", "b": "<html>"}, job.InputPlaylistNotValid, "no playlist where a playlist should be"},
		"broken manifest":       {map[string]string{"in": "<MPD><Period>"}, job.InputPlaylistNotValid, "not valid XML"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serving(t, tt.files)
			opener := backends.New(backends.Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}), Retry: retry.Policy{Waits: []time.Duration{0}}})
			defer opener.Close()
			r := Reader{Opener: opener, MaxBytes: 10000}
			w := newWalker(r, job.Input{URL: job.NewSecret(srv.URL + "/in")}, t.TempDir())
			_, err := w.assemble(t.Context(), transcode.SourceName)
			e, ok := errors.AsType[*job.Error](err)
			if !ok {
				t.Fatalf("%v", err)
			}
			if e.Reason != tt.reason || !strings.Contains(e.Message, tt.says) {
				t.Errorf("%v (%v), want %v %q", err, e, tt.reason, tt.says)
			}
		})
	}
}

// TestRecordingRetries: a segment whose connection breaks is taken up again, and the
// others are fetched once.
func TestRecordingRetries(t *testing.T) {
	const segments = 300
	ts := func(i int) string {
		return strings.Repeat(fmt.Sprintf("\x47%05d", i)+strings.Repeat("\xff", 182), 10)
	}
	var list strings.Builder
	list.WriteString("#EXTM3U\n")
	for i := range segments {
		fmt.Fprintf(&list, "#EXTINF:2,\n%d.ts\n", i)
	}
	list.WriteString("#EXT-X-ENDLIST\n")
	var requests, broken atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/in.m3u8" {
			http.Redirect(w, r, "/deep/down/in.m3u8", http.StatusFound) // what is relative is so to that
			return
		}
		if r.URL.Path == "/deep/down/in.m3u8" {
			_, _ = w.Write([]byte(list.String()))
			return
		}
		requests.Add(1)
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/deep/down/%d.ts", &n); err != nil {
			http.NotFound(w, r)
			return
		}
		body := ts(n)
		if n%50 == 7 && broken.Add(1)%2 == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write([]byte(body[:700]))
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}))
	defer srv.Close()
	opener := backends.New(backends.Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})})
	defer opener.Close()
	w := newWalker(Reader{Opener: opener}, job.Input{URL: job.NewSecret(srv.URL + "/in.m3u8")}, t.TempDir())
	rec, err := w.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.track(t.Context(), rec.Tracks[0], 0, "all"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(w.dir, "all"))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range segments {
		want.WriteString(ts(i))
	}
	if string(got) != want.String() {
		t.Errorf("%d bytes, want %d, or they are in another order", len(got), want.Len())
	}
	if n := requests.Load(); n < segments+6 || n > segments+12 {
		t.Errorf("%d requests for %d segments of which 6 broke once", n, segments)
	}
	if files, err := os.ReadDir(w.dir); err != nil || len(files) != 1 {
		t.Errorf("left: %v, %v", files, err)
	}
}
