package check

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

var quick = transcode.Options{Presets: map[string]string{"libx264": "superfast", "libx265": "ultrafast"}}

// serve serves folders over HTTP, with the content types of our uploads.
func serve(t *testing.T, roots map[string]string, more func(mux *http.ServeMux)) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for name, root := range roots {
		mux.Handle("GET /"+name+"/", http.StripPrefix("/"+name+"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if types := expected[filepath.Ext(r.URL.Path)]; len(types) > 0 {
				w.Header().Set("Content-Type", types[0])
			}
			http.FileServer(http.Dir(root)).ServeHTTP(w, r)
		})))
	}
	if more != nil {
		more(mux)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// broken are the numbers of the rules that failed.
func broken(reports []Report) []string {
	var out []string
	for _, r := range reports {
		for _, res := range r.Results {
			if res.Status == Fail {
				out = append(out, res.Rule)
			}
		}
	}
	return out
}

func printed(reports []Report) string {
	var w bytes.Buffer
	for _, r := range reports {
		r.Print(&w)
	}
	return w.String()
}

// TestOurs checks that Copra's streams satisfy every rule that applies.
func TestOurs(t *testing.T) {
	t.Parallel()
	dir := streamtest.Film(t, 13, "320x180", "30000/1001")
	plain := streamtest.Plain(t, dir)
	variants := streamtest.Formats(t, "mp4:160x90::quality=2,maxrate=300k", "mp4:320x180::quality=2,maxrate=900k", "mp4:x:64k")
	hevc := streamtest.Formats(t, "mp4:160x90_hevc::quality=2")
	hls := &job.HLSParams{Path: "/hls"}
	thumbs := &job.Thumbnails{Interval: 3, Width: 80, Columns: 2, Rows: 2}
	roots := map[string]string{}
	for name, p := range map[string]struct {
		dir    string
		params job.StreamParams
	}{
		"several": {dir, job.StreamParams{Variants: variants, HLS: hls, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}, Thumbnails: thumbs}},
		"plain":   {plain, job.StreamParams{Variants: variants, HLS: hls}},
		"cbcs":    {dir, job.StreamParams{Variants: variants, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}, Protection: protected("cbcs")}},
		"hevc":    {plain, job.StreamParams{Variants: hevc, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}}},
	} {
		for _, pub := range streamtest.Publish(t, p.dir, &p.params, quick) {
			roots[name+"-"+string(pub.Package.Layout)] = pub.Root
		}
	}
	server := serve(t, roots, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /key", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789abcdef") })
	})
	locked := streamtest.Publish(t, plain, &job.StreamParams{Variants: variants, HLS: &job.HLSParams{
		Path: "/hls", EncryptionKey: job.NewSecret("30313233343536373839616263646566"), EncryptionKeyURI: server.URL + "/key", EncryptionIV: "0102030405060708090a0b0c0d0e0f10",
	}}, quick)
	for name, address := range map[string]string{
		"ts": "/several-ts/master.m3u8", "cmaf": "/several-cmaf/master.m3u8", "dash": "/several-cmaf/master.mpd",
		"cbcs": "/cbcs-cmaf/master.m3u8", "cbcs dash": "/cbcs-cmaf/master.mpd",
		"muxed": "/plain-ts/master.m3u8", "hevc": "/hevc-cmaf/master.m3u8", "hevc dash": "/hevc-cmaf/master.mpd",
	} {
		t.Run(name, func(t *testing.T) { allHold(t, server.URL+address) })
	}
	t.Run("folder", func(t *testing.T) { allHold(t, roots["several-cmaf"]) })
	t.Run("encrypted", func(t *testing.T) {
		for _, res := range allHold(t, locked[0].Root)[0].Results {
			if res.Rule == "AES" && res.Status != Pass {
				t.Errorf("AES is %s", res.Status)
			}
		}
	})
}

// protected is Common Encryption with a key for pictures and one for sound, and with a
// pssh box of Widevine.
func protected(scheme string) *job.Protection {
	pssh := "\x00\x00\x00\x24pssh\x00\x00\x00\x00\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed\x00\x00\x00\x04data"
	return &job.Protection{Scheme: scheme, PSSH: [][]byte{[]byte(pssh)}, Keys: []job.ContentKey{
		{Track: job.KeyVideo, KeyID: "00112233445566778899aabbccddeeff", Key: job.NewSecret("0f1e2d3c4b5a69788796a5b4c3d2e1f0"), URI: "skd://video"},
		{Track: job.KeyAudio, KeyID: "a0112233445566778899aabbccddeeff", Key: job.NewSecret("af1e2d3c4b5a69788796a5b4c3d2e1f0"), URI: "skd://audio"},
	}}
}

// TestBrokenRules: a manifest with another key id, a playlist with the method of
// another scheme, and thumbnails of another layout, do not pass.
func TestBrokenRules(t *testing.T) {
	t.Parallel()
	dir := streamtest.Plain(t, streamtest.Film(t, 3, "160x90", "25"))
	root := streamtest.Publish(t, dir, &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:160x90::quality=2"), DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}, Protection: protected("cenc"),
		Thumbnails: &job.Thumbnails{Interval: 1, Width: 80, Columns: 2, Rows: 1},
	}, quick)[0].Root
	for _, c := range []struct{ file, old, new, rule string }{
		{"master.mpd", "00112233-4455", "00112233-4456", "D.15"},
		{"stream-90p.m3u8", "SAMPLE-AES-CTR", "SAMPLE-AES", "CENC"},
		{"stream-90p.m3u8", "KEYID=0x0011", "KEYID=0x0012", "CENC"},
		{"stream-thumbnails.m3u8", "LAYOUT=2x1", "LAYOUT=1x2", "A.4"},
		{"stream-thumbnails.m3u8", "thumbnails-00002.jpg", "thumbnails-00003.jpg", "A.4"},
		{"stream-thumbnails.m3u8", "#EXTINF:2.000000", "#EXTINF:5.000000", "A.4"},
		{"master.mpd", `value="2x1"`, `value="1x2"`, "D.16"},
		{"master.mpd", `endNumber="2"`, `endNumber="1"`, "D.16"},
	} {
		name := filepath.Join(root, c.file)
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bad := strings.ReplaceAll(string(good), c.old, c.new)
		if err := os.WriteFile(name, []byte(bad), 0o600); err != nil || bad == string(good) {
			t.Fatalf("%s holds no %s: %v\n%s", c.file, c.old, err, good)
		}
		reports, err := Stream(t.Context(), root, Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range reports {
			for _, res := range r.Results {
				found = found || res.Rule == c.rule && res.Status != Pass && len(res.Findings) > 0
			}
		}
		if !found {
			t.Errorf("%s for %s in %s passes %s\n%s", c.new, c.old, c.file, c.rule, printed(reports))
		}
		if err := os.WriteFile(name, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func allHold(t *testing.T, address string) []Report {
	t.Helper()
	reports, err := Stream(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if !r.OK() || r.Passed < 10 {
			t.Error(printed(reports))
		}
	}
	return reports
}

// TestPlainFFmpeg checks streams made with ffmpeg alone, as many people make
// them.
func TestPlainFFmpeg(t *testing.T) {
	t.Parallel()
	source := filepath.Join(streamtest.Film(t, 13, "320x180", "30000/1001"), transcode.SourceName)
	for name, test := range map[string]struct {
		args []string
		want []string // among the rules that are broken, by every version of ffmpeg
	}{
		"ts":   {[]string{"-hls_segment_filename", "%v-%03d.ts"}, []string{"1.13", "6.1", "7.5", "9.11", "9.15"}},
		"fmp4": {[]string{"-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init-%v.mp4", "-hls_segment_filename", "%v-%03d.m4s"}, []string{"6.1", "9.5", "9.11"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := []string{
				"-i", source, "-map", "0:v:0", "-map", "0:a:0", "-map", "0:v:0", "-map", "0:a:0", "-c:v", "libx264", "-preset", "superfast",
				"-s:v:0", "320x180", "-b:v:0", "900k", "-s:v:1", "160x90", "-b:v:1", "300k", "-c:a", "aac", "-b:a", "128k",
				"-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8", "-var_stream_map", "v:0,a:0 v:1,a:1",
			}
			streamtest.Run(t, dir, append(append(args, test.args...), "%v.m3u8")...)
			reports, err := Stream(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := broken(reports)
			for _, rule := range test.want {
				if !slices.Contains(got, rule) {
					t.Errorf("rule %s is not broken", rule)
				}
			}
			if reports[0].Passed < 10 {
				t.Error("next to nothing could be checked")
			}
			t.Log(printed(reports))
		})
	}
}

// TestDamage damages a good stream in one way each, and checks that the right
// rule fails.
func TestDamage(t *testing.T) {
	t.Parallel()
	film := streamtest.Film(t, 13, "160x90", "25")
	variants := streamtest.Formats(t, "mp4:80x46::quality=2", "mp4:160x90::quality=2", "mp4:x:64k")
	pubs := streamtest.Publish(t, film, &job.StreamParams{Variants: variants, HLS: &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}}, quick)
	for _, test := range []struct {
		name     string
		pkg      int
		file     string
		old, new string // in the file; or a file whose content it gets
		rule     string
	}{
		{"not ended", 0, "90p/stream.m3u8", "#EXT-X-ENDLIST", "", "8.6"},
		{"target of one", 0, "46p/stream.m3u8", "TARGETDURATION:6", "TARGETDURATION:7", "8.2"},
		{"EXTINF too long", 0, "90p/stream.m3u8", "#EXTINF:6.000000", "#EXTINF:6.700000", "7.7"},
		{"EXTINF wrong", 0, "90p/stream.m3u8", "#EXTINF:6.000000", "#EXTINF:5.700000", "8.1"},
		{"other edges", 0, "90p/stream.m3u8", "#EXTINF:6.000000", "#EXTINF:5.700000", "8.7"},
		{"BANDWIDTH too low", 0, "master.m3u8", "#EXT-X-STREAM-INF:BANDWIDTH=", "#EXT-X-STREAM-INF:BANDWIDTH=1", "1.27"},
		{"CODECS", 0, "master.m3u8", "avc1.64", "avc1.4d", "9.1"},
		{"RESOLUTION", 0, "master.m3u8", "RESOLUTION=82x", "RESOLUTION=90x", "9.2"},
		{"one without sound", 1, "master.m3u8", `RESOLUTION=160x90,FRAME-RATE=25.000,AUDIO="audio"`, `RESOLUTION=160x90,FRAME-RATE=25.000`, "A.2"},
		{"FRAME-RATE", 0, "master.m3u8", "FRAME-RATE=25.000", "FRAME-RATE=24.000", "9.15"},
		{"no LANGUAGE", 0, "master.m3u8", `,LANGUAGE="de"`, "", "4.4"},
		{"not independent", 0, "master.m3u8", "#EXT-X-INDEPENDENT-SEGMENTS\n", "", "9.11"},
		{"no average", 0, "master.m3u8", "AVERAGE-BANDWIDTH", "X-AVERAGE", "9.14"},
		{"no I-frames", 0, "master.m3u8", "#EXT-X-I-FRAME-STREAM-INF", "#X", "6.1"},
		{"I-frames off", 0, "90p/iframes.m3u8", "@564", "@752", "6.10"},
		{"I-frames plain", 0, "90p/iframes.m3u8", "#EXT-X-I-FRAMES-ONLY\n", "", "6.8"},
		{"no timestamp map", 0, "subtitles-eng/text-00001.vtt", "X-TIMESTAMP-MAP=", "NOTE ", "5.3"},
		{"segments swapped", 0, "90p/segment-00002.ts", "", "90p/segment-00003.ts", "7.1"},
		{"segment of another time", 0, "90p/segment-00002.ts", "", "90p/segment-00003.ts", "7.2"},
		{"fragments swapped", 1, "90p-00002.m4s", "", "90p-00003.m4s", "7.3"},
		{"cut off", 1, "90p-00002.m4s", "moof", "free", "7.2"},
		{"manifest of another time", 1, "90p-00002.m4s", "", "90p-00003.m4s", "D.8"},
		{"no MAP", 1, "stream-90p.m3u8", "#EXT-X-MAP", "#X", "8.20"},
		{"live", 1, "master.mpd", `type="static"`, `type="dynamic"`, "D.1"},
		{"no lang", 1, "master.mpd", ` lang="de"`, "", "D.6"},
		{"two codecs in a set", 1, "master.mpd", `codecs="avc1.`, `codecs="hvc1.`, "D.2"},
		{"a segment is missing", 0, "90p/stream.m3u8", "segment-00002", "segment-00009", "7.2"},
		{"not aligned", 1, "master.mpd", ` segmentAlignment="true"`, "", "D.3"},
		{"ids", 1, "master.mpd", `id="46p"`, `id="90p"`, "D.4"},
		{"no sar", 1, "master.mpd", ` sar=`, ` x=`, "D.5"},
		{"gap", 1, "master.mpd", ` r="1"`, ``, "D.7"},
		{"bandwidth", 1, "master.mpd", `bandwidth="1`, `bandwidth="`, "D.9"},
		{"codecs", 1, "master.mpd", `codecs="mp4a.40.2"`, `codecs="mp4a.40.5"`, "D.10"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "stream")
			if err := os.CopyFS(root, os.DirFS(pubs[test.pkg].Root)); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(root, test.file)
			data, err := os.ReadFile(name)
			if err == nil && test.old == "" {
				data, err = os.ReadFile(filepath.Join(root, test.new))
			}
			if err != nil {
				t.Fatal(err)
			}
			if test.old != "" {
				if !bytes.Contains(data, []byte(test.old)) {
					t.Fatalf("%s has no %q:\n%.3000s", test.file, test.old, data)
				}
				n := -1
				if test.rule == "D.2" {
					n = 1
				}
				data = bytes.Replace(data, []byte(test.old), []byte(test.new), n)
			}
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			reports, err := Stream(t.Context(), root, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := broken(reports); !slices.Contains(got, test.rule) {
				t.Errorf("the broken rules are %v, want %s", got, test.rule)
			}
		})
	}
}

// TestNothing checks that an error says why something cannot be checked.
func TestNothing(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "a.html")
	if err := os.WriteFile(page, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := serve(t, map[string]string{"x": dir}, nil)
	for address, want := range map[string]string{
		dir: "no multivariant playlist", filepath.Join(dir, "none"): "no such file", page: "neither an HLS playlist",
		server.URL + "/x/none.m3u8": "404", server.URL + "/x/a.html": "neither an HLS playlist",
	} {
		if _, err := Stream(t.Context(), address, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", address, err, want)
		}
	}
}

// FuzzSegment checks that no file makes the readers panic.
func FuzzSegment(f *testing.F) {
	f.Add(bytes.Repeat([]byte("G\x40\x00\x10"), 47))
	f.Add([]byte("\x00\x00\x00\x10moof\x00\x00\x00\x08mfhd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = new(segment).readTS(t.Context(), data)
		in, err := readInit(data)
		if err != nil {
			in = &initSegment{}
		}
		_ = new(segment).readFragments(in, data)
		firstSync(in, data)
	})
}
