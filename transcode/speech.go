package transcode

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/copra-video/copra/job"
)

// SpeechRate is the sample rate in Hz of the sound that is transcribed, the one that the
// models for speech were trained with. It has one channel of 16 bits, little endian.
const SpeechRate = 16000

// Transcribe has a speech service hear a sound and writes its answer as WebVTT. It waits
// for others most of the time and needs no processor.
type Transcribe struct {
	From, To string // in the work directory: samples without a header, and WebVTT
	Language string // tag of BCP 47; "": the service finds it out
}

// Without are the arguments of a run of ffmpeg when a file that it could do without is not
// there.
type Without struct {
	File string
	Args []string
}

// speechNode is the speech of a part of a track, and who uses it.
type speechNode struct {
	key      audioRendition
	language string
	id       string // of the step that transcribes
	soundID  string // of the step that makes the sound
	outputs  []int
}

func (n *speechNode) text() string  { return n.id + ".vtt" }
func (n *speechNode) sound() string { return n.id + ".pcm" }

// speech registers the speech of a window for output i; nil, with a note: there is none.
func (p *planner) speech(c job.Captions, w window, i int) *speechNode {
	track := p.src.spokenTrack(c.Language)
	why := ""
	switch {
	case p.NoSpeech:
		why = "this server has no speech service, which its operator would set with --speech-url"
	case track == nil:
		why = "the input has no sound"
	}
	if why != "" {
		p.noteSpeech(i, NoSpeech(why))
		return nil
	}
	key := audioRendition{window: w, stream: track.Index, rate: SpeechRate, channels: 1}
	key.settled = p.src.settles(*track, w)
	at := slices.IndexFunc(p.speeches, func(n *speechNode) bool { return n.key == key && n.language == c.Language })
	if at < 0 {
		at = len(p.speeches)
		p.speeches = append(p.speeches, &speechNode{
			key: key, language: c.Language,
			id: fmt.Sprintf("%s%s-%d", p.prefix, StepSpeech, at+1), soundID: fmt.Sprintf("%s%s-%d", p.prefix, StepSound, at+1),
		})
	}
	n := p.speeches[at]
	n.outputs = appendOnce(n.outputs, i)
	return n
}

// NoSpeech is the note of an output that has no captions of its speech.
func NoSpeech(why string) string {
	return "There are no captions of the speech: " + strings.TrimSuffix(why, ".") + "."
}

// noteSpeech notes why output i has no captions of its speech, once.
func (p *planner) noteSpeech(i int, text string) {
	same := func(n Note) bool { return n.Text == text && slices.Contains(n.Outputs, i) }
	if !slices.ContainsFunc(p.speechNotes, same) {
		p.speechNotes = append(p.speechNotes, Note{Outputs: []int{i}, Text: text})
	}
}

// spokenTrack is the track of sound in a language, and where there is none the one that
// other outputs take; nil: there is no sound.
func (s *source) spokenTrack(tag string) *job.AudioStream {
	if s.file.name != "" {
		return nil // the source itself has none
	}
	if s.audio == nil || tag == "" {
		return s.audio
	}
	base := func(tag string) string {
		b, _ := language.Make(tag).Base()
		return b.ISO3()
	}
	if base(s.audio.Language) == base(tag) {
		return s.audio
	}
	for k := range s.Audio {
		if a := &s.Audio[k]; usableAudio(*a) && !a.VisualImpaired && !a.Commentary && base(a.Language) == base(tag) {
			return a
		}
	}
	return s.audio
}

// speechSteps make the sound and have it transcribed. Outputs are made without the text
// where that fails.
func (p *planner) speechSteps() (steps []Step) {
	for _, n := range p.speeches {
		length := p.length(n.key.window)
		sound := Step{
			ID: n.soundID, Kind: StepSound, Optional: true, Duration: length, Files: []string{n.sound()},
			Outputs: n.outputs, Cost: 0.1 * length.Seconds(),
		}
		sound.addArgs(p.decodeAudio(n.key, "aformat=sample_fmts=s16", "-c:a", "pcm_s16le", "-f", "s16le", n.sound())...)
		text := Step{
			ID: n.id, Kind: StepSpeech, Optional: true, Needs: []string{n.soundID}, Reads: []string{n.sound()}, Files: []string{n.text()},
			Outputs: n.outputs, Cost: 0.01, Op: Operation{Transcribe: &Transcribe{From: n.sound(), To: n.text(), Language: n.language}},
		}
		text.Artifacts = []Artifact{{KeyInputs: append(keyInputs(text, []Step{sound}), "speech="+n.language), Files: text.Files}}
		steps = append(steps, sound, text)
	}
	return steps
}

// speechSpace is what the sound takes of the work directory.
func (p *planner) speechSpace() float64 {
	total := 0.0
	for _, n := range p.speeches {
		total += 2 * SpeechRate * p.seconds(n.key.window)
	}
	return total
}

// Waits reports which steps wait for a speech service: those that ask it, and those that
// need what it answers.
func (p Plan) Waits() map[string]bool {
	waits := map[string]bool{}
	for _, s := range p.Steps { // what is needed comes first
		waits[s.ID] = s.Op.Transcribe != nil || slices.ContainsFunc(s.Needs, func(id string) bool { return waits[id] })
	}
	return waits
}
