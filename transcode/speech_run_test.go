package transcode

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// TestSpeech: the sound of each window is made once, begins where the output does, and is
// of the track in the language. What is heard becomes a track of files and streams; where
// nothing is, they are made without one.
func TestSpeech(t *testing.T) {
	t.Parallel()
	// English is heard from second 2 on, German never.
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=4", "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo,atrim=end=4",
		"-f", "lavfi", "-i", "sine=440:r=44100:d=4,volume=0:enable='lt(t,2)'", "-map", "0", "-map", "1", "-map", "2",
		"-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac", "-f", "mp4")
	english := job.Captions{Speech: true, Language: "en-US", Name: "heard"}
	lines := []string{"mp4:0x72 path=/a.mp4 offset=1", "mkv:0x72 path=/b.mkv offset=1", "mp4:copy path=/c.mp4", "mp4:copy path=/d.mp4"}
	var outs []*job.Output
	for _, l := range lines {
		outs = append(outs, output(t, l))
		outs[len(outs)-1].Video.Captions = []job.Captions{english}
	}
	outs[3].Video.Captions = []job.Captions{{Speech: true, Language: "de", Name: "never heard"}}
	out := output(t, "httpstream hls=/hls variants=mp4:128x72::quality=1")
	out.Stream.Captions = []job.Captions{english}
	outs = append(outs, out)
	p := Build(outs, probe(t, dir, SourceName), fast)
	checkPlan(t, p)
	checkJSON(t, p)
	heard := map[string]float64{"speech-1": 1, "speech-2": 2, "speech-3": -1} // where the tone begins; none
	waits := p.Waits()
	for _, s := range p.Steps {
		if copies := s.Kind == StepMux || s.Kind == StepSpeech || strings.Contains(s.ID, "captions"); waits[s.ID] != copies {
			t.Errorf("step %s waits for the service: %v", s.ID, waits[s.ID])
		}
		if op := s.Op.Transcribe; op != nil {
			at, ok := heard[s.ID]
			delete(heard, s.ID)
			data, err := os.ReadFile(filepath.Join(dir, op.From))
			if err != nil || !ok {
				t.Fatalf("%s: %v", s.ID, err)
			}
			if got := begins(data); got < at-0.05 || got > at+0.05 {
				t.Errorf("%s, %q: the tone begins at %.2f s, want %.2f", s.ID, op.Language, got, at)
			}
			if at >= 0 {
				text := "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nhello\n"
				if err := os.WriteFile(filepath.Join(dir, op.To), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		if f := s.Op.FFmpeg; f != nil && f.Without != nil && !exists(filepath.Join(dir, f.Without.File)) {
			s.Op.FFmpeg = &FFmpeg{Args: f.Without.Args}
		}
		if stderr, err := step(t, dir, p.Secrets, s, "-v", "error"); err != nil && !s.Optional {
			t.Fatalf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), err, stderr)
		}
	}
	if len(heard) > 0 {
		t.Errorf("%v are not made: each window and language once", heard)
	}
	for i, want := range []string{"mov_text eng", "subrip eng", "mov_text eng", " "} {
		checkFile(t, dir, p.Results[i].Files[0])
		if c := captionsOf(t, dir, p.Results[i].Files[0].Name); c.codec+" "+c.languages != want || strings.Contains(c.cues, "hello") != (i < 3) {
			t.Errorf("%s: got %+v, want %s", lines[i], c, want)
		}
	}
	if !slices.ContainsFunc(p.Results[4].Packages[0].Tracks, func(t stream.Track) bool { return t.Type == stream.Text && t.Name == "heard" }) {
		t.Errorf("the stream has no track of text: %+v", p.Results[4].Packages[0].Tracks)
	}
}

// begins is where the sound in samples of SpeechRate is first loud, in seconds; -1: nowhere.
func begins(data []byte) float64 {
	for i := 0; i+1 < len(data); i += 2 {
		if v := int16(binary.LittleEndian.Uint16(data[i:])); v > 1000 {
			return float64(i/2) / SpeechRate
		}
	}
	return -1
}

// TestNoSpeech: an output says why it has no captions of its speech.
func TestNoSpeech(t *testing.T) {
	t.Parallel()
	mute := clip(t, "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=1", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mp4")
	o := output(t, "mp4:0x64 path=/a.mp4")
	o.Video.Captions = []job.Captions{{Speech: true}}
	for words, options := range map[string]Options{"the input has no sound": {}, "no speech service": {NoSpeech: true}} {
		p := Build([]*job.Output{o}, probe(t, mute, SourceName), options)
		if len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, words) || p.Results[0].Err != nil {
			t.Errorf("%+v, want %q", p.Notes, words)
		}
		for _, s := range p.Steps {
			if s.Kind == StepSpeech || s.Kind == StepSound || s.Kind == StepText {
				t.Errorf("there is a step %s", s.ID)
			}
		}
	}
}
