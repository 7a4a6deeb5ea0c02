package transcode

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/stream"
)

// WriteCaptions reads captions that were fetched, cuts them like the video, and writes
// them as WebVTT or ASS.
type WriteCaptions struct {
	From, To string // in the work directory
	Hint     captions.Hint
	// Offset and Length are the part of the source that the video shows, in seconds. A
	// length of 0 reaches to the end.
	Offset, Length float64
	// Style: they are written as ASS, to be drawn, and not cut; nil: as WebVTT.
	Style *captions.Style `json:",omitempty"`
}

// Text is what is written for a file of captions.
func (w WriteCaptions) Text(data []byte) ([]byte, error) {
	if w.Style != nil {
		return captions.ASS(data, w.Hint, *w.Style)
	}
	cues, err := captions.Parse(data, w.Hint)
	if err != nil {
		return nil, err
	}
	return captions.WebVTT(captions.Cut(cues, w.Offset, w.Length)), nil
}

// captionHint is what is known of a file of captions.
func captionHint(c job.Captions) captions.Hint {
	return captions.Hint{Charset: c.Charset, Language: c.Language}
}

// fetchCaptions registers that output i needs a file of captions, and returns its name.
// As with watermarks, the name is made from the address.
func (p *planner) fetchCaptions(c job.Captions, i int) string {
	hint := captionHint(c)
	sum := sha256.Sum256([]byte(c.URL.Reveal() + "\n" + hint.Charset + "\n" + hint.Language))
	name := fmt.Sprintf("captions-%x", sum[:8])
	p.secrets[SecretName(name)] = c.URL
	p.fetch(Fetch{Name: name, URL: SecretName(name), Captions: &hint}, i)
	return name
}

// captionStep is a step that writes captions to a file; false: there are none to write. w
// is the part of the source that the output shows, and late is by how much the output
// begins after that.
func (p *planner) captionStep(i, n int, kind string, c job.Captions, to string, w window, late, length float64) (Step, bool) {
	part := fmt.Sprintf("captions-%d", n+1)
	if kind != "" {
		part = kind + "-" + part
	}
	s := Step{ID: p.outputStepID(StepText, i, part), Kind: StepText, Files: []string{to}, Outputs: []int{i}, Cost: 0.01}
	op := &WriteCaptions{To: to, Hint: captionHint(c), Offset: w.offset + late, Length: length}
	if c.Speech {
		spoken := p.speech(c, w, i)
		if spoken == nil {
			return s, false
		}
		s.Optional, s.Needs = true, []string{spoken.id}
		op.From, op.Hint, op.Offset = spoken.text(), captions.Hint{}, late // its sound is cut already
	} else {
		op.From = p.fetchCaptions(c, i)
	}
	s.Op.WriteCaptions = op
	return s, true
}

// addCaptions adds the captions that the request names as tracks of text.
func (b *packageBuilder) addCaptions() {
	list := b.params.Captions
	// Who names no default means that forced ones are shown to everybody.
	chosen := slices.ContainsFunc(list, func(c job.Captions) bool { return c.Default })
	late := 0.0
	if b.Layout == stream.CMAF {
		late = b.startShift()
	}
	for n, c := range list {
		t := stream.Track{
			ID: unique(b.ids, languageID("subtitles", c.Language)), Type: stream.Text, Segments: "text.vtt", Language: c.Language, Name: c.Name,
			Default: c.Default || c.Forced && !chosen, Forced: c.Forced, Alternative: len(b.src.Subtitles) + n + 1,
		}
		if c.SDH {
			t.Purpose = stream.SDH
		}
		t.Dir = t.ID
		dir := b.Dir + "/" + t.Dir
		s, ok := b.captionStep(b.output, n, b.kind, c, dir+"/"+t.Segments, window{}, late, b.Duration)
		if !ok {
			continue
		}
		s.Dirs = []string{dir}
		b.addOutputStep(outputStep{Step: s})
		b.Tracks = append(b.Tracks, t)
	}
}

// captionInputs are the captions of a file: the inputs of the run that writes it.
type captionInputs struct {
	list  []job.Captions
	names []string // of WebVTT files
	steps []string // that make them
}

// speech returns the name of the captions that may turn out not to be there; "": all will
// be. without are the others.
func (in captionInputs) speech() (name string, without captionInputs) {
	at := slices.IndexFunc(in.list, func(c job.Captions) bool { return c.Speech })
	if at < 0 {
		return "", in
	}
	return in.names[at], captionInputs{
		list: slices.Delete(slices.Clone(in.list), at, at+1), names: slices.Delete(slices.Clone(in.names), at, at+1),
		steps: slices.Delete(slices.Clone(in.steps), at, at+1),
	}
}

// mux returns the step that step makes of the captions. Where they may turn out not to be
// there, it can do without.
func (in captionInputs) mux(step func(captionInputs) Step) Step {
	s := step(in)
	if name, others := in.speech(); name != "" {
		s.Op.FFmpeg.Without = &Without{File: name, Args: step(others).FFmpegArgs()}
	}
	return s
}

// noCaptionsIn refuses captions in a container that holds none; nil: it does.
func (p *planner) noCaptionsIn(c *codec.Container, list []job.Captions) *job.Error {
	switch {
	case len(list) == 0:
	case c.Subtitles == "":
		return job.Errorf(job.OutputParamNotValid, "Captions go into mp4, mov, mkv and httpstream, and not into %s.", c.Name)
	case !p.has(c.Subtitles):
		return noEncoder(c.Subtitles, c.Subtitles)
	}
	return nil
}

// fileCaptions plans the steps that make the captions of a file for the part w.
func (p *planner) fileCaptions(i int, list []job.Captions, w window) captionInputs {
	var in captionInputs
	for n, c := range list {
		name := fmt.Sprintf("%sout%d-captions-%d.vtt", p.prefix, i+1, n+1)
		length := w.duration(p.src.Duration)
		s, ok := p.captionStep(i, n, "", c, name, w, 0, length)
		if !ok {
			continue
		}
		p.addOutputStep(outputStep{Step: s})
		in.list, in.names, in.steps = append(in.list, c), append(in.names, name), append(in.steps, s.ID)
	}
	return in
}

// open adds the inputs to a run that has so many before them, and returns their maps.
func (in captionInputs) open(s *Step, before int) (maps []string) {
	s.Needs = append(s.Needs, in.steps...)
	for n, name := range in.names {
		s.addArgs("-f", "webvtt", "-i", name)
		maps = append(maps, "-map", fmt.Sprintf("%d:s:0", before+n))
	}
	return maps
}

// args encode the captions and say what they are.
func (in captionInputs) args(c *codec.Container) []string {
	if len(in.list) == 0 {
		return nil
	}
	args := []string{"-c:s", c.Subtitles}
	for n, t := range in.list {
		at := fmt.Sprintf("-metadata:s:s:%d", n)
		if code := threeLetters(t.Language, c.OldLanguages); code != "" {
			args = append(args, at, "language="+code)
		}
		if name := t.Name; name != "" {
			args = append(args, at, "title="+name, at, "handler_name="+name)
		}
		var flags []string
		for _, f := range []struct {
			on   bool
			name string
		}{{t.Default, "default"}, {t.Forced, "forced"}, {t.SDH, "hearing_impaired"}} {
			if f.on {
				flags = append(flags, f.name)
			}
		}
		if flags == nil {
			flags = []string{"0"}
		}
		args = append(args, fmt.Sprintf("-disposition:s:%d", n), strings.Join(flags, "+"))
	}
	return args
}

// oldLanguages are the codes of ISO 639-2/B where they differ from those of 639-2/T.
var oldLanguages = map[string]string{
	"sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "ces": "cze", "nld": "dut", "fra": "fre", "kat": "geo", "deu": "ger",
	"ell": "gre", "isl": "ice", "mkd": "mac", "mri": "mao", "msa": "may", "fas": "per", "ron": "rum", "slk": "slo", "bod": "tib", "cym": "wel",
}

// threeLetters is the code of ISO 639-2 for a language tag of BCP 47; "": not known.
func threeLetters(tag string, old bool) string {
	if tag == "" {
		return ""
	}
	base, _ := language.Make(tag).Base()
	code := base.ISO3()
	if code == "und" || len(code) != 3 {
		return ""
	}
	if o, ok := oldLanguages[code]; ok && old {
		return o
	}
	return code
}
