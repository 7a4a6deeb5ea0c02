package transcode

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// A chunk is a part of the time line of the source that is decoded and encoded by
// itself, from and to in seconds on the grid of keyframes. The zero value is the
// whole time line in one piece.
type chunk struct {
	number   int // from 1
	from, to int // a to of 0 is the end of the source
}

// whole reports whether the time line is not cut.
func (c chunk) whole() bool { return c.number == 0 }

// What a chunk decodes beyond its own frames, in seconds.
const (
	// chunkWarmUp is encoded before the chunk and dropped when chunks are joined,
	// so that the rate control has got used to the picture, and the delay of
	// reordered frames is that of the whole. It is a cell of the grid.
	chunkWarmUp = encoder.KeyframeSeconds
	// edgeSeconds is how long before an edge the decoded frames of both sides are
	// compared.
	edgeSeconds = 1
	// chunkPreRoll is how long before a chunk the decoder enters at the latest.
	// Leading pictures of an open GOP lie before what is used by then.
	chunkPreRoll = chunkWarmUp + 1
	// chunkPostRoll is how long after a chunk the decoder goes on for filters that
	// look at the frame that follows.
	chunkPostRoll = 1
)

// cutChunks cuts length seconds into about equal chunks of about want seconds. The
// edges are multiples of KeyframeSeconds. It returns nil when one chunk would do.
func cutChunks(length, want float64) []chunk {
	n := int(math.Round(length / max(want, 2*encoder.KeyframeSeconds)))
	if n < 2 {
		return nil
	}
	edge := func(k int) int {
		return encoder.KeyframeSeconds * int(math.Round(length*float64(k)/float64(n)/encoder.KeyframeSeconds))
	}
	list := make([]chunk, n)
	for k := range list {
		list[k] = chunk{number: k + 1, from: edge(k), to: edge(k + 1)}
	}
	list[n-1].to = 0
	return list
}

// OnePiece says why outputs are made in one piece although chunks were asked for.
type OnePiece struct {
	Outputs []int
	Reason  string // a sentence
}

// cuttable are the demuxers that enter a file exactly where its index says, at
// times that do not depend on where reading began.
var cuttable = []string{"mov", "matroska"}

// notCut says why the source cannot be cut; "" when it can.
func (s *source) notCut() string {
	switch {
	case s.video == nil || s.still:
		return "The input has no moving picture."
	case s.Duration <= 0:
		return "The length of the input is not known."
	case s.discontinuous():
		return "The time stamps of the input may jump, and it has no index to enter it by."
	}
	for _, name := range cuttable {
		if s.isFormat(name) {
			return ""
		}
	}
	return fmt.Sprintf("Inputs of the format %s have no reliable index.", s.FormatName)
}

// notCut says why a rendition cannot be made of chunks; "" when it can.
func (p *planner) notCut(r rendition) string {
	switch {
	case r.window != window{}:
		return "It is a part of the input."
	case !r.intermediate.Joinable:
		return fmt.Sprintf("Encoded %s cannot be joined.", codec.Lookup(codec.Video, r.encoder.Codecs[0]).Name)
	case slices.ContainsFunc(p.chunks, func(c chunk) bool { return !r.onGrid(c.from) }):
		return "Its keyframes do not come at the edges of chunks."
	case p.drawsPictures(r):
		return "Subtitles of the input that are pictures are drawn, and one may begin before a chunk."
	case p.src.spreads(r.fps):
		return "The frames of the input come irregularly, and where each goes at a constant rate depends on all before it."
	}
	return p.src.notCut()
}

// place decides whether a new rendition of a group is made of chunks.
func (p *planner) place(v *renditionNode) {
	if len(p.chunks) == 0 {
		return
	}
	if v.notCut = p.notCut(v.key); v.notCut == "" {
		v.chunked = true
		v.step = p.prefix + string(StepJoin) + "-" + v.base
	}
}

// onePiece lists what is not made of chunks.
func (p *planner) onePiece() []OnePiece {
	var list []OnePiece
	for _, g := range p.decodeGroups {
		for _, v := range g.videos {
			if v.notCut != "" {
				list = append(list, OnePiece{Outputs: v.outputs, Reason: v.notCut})
			}
		}
	}
	return list
}

// split parts the renditions of a group into those made of chunks and those made
// in one piece.
func (g *decodeGroup) split() (chunked, whole *decodeGroup) {
	chunked, whole = &decodeGroup{id: g.id, window: g.window, edges: true}, &decodeGroup{id: g.id, pass1ID: g.pass1ID, window: g.window}
	for _, v := range g.videos {
		if v.chunked {
			chunked.videos = append(chunked.videos, v)
		} else {
			whole.videos = append(whole.videos, v)
		}
	}
	return chunked, whole
}

// chunkSteps are the steps that make the chunked renditions of a group and the
// pictures beside them: one for each chunk, one that compares the edges, and one
// for each rendition and row of pictures that joins their chunks. makers gets the
// steps that make the pictures.
func (p *planner) chunkSteps(g *decodeGroup, pictures []*thumbnails, makers map[*thumbnails][]string) []Step {
	var steps []Step
	var ids []string
	seams := Step{ID: g.id + "-" + string(StepSeams), Kind: StepSeams, Op: Operation{Seams: &Seams{}}, Cost: 0.05}
	for i, c := range p.chunks {
		s := p.encodeStep(g.part(c), partPictures(pictures, c), c)
		s.Artifacts = p.encodeArtifacts(g.part(c), partPictures(pictures, c), c)
		steps, ids = append(steps, s), append(ids, s.ID)
		seams.Outputs = union(seams.Outputs, s.Outputs)
		if i > 0 {
			seams.Op.Seams.Pairs = append(seams.Op.Seams.Pairs, Seam{Before: g.tail(p.chunks[i-1]), After: g.head(c), Seconds: c.from, Length: edgeSeconds})
		}
	}
	seams.Needs = ids
	steps, ids = append(steps, seams), append(ids, seams.ID)
	for _, v := range g.videos {
		steps = append(steps, p.joinStep(v, ids))
	}
	for _, t := range pictures {
		s := Step{ID: p.prefix + string(StepJoin) + "-" + t.dir, Kind: StepJoin, Needs: ids, Dirs: []string{t.dir}, Files: []string{t.pattern()}, Outputs: []int{t.output}, Cost: 0.05}
		number := &NumberPictures{To: t.pattern()}
		for _, c := range p.chunks {
			if part := t.part(c); part != nil {
				number.From = append(number.From, part.pattern())
			}
		}
		s.Op.NumberPictures = number
		steps, makers[t] = append(steps, s), []string{s.ID}
	}
	return steps
}

// joinStep joins the chunks of a rendition into the file that an encode in one
// piece would make.
func (p *planner) joinStep(v *renditionNode, needs []string) Step {
	s := Step{
		ID: v.step, Kind: StepJoin, Needs: needs, Files: []string{v.name}, Outputs: v.outputs,
		Duration: p.length(v.key.window), Cost: 0.2,
	}
	join := &Join{Format: v.key.intermediate.Muxer}
	for _, c := range p.chunks {
		part := v.part(c)
		piece := Piece{Name: part.name}
		if c.from > 0 {
			piece.From = p.cellStart(v.key, float64(c.from))
		}
		join.Pieces = append(join.Pieces, piece)
		s.Reads = append(s.Reads, part.name)
	}
	// copyts keeps a late start, which would be moved to zero.
	join.Args = []string{"-copyts", "-i", StdinInput, "-map", "0:v:0", "-c", "copy"}
	if v.tailed {
		join.Args = append(join.Args, fragmentFlags...)
	}
	join.Args = append(join.Args, intermediateArgs(v.key.intermediate, v.name)...)
	s.Op.Join = join
	return s
}

// part is a group with the names that it has for a chunk.
func (g *decodeGroup) part(c chunk) *decodeGroup {
	q := &decodeGroup{id: g.id, window: g.window, edges: g.edges}
	for _, v := range g.videos {
		q.videos = append(q.videos, v.part(c))
	}
	return q
}

// part is a rendition with the name that it has for a chunk. It is not tailed,
// since what is read is the joined file.
func (v *renditionNode) part(c chunk) *renditionNode {
	q := *v
	q.name = fmt.Sprintf("%s-c%d.%s", v.base, c.number, v.key.intermediate.Extension)
	q.stats = fmt.Sprintf("%s-c%d-pass", v.base, c.number)
	q.tailed = false
	return &q
}

// part is the pictures whose moments lie in a chunk; nil: none.
func (t *thumbnails) part(c chunk) *thumbnails {
	within := func(k int) bool {
		at := t.shown[k]
		if t.grid {
			at = t.moment(k)
		}
		return at >= float64(c.from) && (c.to == 0 || at < float64(c.to)) || c.from == 0 && at < 0
	}
	q := *t
	q.dir = fmt.Sprintf("%s-c%d", t.dir, c.number)
	q.times, q.shown = nil, nil
	for k := range t.times {
		if !within(k) {
			continue
		}
		if len(q.times) == 0 {
			q.first = k
		}
		q.times, q.shown = append(q.times, t.times[k]), append(q.shown, t.shown[k])
	}
	if len(q.times) == 0 {
		return nil
	}
	return &q
}

func partPictures(list []*thumbnails, c chunk) []*thumbnails {
	var parts []*thumbnails
	for _, t := range list {
		if part := t.part(c); part != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// chunkStepID names the step that encodes a chunk of a group.
func (g *decodeGroup) chunkStepID(c chunk) string { return fmt.Sprintf("%s-c%d", g.id, c.number) }

// head and tail name the lists of the frames before the start and before the end
// of a chunk.
func (g *decodeGroup) head(c chunk) string { return g.chunkStepID(c) + "-head.crc" }
func (g *decodeGroup) tail(c chunk) string { return g.chunkStepID(c) + "-tail.crc" }

// openChunk returns the arguments that open the source for a chunk. Times stay
// those of the whole. The decoder enters at the keyframe before: filters drop what
// is too much, because they have to see it first.
func (c chunk) openChunk() []string {
	args := []string{"-copyts", "-start_at_zero"}
	if c.from > 0 {
		args = append(args, "-noaccurate_seek", "-ss", seconds(float64(max(0, c.from-chunkPreRoll))))
	}
	return append(args, "-i", SourceName)
}

// endFilter ends the decode of a chunk once nothing that follows is needed.
func (p *planner) endFilter(c chunk) string {
	if c.to == 0 {
		return ""
	}
	return "trim=end=" + seconds(p.chunkEnd(c))
}

// chunkEnd is where the decode of a chunk ends, in seconds. The grid begins with the
// first frame, and the frame that follows a gap tells filters how long the one before
// it is shown.
func (p *planner) chunkEnd(c chunk) float64 {
	return float64(c.to+chunkPostRoll) + math.Ceil(p.src.longestGap()) + math.Ceil(p.src.startOffset(p.src.video.StartTime))
}

// frameFilter lets the frames of a chunk through, and those of the warm-up.
func (p *planner) frameFilter(r rendition, c chunk) string {
	var terms []string
	if c.from > 0 {
		terms = append(terms, fmt.Sprintf("gte(t,%s)", seconds(p.cellStart(r, float64(c.from-p.warmUp(r))))))
	}
	if c.to > 0 {
		terms = append(terms, fmt.Sprintf("lt(t,%s)", seconds(p.cellStart(r, float64(c.to)))))
	}
	if len(terms) == 0 {
		return ""
	}
	return "select='" + strings.Join(terms, "*") + "'"
}

// keyframes are the times from which on the next frame of a chunk is a keyframe, in
// seconds; nil when the time line is not cut. An encode of the whole counts the grid
// from its first frame, which a chunk does not have.
func (p *planner) keyframes(r rendition, c chunk) []float64 {
	if c.whole() {
		return nil
	}
	to := c.to
	if to == 0 {
		to = int(math.Ceil(p.src.videoEnd()))
	}
	var list []float64
	begin := max(0, c.from-p.warmUp(r))
	if !r.onGrid(begin) {
		list = append(list, p.cellStart(r, float64(begin)))
	}
	grid := fpsFloat(r.grid)
	for n := math.Ceil(float64(begin)/grid - 1e-6); n == 0 || n*grid < float64(to); n++ {
		list = append(list, max(0, p.cellStart(r, n*grid)))
	}
	return list
}

// onGrid reports whether there is a keyframe at so many seconds.
func (r rendition) onGrid(seconds int) bool { return seconds*r.grid.Den%r.grid.Num == 0 }

// gridTolerance is that of encoder.KeyframeSeconds: by how many seconds a frame may
// lie before the cell that it belongs to.
const gridTolerance = 0.0005

// cellStart is when the cell of the grid begins that is at seconds from the first
// frame of a rendition: a time shortly before the first frame of the cell. It is
// nearer to that frame than to the one before, because encoders round it to frames.
func (p *planner) cellStart(r rendition, at float64) float64 {
	const before = 0.25
	start, rate := 0.0, r.fps
	if !validRate(rate) {
		start = p.src.startOffset(p.src.video.StartTime)
		if times := p.src.video.Times; len(times) > 1 {
			first := sort.SearchFloat64s(times, times[0]+at-gridTolerance)
			if first == 0 || first == len(times) {
				return times[0] + at - gridTolerance
			}
			return times[first] - before*(times[first]-times[first-1])
		}
		rate = p.src.rate()
	}
	if !validRate(rate) || !validRate(r.fps) && p.src.variable() {
		return start + at - gridTolerance
	}
	// A frame of a rate such as 24000/1001 can lie on the edge to the last digit.
	n := math.Ceil((at-gridTolerance)*fpsFloat(rate) - 1e-6)
	return start + (n-before)/fpsFloat(rate)
}

// warmUp is how many seconds before a chunk the encode of a rendition begins. An
// encoder that counts its keyframes from its first frame must begin with the chunk.
func (p *planner) warmUp(r rendition) int {
	if r.encoder.CountsKeyframes || r.encoder.Codec().IntraOnly {
		return 0
	}
	return chunkWarmUp
}

// addEdges adds to a step the lists of frames by which the edges of its chunk are
// compared with its neighbours': the time and the checksum of each decoded frame.
func (g *decodeGroup) addEdges(s *Step, c chunk) {
	if !g.edges {
		return
	}
	for _, e := range c.edges() {
		name := g.edgeName(e, c)
		s.addArgs("-map", "["+e.label+"]", "-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-c:v", "rawvideo", "-f", "framecrc", name)
		s.Files = append(s.Files, name)
	}
}

func (g *decodeGroup) edgeName(e edge, c chunk) string {
	if e.label == edgeTail {
		return g.tail(c)
	}
	return g.head(c)
}

// edge is where frames of a chunk are listed.
type edge struct {
	label string // of the graph's output
	at    int    // seconds; the frames before it are listed
}

const (
	edgeHead = "head"
	edgeTail = "tail"
)

func (c chunk) edges() []edge {
	var list []edge
	if c.from > 0 {
		list = append(list, edge{edgeHead, c.from})
	}
	if c.to > 0 {
		list = append(list, edge{edgeTail, c.to})
	}
	return list
}

// filter takes the frames before the edge, and the first frame of the chunk besides: ffmpeg
// counts the time that it reports from the output that begins last, and one that begins shortly
// before the end of the chunk would have the progress stand at nothing. CompareSeam leaves
// that frame out.
func (e edge) filter() string {
	return fmt.Sprintf("select='eq(n,0)+gte(t,%d)*lt(t,%d)'", e.at-edgeSeconds, e.at)
}

// share is the part of the whole time line that a chunk takes.
func (p *planner) share(c chunk) float64 {
	if c.whole() || p.src.Duration <= 0 {
		return 1
	}
	return p.chunkSeconds(c) / p.src.Duration
}

// chunkSeconds is the length of a chunk.
func (p *planner) chunkSeconds(c chunk) float64 {
	if c.to > 0 {
		return float64(c.to - c.from)
	}
	return max(0.1, p.src.Duration-float64(c.from))
}

// window is the part of the source that a chunk reads.
func (p *planner) chunkWindow(c chunk) *TimeRange {
	r := &TimeRange{From: float64(max(0, c.from-chunkPreRoll))}
	if c.to > 0 {
		r.To = p.chunkEnd(c)
	}
	return r
}
