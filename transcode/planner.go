package transcode

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// Build plans the outputs of a job for a source. A nil output is not planned. The
// plan is the same for the same arguments. An output that cannot be made has
// its Err set and takes part in no step.
func Build(outputs []*job.Output, m job.Media, o Options) Plan {
	if o.SegmentSeconds <= 0 {
		o.SegmentSeconds = defaultSegmentSeconds
	}
	src := newSource(m)
	if !o.Isolate {
		return newPlanner(src, o, "", len(outputs)).plan(outputs)
	}
	plan := Plan{Results: make([]Result, len(outputs)), Space: Space{Bounded: true}, Secrets: Secrets{}}
	for i := range outputs {
		if outputs[i] == nil {
			continue
		}
		alone := make([]*job.Output, len(outputs))
		alone[i] = outputs[i]
		part := newPlanner(src, o, fmt.Sprintf("o%d-", i+1), len(outputs)).plan(alone)
		plan.Fetches = mergeFetches(plan.Fetches, part.Fetches)
		plan.Steps = append(plan.Steps, part.Steps...)
		plan.Results[i] = part.Results[i]
		plan.Space = plan.Space.And(part.Space)
		plan.OnePiece = append(plan.OnePiece, part.OnePiece...)
		plan.Notes = append(plan.Notes, part.Notes...)
		plan.Weighed = cmp.Or(plan.Weighed, part.Weighed)
		maps.Copy(plan.Secrets, part.Secrets)
	}
	return plan
}

const defaultSegmentSeconds = 6

// planner works in two phases. In the first, outputs register what they need:
// each distinct rendition, audio rendition and set of thumbnails once. In the
// second, steps writes the steps; only then it is known who shares what. A
// registration must therefore not depend on what was registered before it.
type planner struct {
	Options
	src    *source
	prefix string // of names and step IDs, when outputs are isolated

	decodeGroups []*decodeGroup
	audios       []*audioNode
	loudness     []*loudnessNode
	thumbnails   []*thumbnails
	chunks       []chunk // that the time line is cut into; nil: it is not
	spriteSheets []*spriteSheets
	outputSteps  []outputStep
	fetches      []Fetch
	results      []Result
	notOnDevice  []Note // why outputs are made in software although a device was asked for
	secrets      Secrets
	layers       map[string][]layer // by the key of overlays in renditions
	copyNotes    []Note             // which outputs are copied, and which are not
	copied       *copiedVideo
	speeches     []*speechNode
	burns        []*burnNode
	speechNotes  []Note // why outputs have no captions of their speech
}

// decodeGroup is what one ffmpeg makes from one decode: all renditions of a
// window.
type decodeGroup struct {
	id, pass1ID string
	window      window
	videos      []*renditionNode
	edges       bool // the frames at the edges of its chunk are listed
}

// renditionNode is one rendition and who uses it.
type renditionNode struct {
	// key is without a default maxrate: a rendition with one stands for that
	// without. A file has no need of the bound, but loses nothing by it.
	key             rendition
	defaultMaxrateK int // the largest that a user asks for

	base     string // of the names of its files
	name     string // of the intermediate
	stats    string // of the pass log
	step     string // that makes it
	tailed   bool   // it is read while it grows
	chunked  bool   // it is joined from chunks
	notCut   string // why it is not, although the time line is cut
	outputs  []int
	images   []string // that its overlays lay over it
	measured bool     // it is compared with the source
}

// rendition is what is encoded. It is final when all outputs are registered.
func (v *renditionNode) rendition() rendition {
	r := v.key
	r.settings.DefaultMaxrateK = v.defaultMaxrateK
	return r
}

// audioNode is one audio rendition and who uses it.
type audioNode struct {
	key          audioRendition
	intermediate *encoder.Intermediate // nil: the encoder writes the final file
	name         string
	id           string
	measured     *loudnessNode // nil: its loudness stays as it is
	outputs      []int
}

// outputStep is a step that finishes an output.
type outputStep struct {
	Step
	writesTS     bool // else MP4 or something of that size
	twice        bool // what it writes is encrypted into a second place
	copiesSource bool // it writes a copy of the source's own tracks
}

func newPlanner(src *source, o Options, prefix string, outputs int) *planner {
	p := &planner{Options: o, src: src, prefix: prefix, results: make([]Result, outputs), secrets: Secrets{}, layers: map[string][]layer{}}
	if o.ChunkSeconds > 0 && !o.NoSeek {
		p.chunks = cutChunks(src.videoEnd(), o.ChunkSeconds)
	}
	return p
}

func (p *planner) plan(outputs []*job.Output) Plan {
	for i, o := range outputs {
		if o == nil {
			continue
		}
		r, err := p.output(i, o)
		if err != nil {
			r = Result{Err: err}
		} else {
			r.Loudness = p.loudnessFigures(i)
		}
		p.results[i] = r
	}
	return Plan{
		Fetches: p.fetches, Steps: p.steps(), Results: p.results, Space: p.space(), OnePiece: p.onePiece(),
		Notes: slices.Concat(p.deviceNotes(), p.copyNotes, p.speechNotes), Weighed: p.weighed(), Secrets: p.secrets,
	}
}

func (p *planner) output(i int, o *job.Output) (Result, *job.Error) {
	switch {
	case o.Type == job.TypeVideo && o.Video != nil:
		return p.planFile(i, o)
	case o.Type == job.TypeImage && o.Image != nil && o.Format.Kind() == format.KindAnimated:
		return p.planAnimation(i, o)
	case o.Type == job.TypeImage && o.Image != nil:
		return p.planThumbnails(i, o)
	case o.Type == job.TypeStream && o.Stream != nil:
		return p.planStream(i, o)
	}
	return Result{}, job.Errorf(job.OutputsNotValid, "The output %q has no parameters of its type.", o.Key)
}

func (p *planner) has(encoder string) bool { return p.Capabilities.HasEncoder(encoder) }

// video registers a rendition for output i and returns the node that makes it.
// Nothing may be registered for an output that can still fail.
func (p *planner) video(r rendition, i int) *renditionNode {
	g := p.decodeGroup(r.window)
	key := r.withoutDefaultMaxrate()
	at := slices.IndexFunc(g.videos, func(v *renditionNode) bool { return v.key == key })
	if at < 0 {
		n := 1
		for _, other := range p.decodeGroups {
			n += len(other.videos)
		}
		base := fmt.Sprintf("%sv%d", p.prefix, n)
		v := &renditionNode{key: key, base: base, name: base + "." + r.intermediate.Extension, stats: base + "-pass", step: g.id}
		for _, l := range p.layers[r.overlays] {
			if l.picture() {
				v.images = append(v.images, l.File)
			}
		}
		p.place(v)
		g.videos = append(g.videos, v)
		at = len(g.videos) - 1
	}
	p.noteSoftware(r, i)
	v := g.videos[at]
	v.defaultMaxrateK = max(v.defaultMaxrateK, r.settings.DefaultMaxrateK)
	v.outputs = appendOnce(v.outputs, i)
	p.fetchWatermark(r.watermark, i)
	p.fetchOverlays(r.overlays, i)
	return v
}

func (p *planner) decodeGroup(w window) *decodeGroup {
	for _, g := range p.decodeGroups {
		if g.window == w {
			return g
		}
	}
	n := len(p.decodeGroups) + 1
	g := &decodeGroup{id: fmt.Sprintf("%s%s-%d", p.prefix, StepEncode, n), pass1ID: fmt.Sprintf("%s%s-%d", p.prefix, StepPass1, n), window: w}
	p.decodeGroups = append(p.decodeGroups, g)
	return g
}

// audio registers an audio rendition for output i.
func (p *planner) audio(key audioRendition, i int) *audioNode {
	measured := p.measured(key, i)
	p.fetchSound(key, i)
	for _, t := range p.audios {
		if t.key == key {
			t.outputs = appendOnce(t.outputs, i)
			return t
		}
	}
	n := len(p.audios) + 1
	t := &audioNode{key: key, id: fmt.Sprintf("%s%s-%d", p.prefix, StepAudio, n), measured: measured, outputs: []int{i}}
	extension := ""
	if key.direct != nil {
		extension = key.direct.Extension
	} else {
		t.intermediate = p.audioIntermediate(key)
		extension = t.intermediate.Extension
	}
	t.name = fmt.Sprintf("%sa%d.%s", p.prefix, n, extension)
	p.audios = append(p.audios, t)
	return t
}

func appendOnce(list []int, i int) []int {
	if slices.Contains(list, i) {
		return list
	}
	return append(list, i)
}

func union(a, b []int) []int {
	for _, i := range b {
		a = appendOnce(a, i)
	}
	slices.Sort(a)
	return a
}

// addOutputStep adds a step that finishes an output.
func (p *planner) addOutputStep(s outputStep) { p.outputSteps = append(p.outputSteps, s) }

// outputStepID names the steps that finish output i, numbered as in the request.
func (p *planner) outputStepID(kind StepKind, i int, part string) string {
	id := fmt.Sprintf("%s%s-%d", p.prefix, kind, i+1)
	if part != "" {
		id += "-" + part
	}
	return id
}
