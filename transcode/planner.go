package transcode

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
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
		plan.Space = plan.Space.and(part.Space)
		maps.Copy(plan.Secrets, part.Secrets)
	}
	return plan
}

const defaultSegmentSeconds = 6

// planner collects what outputs need, each distinct rendition, audio setting
// and set of pictures once, and then writes the steps.
type planner struct {
	Options
	src    *source
	prefix string // of names and step IDs, when outputs are isolated

	groups       []*decodeGroup
	audios       []*audioNode
	outputSteps  []Step // mux and segment
	thumbnails   []*thumbnails
	spriteSheets []*spriteSheets
	fetches      []Fetch
	results      []Result
	secrets      Secrets
}

// decodeGroup is what one ffmpeg makes from one decode: all renditions of a window.
type decodeGroup struct {
	id         string
	window     window
	videos     []*renditionNode
	thumbnails []*thumbnails
}

// renditionNode is one rendition and who uses it.
type renditionNode struct {
	key     rendition
	name    string // intermediate
	needs   string // step
	tailed  bool   // read while it grows
	outputs []int
}

// audioNode is one audio setting and who uses it.
type audioNode struct {
	key     audioRendition
	enc     audioEncoder
	name    string
	id      string
	outputs []int
}

func newPlanner(src *source, o Options, prefix string, outputs int) *planner {
	return &planner{Options: o, src: src, prefix: prefix, results: make([]Result, outputs), secrets: Secrets{}}
}

func (p *planner) plan(outputs []*job.Output) Plan {
	for i, o := range outputs {
		if o == nil {
			continue
		}
		r, err := p.output(i, o)
		if err != nil {
			r = Result{Err: err}
		}
		p.results[i] = r
	}
	plan := Plan{Fetches: p.fetches, Steps: p.steps(), Results: p.results, Secrets: p.secrets}
	plan.Space = p.space(plan.Steps)
	return plan
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
func (p *planner) video(key rendition, i int) *renditionNode {
	g := p.decodeGroup(key.window)
	at := slices.IndexFunc(g.videos, func(v *renditionNode) bool { return v.serve(key) })
	if at < 0 {
		enc, _ := videoEncoderFor(key.codec)
		n := 1
		for _, other := range p.groups {
			n += len(other.videos)
		}
		g.videos = append(g.videos, &renditionNode{key: key, name: fmt.Sprintf("%sv%d.%s", p.prefix, n, enc.intermediate), needs: g.id})
		at = len(g.videos) - 1
	}
	v := g.videos[at]
	v.outputs = appendOnce(v.outputs, i)
	p.fetchWatermark(key.watermark, i)
	return v
}

func (p *planner) decodeGroup(w window) *decodeGroup {
	for _, g := range p.groups {
		if g.window == w {
			return g
		}
	}
	g := &decodeGroup{id: fmt.Sprintf("%sencode-%d", p.prefix, len(p.groups)+1), window: w}
	p.groups = append(p.groups, g)
	return g
}

// audio registers an audio setting for output i.
func (p *planner) audio(key audioRendition, enc audioEncoder, i int) *audioNode {
	for _, t := range p.audios {
		if t.key == key {
			t.outputs = appendOnce(t.outputs, i)
			return t
		}
	}
	n := len(p.audios) + 1
	t := &audioNode{key: key, enc: enc, id: fmt.Sprintf("%saudio-%d", p.prefix, n), outputs: []int{i}}
	t.name = fmt.Sprintf("%sa%d.%s", p.prefix, n, cmp.Or(key.directContainer, enc.intermediate))
	p.audios = append(p.audios, t)
	return t
}

func appendOnce(list []int, i int) []int {
	if slices.Contains(list, i) {
		return list
	}
	return append(list, i)
}

// addOutputStep adds a step that finishes output i.
func (p *planner) addOutputStep(s Step) { p.outputSteps = append(p.outputSteps, s) }

// outputStepID names the steps that finish output i, numbered as in the request.
func (p *planner) outputStepID(kind StepKind, i int, part string) string {
	id := fmt.Sprintf("%s%s-%d", p.prefix, kind, i+1)
	if part != "" {
		id += "-" + part
	}
	return id
}

// steps writes everything that was registered.
func (p *planner) steps() []Step {
	p.placeThumbnails()
	var steps []Step
	for _, g := range p.groups {
		if len(g.videos) == 0 {
			continue
		}
		if s, ok := p.passStep(g); ok {
			steps = append(steps, s)
		}
		steps = append(steps, p.encodeStep(g))
	}
	for _, t := range p.audios {
		steps = append(steps, p.audioStep(t))
	}
	for _, s := range p.thumbnails {
		steps = append(steps, p.thumbnailSteps(s)...)
	}
	for _, s := range p.spriteSheets {
		steps = append(steps, s.step())
	}
	steps = append(steps, p.outputSteps...)
	p.addArtifacts(steps)
	return steps
}

// passOrder puts the renditions of two passes first, in both passes: ffmpeg
// numbers pass logs by the place of the stream.
func passOrder(videos []*renditionNode) (two, one []*renditionNode) {
	for _, v := range videos {
		if v.key.twoPass {
			two = append(two, v)
		} else {
			one = append(one, v)
		}
	}
	return two, one
}

func (p *planner) statsName(v *renditionNode) string {
	return strings.TrimSuffix(v.name, "."+suffix(v.name)) + "-pass"
}

func suffix(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func passID(g *decodeGroup) string { return strings.Replace(g.id, "encode", "pass1", 1) }

// passStep is the first pass of a group.
func (p *planner) passStep(g *decodeGroup) (Step, bool) {
	two, _ := passOrder(g.videos)
	if len(two) == 0 {
		return Step{}, false
	}
	s := Step{ID: passID(g), Kind: StepPass1, Duration: p.length(g.window), VideoEncodes: len(two)}
	in, each := p.openSource(g.window)
	watermarks := watermarkNames(two, nil)
	s.addArgs(append(append(in, watermarkInputs(watermarks)...), "-filter_complex", render(p.videoInput(), p.tree(two, nil, watermarks)))...)
	for i, v := range two {
		s.addArgs(each...)
		s.addArgs(p.videoArgs(v.key, videoLabel(i), 1, p.statsName(v))...)
		s.addArgs("-f", "null", "-")
		s.Cost += p.cost(v.key) / 2
		s.Outputs = union(s.Outputs, v.outputs)
	}
	s.addArgs(p.syncTimestamps("a", each)...)
	return s, true
}

// encodeStep is the one decode of a window.
func (p *planner) encodeStep(g *decodeGroup) Step {
	s := Step{ID: g.id, Kind: StepEncode, Duration: p.length(g.window), VideoEncodes: len(g.videos), Cost: p.decodeCost(g.window)}
	two, one := passOrder(g.videos)
	if len(two) > 0 {
		s.Needs = []string{passID(g)}
	}
	all := append(two, one...)
	in, each := p.openSource(g.window)
	watermarks := watermarkNames(all, g.thumbnails)
	s.addArgs(append(append(in, watermarkInputs(watermarks)...), "-filter_complex", render(p.videoInput(), p.tree(all, g.thumbnails, watermarks)))...)
	for i, v := range all {
		s.addArgs(each...)
		pass := 0
		if v.key.twoPass {
			pass = 2
		}
		s.addArgs(p.videoArgs(v.key, videoLabel(i), pass, p.statsName(v))...)
		if v.tailed {
			s.addArgs(fragmentFlags...)
		}
		s.addArgs(intermediateArgs(v.name)...)
		s.Files = append(s.Files, v.name)
		s.Cost += p.cost(v.key)
		s.Outputs = union(s.Outputs, v.outputs)
	}
	for i, st := range g.thumbnails {
		s.addArgs(st.graphArgs(thumbnailLabel(i))...)
		s.Dirs = append(s.Dirs, st.dir)
		s.Files = append(s.Files, st.pattern())
		st.steps = []string{g.id}
		s.Outputs = union(s.Outputs, []int{st.output})
	}
	s.addArgs(p.syncTimestamps("a", each)...)
	return s
}

// intermediateArgs are the arguments of a file with a single track, by which tracks
// go from their encoder to the muxers. MP4 and Matroska keep a late start,
// the delay of B frames and the priming of audio codecs exactly; NUT and AAC
// in Matroska do not. Theora leaves out frames
// that are like the one before, and only from NUT its times pass into Ogg.
func intermediateArgs(name string) []string {
	muxers := map[string]string{"mp4": "mp4", "mov": "mov", "mkv": "matroska", "nut": "nut"}
	args := []string{"-map_metadata", "-1", "-map_chapters", "-1"}
	if m, ok := muxers[suffix(name)]; ok {
		args = append(args, "-f", m)
	}
	return append(args, name)
}

// fragmentFlags are the arguments of an MP4 that is read while it is written: a
// fragment for each keyframe, and the index at the front only when the first
// frames are known, because the edit list tells of their delay. What is read
// from it is to the packet what a plain file holds. That is so for pictures
// only: from fragments the end of the last frame of sound cannot be told.
var fragmentFlags = []string{"-movflags", "+frag_keyframe+delay_moov"}

// audioStep encodes one audio setting. The picture is not decoded.
func (p *planner) audioStep(t *audioNode) Step {
	s := Step{
		ID: t.id, Kind: StepAudio, Duration: p.length(t.key.window), Files: []string{t.name},
		Outputs: t.outputs, AudioEncodes: 1, Cost: 0.3 * p.length(t.key.window).Seconds(),
	}
	if t.key.passthrough {
		s.AudioEncodes, s.Cost = 0, s.Cost/20
	}
	in, each := p.openSource(t.key.window)
	s.addArgs(append(append(in, each...), "-map", "0:"+strconv.Itoa(t.key.stream))...)
	s.addArgs(t.key.encodeArgs(t.enc)...)
	if t.key.directContainer == "" {
		s.addArgs(intermediateArgs(t.name)...)
	} else {
		m, _ := muxerFor(t.key.directContainer)
		s.addArgs(p.tagArgs(t.key.keepTags, "0", true)...)
		s.addArgs("-f", m.name, t.name)
	}
	s.addArgs(p.syncTimestamps("v", each)...)
	return s
}

// syncTimestamps makes an ffmpeg that uses only video, or only audio, of a source
// with discontinuous time stamps read the other too. There ffmpeg takes the
// start of the streams in use as zero and mends jumps by the packets that it
// sees: two processes must see the same ones, or audio and video part.
// Copying packets to nowhere costs nothing.
func (p *planner) syncTimestamps(other string, each []string) []string {
	if !p.src.discontinuous() || p.src.video == nil || p.src.audio == nil {
		return nil
	}
	index := p.src.audio.Index
	if other == "v" {
		index = p.src.video.Index
	}
	return append(slices.Clone(each), "-map", "0:"+strconv.Itoa(index), "-c", "copy", "-f", "null", "-")
}

func (p *planner) videoInput() string { return "0:" + strconv.Itoa(p.src.video.Index) }

func videoLabel(i int) string     { return "v" + strconv.Itoa(i+1) }
func thumbnailLabel(i int) string { return "p" + strconv.Itoa(i+1) }
func union(a, b []int) []int {
	for _, i := range b {
		a = appendOnce(a, i)
	}
	slices.Sort(a)
	return a
}

// tree is the graph of a group: renditions of the same preparation and frame
// rate share a stem, and pictures are taken from the decoded frames.
func (p *planner) tree(videos []*renditionNode, pictures []*thumbnails, watermarks []string) *branch {
	type stem struct {
		prep string
		fps  format.Rational
		sdr  bool
	}
	stems := map[stem][]graphOutput{}
	for i, v := range videos {
		k := stem{v.key.preFilters, v.key.fps, v.key.toneMap}
		stems[k] = append(stems[k], graphOutput{v.key, videoLabel(i)})
	}
	order := slices.SortedFunc(maps.Keys(stems), func(a, b stem) int {
		return cmp.Or(cmp.Compare(a.prep, b.prep), cmp.Compare(a.fps.Num, b.fps.Num), cmp.Compare(a.fps.Den, b.fps.Den), compareBool(a.sdr, b.sdr))
	})
	root := &branch{}
	for _, k := range order {
		node := root.child(k.prep, fpsFilter(k.fps))
		in := p.src.frame
		if k.prep != "" {
			in = frame{} // the size after the preparation is not the source's
		}
		if k.sdr {
			in = p.toSDR(node, in, stems[k])
		}
		p.cascade(node, in, stems[k], watermarks)
	}
	for i, s := range pictures {
		s.style.graph(root.child(s.selectFilter()), watermarks, 1, thumbnailLabel(i))
	}
	return root
}

// length of a window as a time, 0 when unknown.
func (p *planner) length(w window) time.Duration {
	return time.Duration(w.duration(p.src.Duration) * float64(time.Second)).Round(time.Millisecond)
}

// cost of a rendition: megapixels encoded, weighed by the codec.
func (p *planner) cost(r rendition) float64 {
	enc, _ := videoEncoderFor(r.codec)
	frames := fpsFloat(p.rate(r)) * max(0.1, r.window.duration(p.src.Duration))
	return enc.weight * frames * float64(r.geometry.W*r.geometry.H) / 1e6
}

func (p *planner) decodeCost(w window) float64 {
	rate := p.src.rate()
	if !validRate(rate) {
		rate = format.Rational{Num: 25, Den: 1}
	}
	return 0.1 * fpsFloat(rate) * max(0.1, w.duration(p.src.Duration)) * float64(p.src.frame.W*p.src.frame.H) / 1e6
}
