package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// follows checks a stream with the program's own checker, over HTTP, so that the
// content types of the uploads are checked too.
func follows(t *testing.T, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "check", address).CombinedOutput()
	if err != nil {
		t.Errorf("copra check %s: %v\n%s", address, err, out)
	}
	if !bytes.Contains(out, []byte("ok   10.4")) && !bytes.Contains(out, []byte("ok   D.13")) {
		t.Errorf("the types of %s were not checked:\n%s", address, out)
	}
	return string(out)
}

// TestStreamOfManyTracks carries audio and subtitles in two languages, and thumbnails.
func TestStreamOfManyTracks(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	variants := []string{"mp4:0x90::quality=3", "mp4:0x180::quality=3"}
	packages := object{"variants": variants, "hls": object{"path": "/hls"}, "dash": object{"path": "/dash", "hlsfmp4": true}, "thumbnails": object{"interval": 1, "width": 80}}
	for name, test := range map[string]struct {
		clip testmedia.Recipe
		want []string // in the multivariant playlist
	}{
		"audio":     {testmedia.MultiAudio, []string{`TYPE=AUDIO`, `NAME="English",LANGUAGE="en",DEFAULT=YES`, `NAME="Français",LANGUAGE="fr",DEFAULT=NO`}},
		"subtitles": {testmedia.Subtitled, []string{`TYPE=SUBTITLES`, `NAME="English",LANGUAGE="en"`, `NAME="Français",LANGUAGE="fr"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := srv.completed(t, 60*time.Second, jobOf(inputs(t).add(testmedia.Clip(t, test.clip)), object{"httpstream": packages}))
			o := j.output(t, "httpstream")
			for _, kind := range []string{"hls", "hlsfmp4", "dash"} {
				u := o.stream(t, kind)
				if out := follows(t, u); !strings.Contains(out, "ok   A.4") && !strings.Contains(out, "ok   D.16") {
					t.Errorf("%s has no thumbnails:\n%s", kind, out)
				}
				if kind == "dash" {
					continue
				}
				master := string(fetch(t, u))
				for _, want := range test.want {
					if !strings.Contains(master, want) {
						t.Errorf("%s lacks %s:\n%s", kind, want, master)
					}
				}
			}
		})
	}
}

// sixChannels has a sound with six channels, as long as the picture to the packet.
var sixChannels = testmedia.Recipe{Name: "six.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=7.04", "-f", "lavfi", "-i", "sine=r=48000:d=7.04,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0",
	"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-metadata:s:a:0", "language=eng",
}}

// TestSurroundStream: a second group of audio has all channels as AC-3, by the rules. A
// browser that cannot decode AC-3 plays the first one.
func TestSurroundStream(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	j := srv.completed(t, 60*time.Second, jobOf(inputs(t).add(testmedia.Clip(t, sixChannels)), object{"httpstream": object{
		"variants": []string{"mp4:0x90::quality=3", "mp4:0x180::quality=3"}, "surround": []string{"ac3", "eac3"},
		"hls": object{"path": "/hls"}, "dash": object{"path": "/dash"},
	}}))
	o := j.output(t, "httpstream")
	for _, kind := range []string{"hlsfmp4", "dash"} {
		follows(t, o.stream(t, kind))
	}
	if master := string(fetch(t, o.stream(t, "hlsfmp4"))); strings.Count(master, `AUDIO="surround"`) != 2 || strings.Count(master, `AUDIO="surround-eac3"`) != 2 || !strings.Contains(master, `CHANNELS="6"`) {
		t.Errorf("the playlist is %s", master)
	}
	var cases []object
	for _, c := range []struct{ player, kind string }{{"hls", "hlsfmp4"}, {"shaka", "hlsfmp4"}, {"shaka", "dash"}} {
		cases = append(cases, object{"name": c.player + " " + c.kind, "player": c.player, "url": o.stream(t, c.kind)})
	}
	for _, p := range plays(t, cases) {
		if p.End < 6.5 {
			t.Errorf("%s ends at %.1f s", p.Name, p.End)
		}
	}
}

// TestEncryptedStream: the key goes in by the request and comes to players from
// its address only; the server never asks there.
func TestEncryptedStream(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	var asked atomic.Int32
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "0123456789abcdef")
	}))
	defer keys.Close()
	j := srv.completed(t, 60*time.Second, jobOf(short(t), object{"httpstream": object{
		"variants": []string{"mp4:0x90::quality=3"},
		"hls":      object{"path": "/hls", "encryption_key": "30313233343536373839616263646566", "encryption_key_uri": keys.URL},
	}}))
	if asked.Load() > 0 {
		t.Error("the server fetched the key")
	}
	if strings.Contains(string(j.raw), "3031323334") {
		t.Errorf("the job tells the key: %s", j.raw)
	}
	if out := follows(t, j.output(t, "httpstream").stream(t, "hls")); !strings.Contains(out, "ok   AES") {
		t.Errorf("the stream is not encrypted:\n%s", out)
	}
}

// TestOldPlayersStream makes HLS of version 3.
func TestOldPlayersStream(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	j := srv.completed(t, 60*time.Second, jobOf(short(t), object{"httpstream": object{
		"variants": []string{"mp4:0x90::quality=3", "mp4:x:64k"}, "hls": object{"path": "/hls", "version": 3},
	}}))
	master := string(fetch(t, j.output(t, "httpstream").stream(t, "hls")))
	if !strings.Contains(master, "#EXT-X-VERSION:3\n") || strings.Contains(master, "I-FRAME") || strings.Contains(master, "EXT-X-MEDIA") {
		t.Errorf("it is not of version 3:\n%s", master)
	}
}
