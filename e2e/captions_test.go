package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
)

// playedCase is what a player in a browser reports.
type playedCase struct {
	Name, Failed  string
	Errors        []string
	Duration, End float64
	Texts, Audios int
	Cue           struct {
		Start float64
		Text  string
	}
}

// plays plays each case in Chromium; the pages and players are served to it.
func plays(t testing.TB, cases []object) []playedCase {
	t.Helper()
	modules, chromium := browser(t)
	mux := http.NewServeMux()
	mux.Handle("GET /node_modules/", http.StripPrefix("/node_modules/", http.FileServer(http.Dir(modules))))
	mux.Handle("GET /page/", http.StripPrefix("/page/", http.FileServer(http.Dir("players"))))
	pages := httptest.NewServer(mux)
	defer pages.Close()
	ask, err := json.Marshal(object{"page": pages.URL + "/page/page.html", "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "players/play.mjs", modules, "chromium", chromium)
	cmd.Stdin = bytes.NewReader(ask)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node play.mjs: %v\n%s", err, out)
	}
	var list []playedCase
	for line := range strings.Lines(string(out)) {
		var p playedCase
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		if p.Failed != "" || len(p.Errors) > 0 {
			t.Errorf("%s", line)
		}
		list = append(list, p)
	}
	if len(list) != len(cases) {
		t.Errorf("%d of %d played:\n%s", len(list), len(cases), out)
	}
	return list
}

// TestCaptions sends captions in three formats and an old charset into a stream and
// into files. hls.js shows them at their times in HLS and shaka-player in DASH, and our
// own rules hold.
func TestCaptions(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	const seconds = 7
	var srt strings.Builder
	for n := range seconds {
		fmt.Fprintf(&srt, "%d\r\n00:00:%02d,000 --> 00:00:%02d,900\r\nТекст %d\r\n\r\n", n+1, n, n, n)
	}
	old, err := charmap.Windows1251.NewEncoder().String(srt.String())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, text := range map[string]string{
		"/ru.srt":  old,
		"/en.ass":  "[Script Info]\n[V4+ Styles]\nFormat: Name, Alignment\nStyle: D,8\n[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,0:00:01.00,0:00:02.00,D,{\\i1}[music]\n",
		"/de.ttml": `<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="3s" dur="1s">Schild</p></div></body></tt>`,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	captions := []object{
		{"url": server.URL + "/ru.srt?token=secret-token", "language": "ru", "default": true},
		{"url": server.URL + "/en.ass", "language": "en", "sdh": true},
		{"url": server.URL + "/de.ttml", "language": "de", "forced": true, "name": "Schilder"},
	}
	j := srv.completed(t, 120*time.Second, jobOf(inputs(t).add(testmedia.Counter(t, "25", seconds, 320, 180)), object{
		"httpstream": object{"variants": []string{"mp4:0x90::quality=2"}, "hls": "/hls", "dash": object{"path": "/dash", "hlsfmp4": true}, "captions": captions},
		"mp4:0x90":   object{"path": "/a.mp4", "offset": 2, "captions": captions},
	}))
	if strings.Contains(string(j.raw), "secret-token") {
		t.Errorf("the job tells an address: %s", j.raw)
	}
	f := probe(t, j.output(t, "mp4:0x90").URL)
	if f.count("subtitle") != 3 {
		t.Errorf("the file has %+v", f.Streams)
	}
	f.lasts(t, "the file", seconds-2, 0.1)
	o := j.output(t, "httpstream")
	var cases []object
	for _, c := range []struct{ player, kind string }{{"hls", "hls"}, {"hls", "hlsfmp4"}, {"shaka", "dash"}} {
		cases = append(cases, object{"name": c.player + " " + c.kind, "player": c.player, "url": o.stream(t, c.kind)})
	}
	for _, kind := range []string{"hls", "hlsfmp4", "dash"} {
		follows(t, o.stream(t, kind))
	}
	for _, p := range plays(t, cases) {
		// TS begins with the decode time of the first picture, see e2e/players.
		var n int
		if _, err := fmt.Sscanf(p.Cue.Text, "Текст %d", &n); err != nil || math.Abs(p.Cue.Start-float64(n)) > 0.085 || p.Texts != 3 {
			t.Errorf("%s: %d tracks of text; %q begins at %.3f s", p.Name, p.Texts, p.Cue.Text, p.Cue.Start)
		}
	}
}

// TestBadCaptions: captions that cannot be used fail the output that wants them, with a
// sentence, and no other.
func TestBadCaptions(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	mux := http.NewServeMux()
	answer := func(path string, handle http.HandlerFunc) { mux.HandleFunc("GET "+path, handle) }
	answer("/page", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><html><body>sign in</body></html>")
	})
	answer("/empty", func(http.ResponseWriter, *http.Request) {})
	answer("/none", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "WEBVTT\n\nNOTE nothing\n") })
	answer("/charset", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "1\n00:00:00,000 --> 00:00:01,000\n\x81\x8d\x8f\x90\x9d\xfe\x81\xff\n")
	})
	answer("/large", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(17<<20))
		_, _ = w.Write(make([]byte, 17<<20))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	outputs := object{"mp4:0x90": object{"path": "/good.mp4"}}
	want := map[string]string{
		"/gone": "404", "/page": "web page (HTML)", "/empty": "empty file", "/none": "hold no cue", "/charset": "charset of the captions could not be found out", "/large": "larger",
	}
	var files []object
	for path := range want {
		files = append(files, object{"key": path, "path": path + ".mkv", "captions": server.URL + path + "?key=hidden"})
	}
	outputs["mkv:0x90"] = files
	j := srv.run(t, 90*time.Second, jobOf(short(t), outputs))
	if o := j.output(t, "mp4:0x90"); o.Status != "video.encoded" {
		t.Errorf("the output without captions is %s: %s", o.Status, o.Error)
	}
	for path, words := range want {
		o := j.output(t, path)
		if o.Status != "video.failed" {
			t.Errorf("%s: %s", path, o.Status)
		}
		plain(t, o.Error, words)
	}
	observed.Row(t, "errors.md captions_not_valid")
	if strings.Contains(string(j.raw), "hidden") {
		t.Errorf("the job tells an address: %s", j.raw)
	}
}
