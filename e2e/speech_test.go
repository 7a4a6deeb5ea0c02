package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// speechKey is that of the speech service of the shared server.
const speechKey = "sk-speech-canary"

// speechService stands in for a server of Whisper. It hears the same in all sound. What
// else it answers depends on the language.
type speechService struct {
	*httptest.Server
	failed  atomic.Int64  // answers in French
	release chan struct{} // closed: Spanish is answered
}

func newSpeechService() *speechService {
	s := &speechService{release: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	return s
}

func (s *speechService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, header, err := r.FormFile("file")
	if err != nil || r.Header.Get("Authorization") != "Bearer "+speechKey || r.URL.Path != "/v1/audio/transcriptions" || r.FormValue("response_format") != "vtt" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error": {"message": "not with the key %s"}}`, speechKey)
		return
	}
	defer file.Close()
	switch r.FormValue("language") {
	case "de":
		fmt.Fprint(w, "<!doctype html><html><body>sign in</body></html>")
		return
	case "fr":
		if s.failed.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
	case "it":
		w.WriteHeader(http.StatusForbidden)
		return
	case "es":
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
	}
	fmt.Fprintf(w, "WEBVTT\n\n00:00.250 --> 00:00.750\nheard %d ms in %s\n", (header.Size-44)/32, r.FormValue("language"))
}

// TestSpeech: what a speech service hears becomes captions of files and streams. Where it
// fails, for any reason, they are made without and say why. An output whose captions are
// late keeps no other waiting.
func TestSpeech(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	speech := func(language string) []object {
		return []object{{"speech": true, "language": language, "name": "Heard"}}
	}
	release := speechOf(t).release
	accepted := srv.create(t, jobOf(inputs(t).add(testmedia.Counter(t, "25", 3, 160, 90)), object{
		"mp4:0x90": []object{
			{"key": "en", "path": "/en.mp4", "offset": 1, "captions": speech("en")},
			{"key": "de", "path": "/de.mp4", "captions": speech("de")},
			{"key": "it", "path": "/it.mp4", "captions": speech("it")},
			{"key": "es", "path": "/es.mp4", "captions": speech("es")},
		},
		"httpstream": object{"variants": []string{"mp4:0x90::quality=2"}, "hls": "/hls", "captions": speech("fr")},
	}))
	// Spanish is answered when all others are done.
	eventually(t, 90*time.Second, "the other outputs are done", func() bool {
		j := srv.get(t, accepted.ID)
		for _, key := range []string{"en", "de", "it", "httpstream"} {
			if o := j.output(t, key); o.Status != "video.encoded" && o.Status != "httpstream.packaged" {
				return false
			}
		}
		return true
	})
	waiting := srv.get(t, accepted.ID)
	if s := waiting.output(t, "es").Status; s == "video.encoded" {
		t.Errorf("the output whose captions are missing is %s", s)
	}
	close(release)
	j := srv.wait(t, accepted.ID, 30*time.Second)
	for key, want := range map[string]int{"en": 1, "es": 1, "de": 0, "it": 0} {
		o := j.output(t, key)
		if o.Status != "video.encoded" {
			t.Fatalf("%s: %s, %s", key, o.Status, o.Error)
		}
		if n := probe(t, o.URL).count("subtitle"); n != want {
			t.Errorf("%s has %d tracks of text, want %d", key, n, want)
		}
	}
	if text := string(fetch(t, sibling(t, j.output(t, "httpstream").stream(t, "hls"), "subtitles-fr/text-00001.vtt"))); !strings.Contains(text, "heard 3") || !strings.Contains(text, "in fr") {
		t.Errorf("the stream's captions are %q", text)
	}
	follows(t, j.output(t, "httpstream").stream(t, "hls"))
	var history struct {
		Events []struct{ Event, Output, Note string }
	}
	_, body, _ := srv.send(t, http.MethodGet, "/jobs/"+j.ID+"/events", nil)
	if err := json.Unmarshal(body, &history); err != nil {
		t.Fatal(err)
	}
	notes := map[string]string{}
	for _, e := range history.Events {
		if strings.Contains(e.Note, "speech") {
			notes[e.Output] = e.Note
		}
	}
	if len(notes) != 2 || notes["de"] != "There are no captions of the speech: the speech service answered with something other than WebVTT." || !strings.Contains(notes["it"], "403 Forbidden") {
		t.Errorf("notes %v", notes)
	}
	for _, where := range []string{string(body), string(j.raw), srv.stderr.String()} {
		if strings.Contains(where, speechKey) {
			t.Errorf("the key of the speech service shows in %s", where)
		}
	}
}

// speechOf returns the speech service of the shared server.
func speechOf(t testing.TB) *speechService {
	t.Helper()
	common.mu.Lock()
	defer common.mu.Unlock()
	return common.speech
}
