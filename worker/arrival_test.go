package worker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/httpsource"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// webStorage is fakeStorage with an input on a web server.
type webStorage struct {
	*fakeStorage
	url    string
	client *http.Client
}

func (s webStorage) Source(ctx context.Context, _ job.Input) (storage.Source, error) {
	return httpsource.Open(ctx, s.client, job.NewSecret(s.url), retry.Policy{})
}

// readingMedia reads the input that is served to it before it does what fakeMedia does. It
// takes what it could read for the whole, as FFmpeg does.
type readingMedia struct {
	fakeMedia
	begun func() // called when the first byte was read

	mu   *sync.Mutex
	read *int // bytes
}

func (readingMedia) ServesInputs() bool { return true }

func (m readingMedia) Run(ctx context.Context, c ffmpeg.Command) error {
	if c.Served != nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Served.URL, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		buf := make([]byte, 1000)
		if n, _ := io.ReadFull(resp.Body, buf); n == len(buf) {
			m.begun()
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		m.mu.Lock()
		*m.read += int(n) + len(buf)
		m.mu.Unlock()
	}
	return m.fakeMedia.Run(ctx, c)
}

// TestEncodeWhileInputArrives: the encode begins when a part of the input is there, and the
// input is recorded as transferred when it is complete. If it fails meanwhile, so does the
// job, whatever the encode has made.
func TestEncodeWhileInputArrives(t *testing.T) {
	const size = 5 << 20
	film := slices.Repeat([]byte("film"), size/4)
	for _, tt := range []struct {
		name, then, says string
		broken           func(w http.ResponseWriter)
	}{
		{name: "it arrives", then: "encode input.transferred mux film:completed+job.completed"},
		{
			name: "it is replaced", then: "encode input.failed+job.failed", says: "The input changed on 127.0.0.1 while it was being read.",
			broken: func(w http.ResponseWriter) { w.Header().Set("ETag", `"v2"`); _, _ = w.Write(film) },
		},
		{
			name: "its address expires", then: "encode input.failed+job.failed", says: "HTTP status code: 403",
			broken: func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			encoding := make(chan struct{})
			var requests int
			var mu sync.Mutex
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				requests++
				n := requests
				mu.Unlock()
				if n > 2 && tt.broken != nil {
					tt.broken(w)
					return
				}
				w.Header().Set("ETag", `"v1"`)
				if n == 1 {
					http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(film)))
					return
				}
				w.Header().Set("Content-Length", "5242880")
				_, _ = w.Write(film[:1<<20])
				w.(http.Flusher).Flush()
				<-encoding
				if tt.broken != nil {
					panic(http.ErrAbortHandler)
				}
				_, _ = w.Write(film[1<<20:])
			}))
			defer web.Close()
			r := newRig(t, request(filmOutput("")))
			r.config.Opener = webStorage{r.storage, web.URL + "/in.mp4", web.Client()}
			r.config.MaxInputBytes = 1 << 30
			read := 0
			fake := r.config.Media.(fakeMedia)
			fake.quick = true
			r.config.Media = readingMedia{fakeMedia: fake, begun: sync.OnceFunc(func() { close(encoding) }), mu: &sync.Mutex{}, read: &read}
			if err := r.work(transcodeOnce, false); err != nil {
				t.Fatal(err)
			}
			_, then := r.split("film:encoding")
			got := strings.Join(then, " ")
			for _, effect := range strings.Fields(tt.then) {
				if !strings.Contains(got, effect) {
					t.Errorf("%q is missing: %s", effect, got)
				}
			}
			if failed := r.store.state.Input.Error; !strings.Contains(failed, tt.says) {
				t.Errorf("the error is %q", failed)
			}
			if tt.broken != nil && (strings.Contains(got, "completed") || strings.Contains(got, "film:failed")) {
				t.Errorf("an output came of it: %s", got)
			}
			if tt.broken == nil && (read != size || r.store.state.Input.Status != job.InputTransferred) {
				t.Errorf("%d bytes were read, %s", read, r.store.state.Input.Status)
			}
		})
	}
}

// TestInputFailsForNow: what may pass ends the run, and another one follows.
func TestInputFailsForNow(t *testing.T) {
	r := newRig(t, request(filmOutput("")))
	away := &storage.Unavailable{Message: "The input is away."}
	c := &claimed{w: New(r.config), log: r.config.Log, last: false}
	err := (&transcoding{claimed: c}).failInput(t.Context(), &inputError{away})
	if !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}
