package transcode

import (
	"slices"
	"strconv"
	"time"

	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// steps writes everything that was registered.
func (p *planner) steps() []Step {
	var measured []Step
	steps := p.burnSteps()
	inGraph, alone := placeThumbnails(p.decodeGroups, p.thumbnails)
	makers := map[*thumbnails][]string{} // IDs of the steps that make the pictures
	for _, g := range p.decodeGroups {
		pictures := inGraph[g]
		chunked, whole := g.split()
		measured = append(measured, p.qualitySteps(chunked, whole)...)
		if s, ok := p.passStep(whole); ok {
			s.Artifacts = []Artifact{p.passArtifact(whole, s)}
			steps = append(steps, s)
		}
		if len(chunked.videos) > 0 {
			steps = append(steps, p.chunkSteps(chunked, pictures, makers)...)
			pictures = nil
		}
		if len(whole.videos) == 0 {
			continue
		}
		s := p.encodeStep(whole, pictures, chunk{})
		s.Artifacts = p.encodeArtifacts(whole, pictures, chunk{})
		steps = append(steps, s)
		for _, t := range pictures {
			makers[t] = []string{s.ID}
		}
	}
	if p.copied != nil {
		steps = append(steps, p.copyStep())
	}
	steps = append(steps, measured...)
	for _, n := range p.loudness {
		steps = append(steps, p.loudnessStep(n))
	}
	for _, t := range p.audios {
		steps = append(steps, p.audioStep(t))
	}
	for _, t := range alone {
		for _, s := range p.thumbnailSteps(t) {
			steps = append(steps, s)
			makers[t] = append(makers[t], s.ID)
		}
	}
	for _, s := range p.spriteSheets {
		steps = append(steps, s.step(makers[s.thumbnails]))
	}
	for _, t := range p.thumbnails {
		if t.track != nil {
			steps = append(steps, p.trackStep(t, makers[t]))
		}
	}
	steps = append(steps, p.speechSteps()...)
	for _, s := range p.outputSteps {
		steps = append(steps, s.Step)
	}
	addArtifacts(steps)
	return steps
}

// placeThumbnails takes pictures from the decode of a whole-length encode where
// there is one: they then cost next to nothing. The others are made by steps of
// their own.
func placeThumbnails(groups []*decodeGroup, all []*thumbnails) (inGraph map[*decodeGroup][]*thumbnails, alone []*thumbnails) {
	at := slices.IndexFunc(groups, func(g *decodeGroup) bool { return g.window == window{} })
	if at < 0 {
		return nil, all
	}
	return map[*decodeGroup][]*thumbnails{groups[at]: all}, nil
}

// passOrder puts the renditions of two passes first, in both passes: FFmpeg
// numbers pass logs by the place of the stream.
func (p *planner) passOrder(videos []*renditionNode, c chunk) (two, one []*renditionNode) {
	for _, v := range videos {
		if p.passOf(v, c) > 0 {
			two = append(two, v)
		} else {
			one = append(one, v)
		}
	}
	return two, one
}

// passStep is the first pass of a group; false when no rendition has two.
func (p *planner) passStep(g *decodeGroup) (Step, bool) {
	two, _ := p.passOrder(g.videos, chunk{})
	if len(two) == 0 {
		return Step{}, false
	}
	s := Step{ID: g.pass1ID, Kind: StepPass1, Duration: p.length(g.window), VideoEncodes: len(two)}
	s.addArgs(p.firstPass(g.window, two, chunk{})...)
	s.Op.FFmpeg.Inputs, s.Needs = p.overlayTexts(two), p.burnNeeds(two)
	for _, v := range two {
		s.Cost += firstPassCost * p.cost(v.key)
		s.Outputs = union(s.Outputs, v.outputs)
	}
	return s, true
}

// firstPassCost is that of a first pass in the cost of the second, and FirstPassShare
// that in the cost of both.
const (
	firstPassCost  = 0.5
	FirstPassShare = firstPassCost / (1 + firstPassCost)
)

// firstPass are the arguments of the first pass of renditions.
func (p *planner) firstPass(w window, two []*renditionNode, c chunk) []string {
	in, each := p.openSource(w)
	if !c.whole() {
		in, each = c.openChunk(), nil
	}
	watermarks := watermarkNames(two, nil)
	args := slices.Concat(in, watermarkInputs(watermarks), []string{"-filter_complex", render(p.videoInput(), p.tree(two, nil, watermarks, c, false))})
	for i, v := range two {
		args = append(args, each...)
		args = append(args, p.videoArgs(v.rendition(), videoLabel(i), 1, v.stats, c)...)
		args = append(args, "-f", "null", "-")
	}
	return append(args, p.syncWithAudio(each)...)
}

// encodeStep is the one decode of a window, or of a chunk of the whole.
func (p *planner) encodeStep(g *decodeGroup, pictures []*thumbnails, c chunk) Step {
	s := Step{ID: g.id, Kind: StepEncode, Duration: p.length(g.window), VideoEncodes: len(g.videos), Cost: p.share(c) * p.decodeCost(g.window)}
	two, one := p.passOrder(g.videos, c)
	switch {
	case len(two) == 0:
	case c.whole():
		s.Needs = []string{g.pass1ID}
	default:
		// One step does both passes: the log of the first is of no use to others.
		s.addArgs()
		s.Op.FFmpeg.First = p.firstPass(g.window, two, c)
		for _, v := range two {
			s.Cost += p.share(c) * firstPassCost * p.cost(v.key)
		}
	}
	all := append(two, one...)
	in, each := p.openSource(g.window)
	if !c.whole() {
		in, each = c.openChunk(), nil
		s.ID, s.Range = g.chunkStepID(c), p.chunkWindow(c)
		s.Duration = time.Duration(p.chunkSeconds(c) * float64(time.Second)).Round(time.Millisecond)
	}
	watermarks := watermarkNames(all, pictures)
	s.Devices = devices(all)
	s.addArgs(deviceArgs(s.Devices)...)
	s.addArgs(in...)
	s.addArgs(watermarkInputs(watermarks)...)
	s.addArgs("-filter_complex", render(p.videoInput(), p.tree(all, pictures, watermarks, c, g.edges)))
	for i, v := range all {
		s.addArgs(each...)
		s.addArgs(p.videoArgs(v.rendition(), videoLabel(i), p.passOf(v, c), v.stats, c)...)
		switch {
		case !c.whole():
			s.addArgs(v.key.intermediate.PieceArgs...)
		case v.tailed:
			s.addArgs(fragmentFlags...)
		}
		s.addArgs(intermediateArgs(v.key.intermediate, v.name)...)
		s.Files = append(s.Files, v.name)
		s.Cost += p.share(c) * p.cost(v.key)
		s.Outputs = union(s.Outputs, v.outputs)
	}
	g.addEdges(&s, c)
	for i, t := range pictures {
		s.addArgs(t.graphArgs(thumbnailLabel(i))...)
		s.Dirs = append(s.Dirs, t.dir)
		s.Files = append(s.Files, t.pattern())
		s.Outputs = union(s.Outputs, []int{t.output})
	}
	s.addArgs(p.syncWithAudio(each)...)
	s.Op.FFmpeg.Inputs, s.Needs = p.overlayTexts(all), append(s.Needs, p.burnNeeds(all)...)
	return s
}

// intermediateArgs are the arguments of a file with a single track.
func intermediateArgs(in *encoder.Intermediate, name string) []string {
	return []string{"-map_metadata", "-1", "-map_chapters", "-1", "-f", in.Muxer, name}
}

// fragmentFlags are the arguments of an MP4 that is read while it is written: a
// fragment for each keyframe, and the index at the front only when the first
// frames are known, because the edit list tells of their delay. What is read
// from it is to the packet what a plain file holds. That is so for video only:
// fragments do not tell the end of the last frame of audio.
var fragmentFlags = []string{"-movflags", "+frag_keyframe+delay_moov"}

// audioStep encodes one audio rendition. The picture is not decoded.
func (p *planner) audioStep(t *audioNode) Step {
	s := Step{
		ID: t.id, Kind: StepAudio, Duration: p.length(t.key.window), Files: []string{t.name},
		Outputs: t.outputs, AudioEncodes: 1, Cost: 0.3 * p.length(t.key.window).Seconds(),
	}
	if t.key.encoder == nil {
		s.AudioEncodes, s.Cost = 0, s.Cost/20
	}
	if t.measured != nil {
		s.Needs = append(s.Needs, t.measured.id)
	}
	in, each, track := p.openAudio(t.key)
	s.addArgs(in...)
	s.addArgs(each...)
	s.addArgs("-map", track)
	s.addArgs(t.key.encodeArgs(t.measured)...)
	if c := t.key.direct; c != nil {
		s.addArgs(p.metadataArgs(t.key.keepTags, "0", true)...)
		s.addArgs("-f", c.Muxer, t.name)
	} else {
		s.addArgs(intermediateArgs(t.intermediate, t.name)...)
	}
	if t.key.file == "" {
		s.addArgs(p.syncWithVideo(each)...)
	}
	return s
}

// syncWithAudio makes an ffmpeg that uses only the video of a source with
// discontinuous time stamps read the audio too. There FFmpeg takes the start of
// the streams in use as zero, and mends jumps by the packets that it sees: two
// processes must see the same ones, or audio and video drift apart. Copying
// packets to nowhere costs nothing.
func (p *planner) syncWithAudio(each []string) []string {
	if p.src.audio == nil {
		return nil
	}
	return p.syncTimestamps(p.src.audio.Index, each)
}

// syncWithVideo is syncWithAudio for an ffmpeg that uses only the audio.
func (p *planner) syncWithVideo(each []string) []string {
	if p.src.video == nil {
		return nil
	}
	return p.syncTimestamps(p.src.video.Index, each)
}

func (p *planner) syncTimestamps(stream int, each []string) []string {
	if stream < 0 || !p.src.discontinuous() || p.src.video == nil || p.src.audio == nil {
		return nil
	}
	return append(slices.Clone(each), "-map", "0:"+strconv.Itoa(stream), "-c", "copy", "-f", "null", "-")
}

// videoInput is the graph's input with the source's video.
func (p *planner) videoInput() string { return "0:" + strconv.Itoa(p.src.video.Index) }

func videoLabel(i int) string     { return "v" + strconv.Itoa(i+1) }
func thumbnailLabel(i int) string { return "p" + strconv.Itoa(i+1) }

// length of a window as a time, 0 when unknown.
func (p *planner) length(w window) time.Duration {
	return time.Duration(w.duration(p.src.Duration) * float64(time.Second)).Round(time.Millisecond)
}

// cost of a rendition: megapixels encoded, weighed by the encoder.
func (p *planner) cost(r rendition) float64 {
	frames := fpsFloat(p.rate(r)) * max(0.1, r.window.duration(p.src.Duration))
	return r.encoder.Weight * frames * float64(r.geometry.W*r.geometry.H) / 1e6
}

func (p *planner) decodeCost(w window) float64 {
	rate := p.src.rate()
	if !validRate(rate) {
		rate = format.Rational{Num: 25, Den: 1}
	}
	return 0.1 * fpsFloat(rate) * max(0.1, w.duration(p.src.Duration)) * float64(p.src.frame.W*p.src.frame.H) / 1e6
}
