package speech

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
)

// sound is a tone with pauses: at each of the seconds in silent there is none.
func sound(seconds int, silent func(at float64) bool) *bytes.Reader {
	data := make([]byte, seconds*perSecond)
	for i := range seconds * Rate {
		if at := float64(i) / Rate; !silent(at) {
			binary.LittleEndian.PutUint16(data[2*i:], uint16(int16(8000*math.Sin(at*2000))))
		}
	}
	return bytes.NewReader(data)
}

func never(float64) bool { return false }

// asked is what a request for a transcription holds.
type asked struct {
	fields map[string]string
	wav    []byte
}

func read(t *testing.T, r *http.Request) asked {
	t.Helper()
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || r.ContentLength <= 0 || r.Method != http.MethodPost {
		t.Errorf("asked by %s with %s of %d bytes", r.Method, kind, r.ContentLength)
	}
	a := asked{fields: map[string]string{"auth": r.Header.Get("Authorization"), "path": r.URL.Path}}
	form, err := r.MultipartReader()
	for err == nil {
		part, e := form.NextPart()
		if err = e; err != nil {
			break
		}
		data, e := io.ReadAll(part)
		if err = e; part.FormName() == "file" {
			a.wav = data
			a.fields["file"] = part.FileName()
		} else {
			a.fields[part.FormName()] = string(data)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	return a
}

// TestRequest: the service gets what OpenAI's API wants, and long sound in pieces that are
// cut in pauses, without those that are silent. The cues of all pieces come on one time line.
func TestRequest(t *testing.T) {
	t.Parallel()
	const seconds = 1300
	pause := func(at float64) bool { return at >= 540 && at < 541 || at >= 1100 }
	type got struct {
		asked
		seconds float64
	}
	var all []got
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := read(t, r)
		all = append(all, got{a, float64(len(a.wav)-44) / perSecond})
		if string(a.wav[:4]) != "RIFF" || binary.LittleEndian.Uint32(a.wav[40:]) != uint32(len(a.wav)-44) || len(a.wav) > 25e6 {
			t.Errorf("the sound is no WAV: %d bytes", len(a.wav))
		}
		// The second one ends long after the sound.
		fmt.Fprintf(w, "\ufeffWEBVTT\n\n00:01.000 --> 00:02.500\npiece %d\n\n09:59.000 --> 12:00.000\nlate\n", len(all))
	}))
	defer server.Close()
	s := New(Options{URL: server.URL + "/v1/", Model: "whisper-1", Key: job.NewSecret("sk-canary"), Timeout: time.Minute, Client: server.Client()})
	in := sound(seconds, pause)
	cues, err := s.Transcribe(t.Context(), in, in.Size(), "pt-BR")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || math.Abs(all[0].seconds-540.5) > 0.5 || all[1].seconds < 480 {
		t.Fatalf("asked for %d pieces: %+v", len(all), all)
	}
	want := map[string]string{"auth": "Bearer sk-canary", "path": path, "model": "whisper-1", "response_format": "vtt", "language": "pt", "file": "sound.wav"}
	if g := fmt.Sprint(all[1].fields); g != fmt.Sprint(want) {
		t.Errorf("asked with %s, want %v", g, want)
	}
	second := int64(all[0].seconds * 1000)
	if len(cues) < 2 || cues[0].Text != "piece 1" || cues[0].Start != 1000 || cues[1].Text != "piece 2" || cues[1].Start != second+1000 || cues[1].End != second+2500 {
		t.Errorf("cues %+v", cues)
	}
	for _, c := range cues {
		if c.End > seconds*1000 {
			t.Errorf("a cue lasts longer than the sound: %+v", c)
		}
	}
}

// TestSilence: nobody is asked about silence.
func TestSilence(t *testing.T) {
	t.Parallel()
	s := New(Options{URL: "http://127.0.0.1:1", Client: http.DefaultClient, Timeout: time.Minute})
	in := sound(2, func(float64) bool { return true })
	if cues, err := s.Transcribe(t.Context(), in, in.Size(), ""); err != nil || len(cues) > 0 {
		t.Errorf("%v, %v", cues, err)
	}
}

// TestAnswers: what a service may answer instead of captions. What may pass is tried again.
// Neither the key nor the address is in any error.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const good = "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"
	text := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	for name, c := range map[string]struct {
		first, then http.HandlerFunc
		asked       int
		cues        int
		message     string // "": none
		cause       string
	}{
		"good":        {text(200, good), nil, 1, 1, "", ""},
		"nothing":     {text(200, "WEBVTT\n\n"), nil, 1, 0, "", ""},
		"blank":       {text(200, "WEBVTT\n\n00:00.000 --> 00:01.000\n\n"), nil, 1, 0, "", ""},
		"500 then ok": {text(500, ""), text(200, good), 2, 1, "", ""},
		"429 then ok": {text(429, ""), text(200, good), 2, 1, "", ""},
		"401":         {text(401, `{"error": {"message": "Incorrect API key: sk-canary"}}`), nil, 1, 0, "the speech service answered 401 Unauthorized, so it does not take the key of this server", "[redacted]"},
		"404":         {text(404, "no"), nil, 1, 0, "the speech service answered 404 Not Found", "no"},
		"redirect":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, nil, 1, 0, "the speech service answered 302 Found", ""},
		"503 for long": {text(503, "loading"), text(503, "loading"), 3, 0,
			"the speech service answered 503 Service Unavailable", "loading"},
		"page":    {text(200, "<!doctype html><html><body>sign in</body></html>"), nil, 1, 0, "the speech service answered with something other than WebVTT", "sign in"},
		"json":    {text(200, `{"text": "hello"}`), nil, 1, 0, "something other than WebVTT", "hello"},
		"empty":   {text(200, ""), nil, 1, 0, "something other than WebVTT", ""},
		"charset": {text(200, good+"\n00:01.000 --> 00:02.000\n\xff\xfe\xfd\n"), nil, 1, 0, "WebVTT that is not valid", "utf-8"},
		"large":   {text(200, good+strings.Repeat("NOTE xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\n", 300_000)), nil, 1, 0, "more than 16 MiB", ""},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, good)
		}, text(200, good), 2, 1, "", ""},
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, nil, 1, 0, "the speech service did not answer within 2 s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					c.first(w, r)
				} else {
					c.then(w, r)
				}
			}))
			defer server.Close()
			timeout := time.Minute
			if name == "slow" {
				timeout = 2 * time.Second
			}
			s := New(Options{URL: server.URL, Key: job.NewSecret("sk-canary"), Timeout: timeout, Client: netguard.TrustedClient(netguard.Options{HeaderTimeout: time.Minute}), Waits: []time.Duration{time.Millisecond, time.Millisecond}})
			in := sound(1, never)
			cues, err := s.Transcribe(t.Context(), in, in.Size(), "")
			if len(cues) != c.cues || int(asked.Load()) != c.asked || (err == nil) != (c.message == "") {
				t.Errorf("asked %d times, %d cues: %v", asked.Load(), len(cues), err)
			}
			if err == nil {
				return
			}
			e, ok := errors.AsType[*job.Error](err)
			if !ok || !strings.Contains(e.Message, c.message) || strings.Contains(e.Message, "127.0.0.1") || e.Cause == nil || !strings.Contains(strings.ToLower(e.Cause.Error()), c.cause) {
				t.Errorf("%v, cause %v", err, e)
			}
			if strings.Contains(fmt.Sprintf("%v %v", err, e.Cause), "canary") {
				t.Errorf("the key shows: %v: %v", err, e.Cause)
			}
		})
	}
}

// TestAbsent: a service that is not there is tried some times.
func TestAbsent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	s := New(Options{URL: server.URL, Timeout: time.Minute, Client: http.DefaultClient, Waits: []time.Duration{time.Millisecond}})
	in := sound(1, never)
	_, err := s.Transcribe(t.Context(), in, in.Size(), "")
	if job.Message(err, "") != "the speech service could not be reached" || strings.Contains(err.Error(), "http://") {
		t.Errorf("%v", err)
	}
	if err := s.Check(t.Context()); job.Message(err, "") != "the speech service could not be reached" {
		t.Errorf("%v", err)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://whisper:8000":                            "http://whisper:8000/v1/audio/transcriptions",
		"https://api.openai.com/v1":                      "https://api.openai.com/v1/audio/transcriptions",
		"http://h/openai":                                "http://h/openai/v1/audio/transcriptions",
		"http://h/custom/audio/transcriptions":           "http://h/custom/audio/transcriptions",
		"https://api.groq.com/openai/v1/":                "https://api.groq.com/openai/v1/audio/transcriptions",
		"https://api.openai.com/v1/audio/transcriptions": "https://api.openai.com/v1/audio/transcriptions",
	} {
		if got := New(Options{URL: base}).String(); got != want {
			t.Errorf("%s: %s, want %s", base, got, want)
		}
	}
}

// TestQuietest: pieces of any length are neither too long nor too short.
func TestQuietest(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{0, 1, 599, 600, 601, 661, 1199, 1261} {
		in := sound(seconds, never)
		pieces, err := cut(in, in.Size())
		if err != nil {
			t.Fatal(err)
		}
		at := int64(0)
		for _, p := range pieces {
			if p.from != at || p.to-p.from > longest || p.to-p.from < perSecond || p.silent || p.to%2 != 0 {
				t.Errorf("%d s: %+v", seconds, pieces)
			}
			at = p.to
		}
		if at != in.Size() {
			t.Errorf("%d s: cut up to %d of %d", seconds, at, in.Size())
		}
	}
}
