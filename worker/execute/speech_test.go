package execute

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// hears is a speech service that takes a minute.
type hears struct {
	cues []captions.Cue
	err  error
}

func (h hears) Transcribe(ctx context.Context, sound io.ReaderAt, size int64, _ string) ([]captions.Cue, error) {
	if data := make([]byte, size); size != 4 {
		_, _ = sound.ReadAt(data, 0)
		return nil, job.Errorf(job.CaptionsNotValid, "the sound is %q", data)
	}
	select {
	case <-time.After(time.Minute):
		return h.cues, h.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// muxes is an ffmpeg that takes a second, and writes the sound.
type muxes struct {
	dir string
	mu  sync.Mutex
	ran []string
}

func (m *muxes) Run(_ context.Context, c ffmpeg.Command) error {
	<-time.After(time.Second)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ran = append(m.ran, c.Args[0])
	if c.Args[0] == "sound" {
		return os.WriteFile(filepath.Join(m.dir, "sound"), make([]byte, 4), 0o600)
	}
	return nil
}

// TestSpeech: the answer of the speech service is waited for beside everything else and
// without a slot. An output is made with what was heard, or without it and with a note.
func TestSpeech(t *testing.T) {
	run := func(args string) transcode.Operation {
		return transcode.Operation{FFmpeg: &transcode.FFmpeg{Args: []string{args}}}
	}
	mux := run("with text")
	mux.FFmpeg.Without = &transcode.Without{File: "text", Args: []string{"without"}}
	plan := transcode.Plan{Steps: []transcode.Step{
		{ID: "encode", Kind: transcode.StepEncode, Op: run("encode"), Outputs: []int{0, 1}},
		{ID: "sound", Kind: transcode.StepSound, Op: run("sound"), Optional: true, Outputs: []int{0}},
		{ID: "speech", Op: transcode.Operation{Transcribe: &transcode.Transcribe{From: "sound", To: "heard"}}, Needs: []string{"sound"}, Reads: []string{"sound"}, Optional: true, Outputs: []int{0}},
		{ID: "text", Op: transcode.Operation{WriteCaptions: &transcode.WriteCaptions{From: "heard", To: "text"}}, Needs: []string{"speech"}, Optional: true, Outputs: []int{0}},
		{ID: "mux", Op: mux, Needs: []string{"encode", "text"}, Outputs: []int{0}},
		{ID: "other", Op: run("other"), Needs: []string{"encode"}, Outputs: []int{1}},
	}}
	hello := []captions.Cue{{Start: 0, End: 1000, Text: "hello"}}
	for name, c := range map[string]struct {
		service Speech
		last    string // run of ffmpeg
		note    string
		after   time.Duration
	}{
		"heard":   {hears{cues: hello}, "with text", "", 62 * time.Second},
		"nothing": {hears{}, "without", "There are no captions of the speech: none was heard.", 62 * time.Second},
		"fails":   {hears{err: job.Errorf(job.CaptionsNotValid, "the speech service answered 500")}, "without", "There are no captions of the speech: the speech service answered 500.", 62 * time.Second},
		"too much at once": {hears{cues: func() (list []captions.Cue) {
			for range 200 {
				list = append(list, captions.Cue{End: 1000, Text: strings.Repeat("x", len(list)+1)})
			}
			return list
		}()}, "without", "There are no captions of the speech: The captions show 200 cues at once at 00:00:00.000; at most 100 are accepted.", 62 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			media, note := &muxes{dir: dir}, ""
			begin := time.Now()
			e := Start(t.Context(), dir, plan, Config{
				Media: media, Cache: NoCache{}, Log: slog.New(slog.DiscardHandler), Keys: []string{"a", "b"}, Progress: func(map[string]float64) {},
				Speech: c.service, Note: func(_ context.Context, st transcode.Step, text string) { note = st.ID + " " + text },
			})
			if _, err := e.Wait(t.Context(), 1); err != nil || time.Since(begin) != 2*time.Second {
				t.Errorf("%s: the other output is made after %v: %v", name, time.Since(begin), err)
			}
			if left := e.WaitEncoded(); !left || time.Since(begin) != 2*time.Second {
				t.Errorf("%s: slots are kept for %v, something is left: %v", name, time.Since(begin), left)
			}
			if _, err := e.Wait(t.Context(), 0); err != nil || time.Since(begin) != c.after {
				t.Errorf("%s: the output is made after %v: %v", name, time.Since(begin), err)
			}
			if left := e.WaitEncoded(); left || media.ran[len(media.ran)-1] != c.last || strings.TrimPrefix(note, "speech ") != c.note {
				t.Errorf("%s: ran %v, note %q, left %v", name, media.ran, note, left)
			}
			if _, err := os.Stat(filepath.Join(dir, "sound")); !os.IsNotExist(err) {
				t.Errorf("%s: the sound is still there: %v", name, err)
			}
		})
	}
}
