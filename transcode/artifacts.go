package transcode

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Artifact is what a step makes at a cost, to be kept for a later run of the
// job. A step whose artifacts are all there need not run.
type Artifact struct {
	// KeyInputs says all that makes the bytes but the source, what is fetched
	// and the program. It is the same in every plan that wants the same,
	// whatever else that plan makes.
	KeyInputs []string
	// Substitutes are the key inputs of artifacts that will do as well.
	Substitutes [][]string
	// Files are names as in Step.Files; a "*" stands for any text.
	Files []string
}

// addArtifacts tells of the steps, other than those of decode groups, that take
// work what they make. What only copies, or reads what others have made, is done
// again as fast as it is fetched.
func addArtifacts(steps []Step) {
	for i := range steps {
		s := &steps[i]
		if s.Op.Quality != nil {
			a := Artifact{KeyInputs: keyInputs(*s, steps)}
			for _, t := range s.Op.Quality.Tracks {
				a.Files = append(a.Files, t.Figures)
			}
			s.Artifacts = []Artifact{a}
		}
		if s.Kind == StepThumbnails || s.Kind == StepAudio && s.AudioEncodes > 0 {
			s.Artifacts = []Artifact{{KeyInputs: keyInputs(*s, steps), Files: append(slices.Clone(s.Files), figuresOf(*s, steps)...)}}
		}
	}
}

// passArtifact are the pass logs of a group, which serve one another's encoders
// only together.
func (p *planner) passArtifact(g *decodeGroup, s Step) Artifact {
	a := Artifact{KeyInputs: keyInputs(s, nil)}
	two, _ := p.passOrder(g.videos, chunk{})
	for _, v := range two {
		a.Files = append(a.Files, v.stats+"*")
	}
	return a
}

// encodeArtifacts are the renditions and pictures of a group, each with the
// arguments that it would have alone: which others are made beside it changes
// from run to run, as outputs get done. Alone it may be scaled from another
// size, but nobody asked for that difference.
//
// The lists of the frames at the edges of a chunk are one artifact more.
func (p *planner) encodeArtifacts(g *decodeGroup, pictures []*thumbnails, c chunk) []Artifact {
	var list []Artifact
	for _, v := range g.videos {
		alone := *v
		alone.name, alone.stats = "part."+v.key.intermediate.Extension, "part-pass"
		args := func() []string {
			return p.encodeStep(&decodeGroup{window: g.window, videos: []*renditionNode{&alone}}, nil, c).FFmpegArgs()
		}
		a := Artifact{KeyInputs: args(), Files: []string{v.name}}
		if !v.tailed && c.whole() {
			// A file that can be read while it grows can be read later too.
			alone.tailed = true
			a.Substitutes = [][]string{args()}
		}
		list = append(list, a)
	}
	for _, t := range pictures {
		alone := *t
		alone.dir = "part"
		s := p.encodeStep(&decodeGroup{window: g.window}, []*thumbnails{&alone}, c)
		list = append(list, Artifact{KeyInputs: s.FFmpegArgs(), Files: []string{t.pattern()}})
	}
	if g.edges {
		edges := p.encodeStep(&decodeGroup{id: "part", window: g.window, edges: true}, nil, c)
		a := Artifact{KeyInputs: edges.FFmpegArgs()}
		for _, e := range c.edges() {
			a.Files = append(a.Files, g.edgeName(e, c))
		}
		list = append(list, a)
	}
	return list
}

// keyInputs are the step's arguments and those of the steps that it needs. The
// names of files are left out, since they are numbered by what else is in the
// plan.
func keyInputs(s Step, steps []Step) []string {
	var all []string
	names := slices.Clone(s.Files)
	if s.Op.Loudness != nil {
		all = append(all, "loudness="+decimal(s.Op.Loudness.Target))
	}
	for _, need := range s.Needs {
		at := slices.IndexFunc(steps, func(s Step) bool { return s.ID == need })
		all = append(all, keyInputs(steps[at], steps)...)
		names = append(names, steps[at].Files...)
	}
	for _, a := range s.FFmpegArgs() {
		for i, name := range names {
			part := fmt.Sprintf("part%d%s", i+1, path.Ext(name))
			if a == name {
				a = part
			}
			a = strings.ReplaceAll(a, "="+name, "="+part) // in a filter
		}
		all = append(all, a)
	}
	return all
}

// figuresOf are the figures of the measurement that a step needs. They go with
// what it makes: when that is restored nothing is measured.
func figuresOf(s Step, steps []Step) []string {
	var files []string
	for _, other := range steps {
		if other.Op.Loudness != nil && slices.Contains(s.Needs, other.ID) {
			files = append(files, other.Op.Loudness.Figures)
		}
	}
	return files
}
