// Package players plays streams of ours in hls.js, shaka-player and dash.js in
// headless Chromium, and has shaka-packager read their segments again.
package players

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

const seconds = 16

// encryption is the key of the encrypted stream, which the test's server hands
// out.
const encryption = "00112233445566778899aabbccddeeff"

func modules(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("COPRA_TEST_NODE_MODULES")
	if dir == "" {
		dir, _ = filepath.Abs("../../.cache/node/node_modules")
	}
	if _, err := os.Stat(filepath.Join(dir, "hls.js")); err != nil {
		t.Fatalf("the players are not installed, run scripts/setup.sh test: %v", err)
	}
	return dir
}

func chromium(t testing.TB) string {
	t.Helper()
	own, _ := filepath.Abs("../../.cache/tools/bin/chromium") // where setup.sh puts one that is no package's
	for _, name := range []string{own, "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("chromium is not installed, run scripts/setup.sh test")
	return ""
}

// played is what the page tells of one case.
type played struct {
	Name     string
	Failed   string
	Errors   []string
	Duration float64
	Start    float64
	End      float64
	Levels   int
	Audios   int
	Texts    int
	Switched bool
	Heights  []int
	Seeked   float64
	Cue      struct {
		Start float64
		Text  string
	}
	Buffered [][2]float64
	Buffers  []struct {
		Mime   string
		Ranges [][2]float64
	}
	Corrupted int
	Log       []string
}

// TestPlayers plays each layout in the players that can.
func TestPlayers(t *testing.T) {
	nodeModules, browser := modules(t), chromium(t)
	dir := streamtest.Film(t, seconds, "320x180", "25")
	// superfast has B-frames, whose reordering players have to undo.
	fast := transcode.Options{Presets: map[string]string{"libx264": "superfast"}}
	variants := streamtest.Formats(t, "mp4:160x90::quality=2,maxrate=300k", "mp4:320x180::quality=2,maxrate=900k", "mp4:x:64k")
	clear := streamtest.Publish(t, dir, &job.StreamParams{Variants: variants, HLS: &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}}, fast)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /key", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")
	})
	mux.Handle("GET /node_modules/", http.StripPrefix("/node_modules/", http.FileServer(http.Dir(nodeModules))))
	mux.Handle("GET /page/", http.StripPrefix("/page/", http.FileServer(http.Dir("."))))
	server := httptest.NewServer(mux)
	defer server.Close()
	plain := streamtest.Plain(t, dir)
	muxed := streamtest.Publish(t, plain, &job.StreamParams{Variants: variants, HLS: &job.HLSParams{Path: "/hls"}}, fast)
	locked := streamtest.Publish(t, plain, &job.StreamParams{Variants: variants, HLS: &job.HLSParams{
		Path: "/hls", EncryptionKey: job.NewSecret(encryption), EncryptionKeyURI: server.URL + "/key",
	}}, fast)
	for name, p := range map[string]streamtest.Published{"ts": clear[0], "cmaf": clear[1], "aes": locked[0], "muxed": muxed[0]} {
		mux.Handle("GET /"+name+"/", http.StripPrefix("/"+name+"/", http.FileServer(http.Dir(p.Root))))
	}

	type playing struct {
		Name   string `json:"name"`
		Player string `json:"player"`
		URL    string `json:"url"`
	}
	var cases []playing
	for _, c := range [][3]string{
		{"hls.js ts", "hls", "/ts/master.m3u8"}, {"hls.js cmaf", "hls", "/cmaf/master.m3u8"}, {"hls.js muxed", "hls", "/muxed/master.m3u8"}, {"hls.js aes", "hls", "/aes/master.m3u8"},
		{"shaka ts", "shaka", "/ts/master.m3u8"}, {"shaka cmaf", "shaka", "/cmaf/master.m3u8"}, {"shaka dash", "shaka", "/cmaf/master.mpd"}, {"shaka muxed", "shaka", "/muxed/master.m3u8"}, {"shaka aes", "shaka", "/aes/master.m3u8"},
		{"dash.js", "dash", "/cmaf/master.mpd"},
	} {
		cases = append(cases, playing{c[0], c[1], server.URL + c[2]})
	}
	ask, err := json.Marshal(map[string]any{"page": server.URL + "/page/page.html", "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "play.mjs", nodeModules, browser)
	cmd.Stdin = bytes.NewReader(ask)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node play.mjs: %v\n%s", err, stderr.String())
	}
	seen := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); seen++ {
		var p played
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		t.Run(p.Name, func(t *testing.T) { p.judge(t) })
	}
	if seen != len(cases) {
		t.Errorf("%d results of %d", seen, len(cases))
	}
}

func (p *played) judge(t *testing.T) {
	if p.Failed != "" || len(p.Errors) > 0 {
		t.Fatalf("failed: %s %v\n%s", p.Failed, p.Errors, strings.Join(p.Log, "\n"))
	}
	t.Logf("%+v", *p)
	if math.Abs(p.Duration-seconds) > 0.1 || math.Abs(p.End-seconds) > 0.1 {
		t.Errorf("it lasts %.3f s and ended at %.3f s, want %d s", p.Duration, p.End, seconds)
	}
	if p.Levels < 2 || !p.Switched {
		t.Errorf("%d levels, switched: %v", p.Levels, p.Switched)
	}
	// In TS players take the decode time of the first picture, which precedes
	// the picture by the delay of reordering, for the start.
	first := 0.001
	if !strings.HasSuffix(p.Name, "cmaf") && !strings.Contains(p.Name, "dash") {
		first = 0.085
	}
	if len(p.Buffered) != 1 || p.Buffered[0][0] > first {
		t.Errorf("there are holes in what was buffered: %v", p.Buffered)
	}
	p.inStep(t)
	if strings.Contains(p.Name, "muxed") || strings.Contains(p.Name, "aes") {
		return
	}
	if p.Audios != 2 || p.Texts != 2 {
		t.Errorf("there are %d audio tracks and %d subtitles to choose from, want 2 of each", p.Audios, p.Texts)
	}
	// The subtitle "en 5" begins at 5 s.
	var n int
	if _, err := fmt.Sscanf(p.Cue.Text, "en %d", &n); err != nil || math.Abs(p.Cue.Start-float64(n)) > first {
		t.Errorf("the subtitle %q begins at %.3f s", p.Cue.Text, p.Cue.Start)
	}
	if p.Corrupted > 0 {
		t.Errorf("%d corrupted frames", p.Corrupted)
	}
}

const (
	priming    = 1024. / 48000 // of the audio encoder; in TS it is played
	reordering = 0.08          // from the first decode time to the first picture: two frames
)

// inStep looks where a player has put audio and video. In the stream they begin
// together, less the priming. hls.js keeps that, and everybody with fragmented
// MP4. shaka-player lets audio in TS begin at the decode time of the first
// picture, whoever made the TS; so its audio is early by the delay of
// reordering less the priming.
func (p *played) inStep(t *testing.T) {
	var video, audio float64
	seen := 0
	for _, b := range p.Buffers {
		if len(b.Ranges) == 0 {
			continue
		}
		seen++
		if strings.HasPrefix(b.Mime, "video") {
			video = b.Ranges[0][0]
		} else {
			audio = b.Ranges[0][0]
		}
	}
	if seen != 2 {
		t.Fatalf("there are buffers %+v, want one for audio and one for video", p.Buffers)
	}
	want := 0.0 // the edit list takes the priming off
	ts := !strings.HasSuffix(p.Name, "cmaf") && !strings.Contains(p.Name, "dash")
	switch {
	case ts && strings.HasPrefix(p.Name, "shaka"):
		want = reordering
	case ts:
		want = priming
	}
	if off := video - audio - want; math.Abs(off) > 0.005 {
		t.Errorf("video begins at %.4f s and audio at %.4f s, which is off by %.4f s", video, audio, off)
	}
}
