// Package players plays streams of Copra in hls.js, shaka-player and dash.js in headless
// Chromium and Firefox, plays streams and files in GStreamer, and has shaka-packager package the
// segments again.
package players

import (
	"bufio"
	"bytes"
	"encoding/hex"
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
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// seconds is the duration of the stream: two segments, of which players seek into the second,
// and a whole number of frames of AAC.
const seconds = 8

// encryption is the AES key of the encrypted stream, in hex. The server of the test serves
// it.
const encryption = "00112233445566778899aabbccddeeff"

func modules(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("COPRA_TEST_NODE_MODULES")
	if dir == "" {
		dir, _ = filepath.Abs("../../.cache/node/node_modules")
	}
	if _, err := os.Stat(filepath.Join(dir, "hls.js")); err != nil {
		testmedia.Missing(t, "the players are not installed, run scripts/setup.sh test: "+err.Error())
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
	testmedia.Missing(t, "chromium is not installed, run scripts/setup.sh test")
	return ""
}

// browser is a program that plays. Its kind is what play.mjs calls it.
type browser struct{ kind, path string }

// browsers are Chromium, and with COPRA_PLAYERS=1 Firefox.
func browsers(t testing.TB) []browser {
	list := []browser{{"chromium", chromium(t)}}
	if os.Getenv("COPRA_PLAYERS") != "" {
		list = append(list, firefox(t))
	}
	return list
}

func firefox(t testing.TB) browser {
	t.Helper()
	for _, name := range []string{"firefox-esr", "firefox"} {
		if path, err := exec.LookPath(name); err == nil {
			return browser{"firefox", path}
		}
	}
	testmedia.Missing(t, "Firefox is not installed, run scripts/setup.sh players")
	return browser{}
}

// play plays cases in a browser. Results come in the order in which they end.
func (b browser) play(t testing.TB, nodeModules, page string, cases []playing) []played {
	t.Helper()
	ask, err := json.Marshal(map[string]any{"page": page, "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "play.mjs", nodeModules, b.kind, b.path)
	cmd.Stdin = bytes.NewReader(ask)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node play.mjs: %v\n%s", err, stderr.String())
	}
	var list []played
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		p := played{browser: b.kind}
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		list = append(list, p)
	}
	if len(list) != len(cases) {
		t.Errorf("%d results of %d", len(list), len(cases))
	}
	return list
}

// pages serves what page.html needs besides streams.
func pages(nodeModules string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /node_modules/", http.StripPrefix("/node_modules/", http.FileServer(http.Dir(nodeModules))))
	mux.Handle("GET /page/", http.StripPrefix("/page/", http.FileServer(http.Dir("."))))
	return mux
}

// played is what page.html reports of one case. Times are in seconds.
type played struct {
	browser string

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
	Buffered  [][2]float64
	Buffers   []buffer
	Corrupted int
	Log       []string

	Thumbnails []thumbnail
	Colour     []float64 // red, green, blue in the middle, 0 to 255
}

// buffer is what a SourceBuffer holds, in seconds.
type buffer struct {
	Mime   string
	Ranges [][2]float64
}

// TestPlayers plays each layout in a player, and each player in several layouts. With
// COPRA_PLAYERS=1, which make players sets, it plays each layout in all players that
// support it.
func TestPlayers(t *testing.T) {
	testmedia.Long(t)
	nodeModules := modules(t)
	dir := streamtest.Film(t, seconds, "320x180", "25")
	// superfast has B-frames, whose reordering players have to undo.
	fast := transcode.Options{Presets: map[string]string{"libx264": "superfast"}}
	variants := streamtest.Formats(t, "mp4:160x90::quality=2,maxrate=300k", "mp4:320x180::quality=2,maxrate=900k", "mp4:x:64k")
	// With thumbnails, which players must not stumble over.
	clear := streamtest.Publish(t, dir, &job.StreamParams{
		Variants: variants, HLS: &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
		Thumbnails: &job.Thumbnails{Interval: 2, Width: 80, Columns: 2, Rows: 2},
	}, fast)

	mux := pages(nodeModules)
	mux.HandleFunc("GET /key", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")
	})
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

	// Common Encryption: HLS names an address for each key, and with DASH the page gives
	// players the keys.
	for key, text := range map[string]string{"video": videoKey, "audio": audioKey} {
		mux.HandleFunc("GET /keys/"+key, func(w http.ResponseWriter, _ *http.Request) {
			b, _ := hex.DecodeString(text)
			_, _ = w.Write(b)
		})
	}
	for _, scheme := range []string{"cbcs", "cenc"} {
		p := streamtest.Publish(t, dir, &job.StreamParams{Variants: variants, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}, Protection: protected(scheme, server.URL+"/keys/")}, fast)[0]
		mux.Handle("GET /"+scheme+"/", http.StripPrefix("/"+scheme+"/", http.FileServer(http.Dir(p.Root))))
	}
	cases := casesOf(server.URL, map[string]string{videoKeyID: videoKey, audioKeyID: audioKey})
	for _, b := range browsers(t) {
		t.Run(b.kind, func(t *testing.T) {
			for _, p := range b.play(t, nodeModules, server.URL+"/page/page.html", cases) {
				t.Run(p.Name, func(t *testing.T) { p.judge(t) })
			}
		})
	}
}

// playing is what page.html plays. Keys are those of DASH by their ids, in hex.
type playing struct {
	Name   string            `json:"name"`
	Player string            `json:"player"`
	URL    string            `json:"url"`
	Keys   map[string]string `json:"keys,omitempty"`
	Times  []float64         `json:"times,omitempty"`  // of thumbnails to ask for, instead of playing
	Codec  string            `json:"codec,omitempty"`  // that the player is to prefer: "av01"
	Colour bool              `json:"colour,omitempty"` // to tell the colour, instead of playing
}

// casesOf returns what is played from a server.
func casesOf(server string, keys map[string]string) (list []playing) {
	all := os.Getenv("COPRA_PLAYERS") != ""
	for _, c := range []struct {
		name, player, path string
		always             bool
	}{
		{"hls.js ts", "hls", "/ts/master.m3u8", true},
		{"hls.js cmaf", "hls", "/cmaf/master.m3u8", true},
		{"hls.js muxed", "hls", "/muxed/master.m3u8", false},
		{"hls.js aes", "hls", "/aes/master.m3u8", true},
		{"shaka ts", "shaka", "/ts/master.m3u8", false},
		{"shaka cmaf", "shaka", "/cmaf/master.m3u8", false},
		{"shaka muxed", "shaka", "/muxed/master.m3u8", true},
		{"shaka aes", "shaka", "/aes/master.m3u8", false},
		{"shaka dash", "shaka", "/cmaf/master.mpd", true},
		{"dash.js", "dash", "/cmaf/master.mpd", true},
		{"shaka dash cbcs", "shaka", "/cbcs/master.mpd", true},
		{"shaka dash cenc", "shaka", "/cenc/master.mpd", false},
		{"shaka hls cbcs cmaf", "shaka", "/cbcs/master.m3u8", false},
		{"shaka hls cenc cmaf", "shaka", "/cenc/master.m3u8", true},
		{"dash.js cbcs dash", "dash", "/cbcs/master.mpd", false},
		{"dash.js cenc dash", "dash", "/cenc/master.mpd", true},
	} {
		p := playing{Name: c.name, Player: c.player, URL: server + c.path}
		if strings.HasSuffix(c.path, ".mpd") && !strings.HasPrefix(c.path, "/cmaf/") {
			p.Keys = keys
		}
		if all || c.always {
			list = append(list, p)
		}
	}
	return list
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
	// In TS, players take the decode time of the first picture for the start. It is
	// earlier than the picture by the delay of reordering.
	first := 0.001
	if !strings.HasSuffix(p.Name, "cmaf") && !strings.Contains(p.Name, "dash") {
		first = 0.085
	}
	if len(p.Buffered) != 1 || p.Buffered[0][0] > first {
		t.Errorf("there are holes in what was buffered: %v", p.Buffered)
	}
	if err := p.inStep(); err != nil {
		t.Error(err)
	}
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
	frame      = 1024. / 48000 // of AAC
	priming    = frame         // of the audio encoder; in TS it is played
	reordering = 0.08          // from the first decode time to the first picture: two frames
)

// inStep checks where a player has put audio and video, which begin and end together in
// the stream, but for the priming. hls.js keeps that, and so do all players with fragmented
// MP4. With TS, shaka-player lets the audio begin at the decode time of the first picture,
// whichever program made the TS, so the audio is early by the delay of reordering less the
// priming.
//
// When hls.js loads the first segment of TS again, it may fill the time before the first
// sound with silence, in whole frames (remuxAudio in its mp4-remuxer, "Injecting"). That
// depends on what it knows of the level by then. The sound stays in its place, which its
// end shows.
func (p *played) inStep() error {
	off, err := p.offset(reordering)
	if err != nil {
		return err
	}
	video, audio, _ := p.places()
	if math.Abs(off) > 0.005 {
		return fmt.Errorf("video begins at %.4f s and audio at %.4f s, which is off by %.4f s", video[0], audio[0], off)
	}
	if off := video[1] - audio[1]; !strings.HasPrefix(p.Name, "shaka") && math.Abs(off) > 0.005 {
		return fmt.Errorf("video ends at %.4f s and audio at %.4f s, which is off by %.4f s", video[1], audio[1], off)
	}
	return nil
}

// places are where a player has put video and audio, in seconds.
func (p *played) places() (video, audio [2]float64, err error) {
	seen := 0
	for _, b := range p.Buffers {
		if len(b.Ranges) == 0 {
			continue
		}
		seen++
		whole := [2]float64{b.Ranges[0][0], b.Ranges[len(b.Ranges)-1][1]}
		if strings.HasPrefix(b.Mime, "video") {
			video = whole
		} else {
			audio = whole
		}
	}
	if seen != 2 {
		err = fmt.Errorf("there are buffers %+v, want one for audio and one for video", p.Buffers)
	}
	return video, audio, err
}

// offset is by how much a player begins the sound earlier against the picture than the
// stream, in seconds. reordering is the delay of reordering.
func (p *played) offset(reordering float64) (float64, error) {
	video, audio, err := p.places()
	want := 0.0 // the edit list takes the priming off
	ts := !strings.HasSuffix(p.Name, "cmaf") && !strings.Contains(p.Name, "dash")
	shaka := strings.HasPrefix(p.Name, "shaka")
	switch {
	case ts && shaka:
		want = reordering
	case ts:
		want = priming
	}
	off := video[0] - audio[0] - want
	if ts && !shaka && off > 0 {
		off -= math.Round(off/frame) * frame
	}
	return off, err
}

// TestInStep: inStep accepts what players were seen to do, and refuses what they must not
// do.
func TestInStep(t *testing.T) {
	for _, c := range []struct {
		name                   string
		video0, video1, a0, a1 float64
		ok                     bool
	}{
		{"hls.js muxed", 0.08, 16.08, 0.058666, 16.079999, true},
		{"hls.js muxed", 0.08, 16.08, 0.016, 16.079999, true},     // two frames of silence before
		{"hls.js muxed", 0.08, 16.08, 0.016, 16.037333, false},    // two frames early
		{"hls.js muxed", 0.08, 16.08, 0.101333, 16.122666, false}, // two frames late
		{"hls.js ts", 0.08, 16.08, 0.07, 16.09, false},
		{"hls.js cmaf", 0, 16, 0, 15.999999, true},
		{"hls.js cmaf", 0.021333, 16, 0, 15.999999, false},
		{"hls.js cmaf", 0, 16, 0, 15.978667, false},
		{"shaka ts", 0.081, 16.081, 0.001, 16.001, true},
		{"shaka ts", 0.081, 16.081, 0.058666, 16.079999, false},
		{"dash.js", 0, 16, 0, 15.999999, true},
	} {
		p := played{Name: c.name}
		p.Buffers = append(p.Buffers, buffer{"audio/mp4", [][2]float64{{c.a0, c.a1}}}, buffer{"video/mp4", [][2]float64{{c.video0, c.video1}}})
		if err := p.inStep(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
