package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
)

// TestAudioFiles sends sound of other files into a stream, and into one of an input without
// any. hls.js and shaka-player find all tracks and switch them, and our own rules hold.
func TestAudioFiles(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	const seconds = 7
	sound := func(name, source string, args ...string) string {
		return testmedia.Clip(t, testmedia.Recipe{Name: name, Args: append([]string{"-f", "lavfi", "-i", source}, args...)})
	}
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"/de.m4a": sound("sound-de.m4a", "sine=f=880:d=9", "-ac", "2", "-c:a", "aac", "-f", "mp4"),
		"/ad.wav": sound("sound-ad.wav", "sine=f=330:d=2:r=44100", "-f", "wav"),
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	audio := []object{
		{"url": server.URL + "/de.m4a?token=secret-token", "language": "de", "role": "dub"},
		{"url": server.URL + "/ad.wav", "language": "en", "role": "description", "name": "Described"},
	}
	packages := object{"variants": []string{"mp4:0x90::quality=2"}, "hls": "/hls", "dash": object{"path": "/dash", "hlsfmp4": true}, "audio": audio}
	for name, input := range map[string]struct {
		url    string
		tracks int
	}{
		"beside the input's": {inputs(t).add(testmedia.Counter(t, "25", seconds, 320, 180)), 3},
		"of a silent input": {inputs(t).add(testmedia.Clip(t, testmedia.Recipe{Name: "silent-for-audio.mp4", Args: []string{
			"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=160x90:r=25:d=%d", seconds), "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4",
		}})), 2},
		"of sound alone": {inputs(t).add(testmedia.Clip(t, testmedia.Recipe{Name: "sound-alone.flac", Args: []string{"-f", "lavfi", "-i", fmt.Sprintf("sine=d=%d", seconds), "-f", "flac"}})), 3},
	} {
		j := srv.completed(t, 120*time.Second, jobOf(input.url, object{"httpstream": packages}))
		if strings.Contains(string(j.raw), "secret-token") {
			t.Errorf("%s: the job tells an address: %s", name, j.raw)
		}
		o := j.output(t, "httpstream")
		for _, kind := range []string{"hls", "hlsfmp4", "dash"} {
			follows(t, o.stream(t, kind))
		}
		var cases []object
		for _, c := range []struct{ player, kind string }{{"hls", "hls"}, {"hls", "hlsfmp4"}, {"shaka", "dash"}} {
			cases = append(cases, object{"name": name + " " + c.player + " " + c.kind, "player": c.player, "url": o.stream(t, c.kind)})
		}
		for _, p := range plays(t, cases) {
			if p.Audios != input.tracks || p.Duration < seconds-0.2 || p.Duration > seconds+0.2 {
				t.Errorf("%s: %d tracks of sound, want %d, in %.2f s", p.Name, p.Audios, input.tracks, p.Duration)
			}
		}
	}
}

// TestBadAudioFiles: sound that cannot be used fails the output that wants it, with a
// sentence, and no other.
func TestBadAudioFiles(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	silent := testmedia.Clip(t, testmedia.Recipe{Name: "no-sound.mp4", Args: []string{"-f", "lavfi", "-i", "testsrc2=s=64x36:r=5:d=1", "-c:v", "libx264", "-f", "mp4"}})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /silent", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, silent) })
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><html><body>sign in</body></html>")
	})
	mux.HandleFunc("GET /list.m3u8", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	want := map[string]string{"/gone": "404", "/page": "HTML", "/silent": "no sound", "/list.m3u8": "The file of sound"}
	outputs := object{"mp4:0x90": object{"path": "/good.mp4"}}
	var streams []object
	for path := range want {
		streams = append(streams, object{"key": path, "hls": "/hls" + path, "variants": []string{"mp4:0x36"}, "audio": server.URL + path + "?key=hidden"})
	}
	outputs["httpstream"] = streams
	j := srv.run(t, 90*time.Second, jobOf(short(t), outputs))
	if o := j.output(t, "mp4:0x90"); o.Status != "video.encoded" {
		t.Errorf("the output without other sound is %s: %s", o.Status, o.Error)
	}
	for path, words := range want {
		o := j.output(t, path)
		if o.Status != "httpstream.failed" {
			t.Errorf("%s: %s", path, o.Status)
		}
		plain(t, o.Error, words)
	}
	observed.Row(t, "errors.md audio_not_valid")
	if strings.Contains(string(j.raw), "hidden") || strings.Contains(string(j.raw), os.TempDir()) {
		t.Errorf("the job tells an address: %s", j.raw)
	}
}
