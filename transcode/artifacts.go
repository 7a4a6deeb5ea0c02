package transcode

import (
	"fmt"
	"slices"
)

// Artifact is what a step makes at a cost, to be kept for a later run of the job.
// A step whose parts are all there need not run.
type Artifact struct {
	// KeyInputs says all that makes the bytes but the source, what is fetched and
	// the program: the same in every plan that wants the same, whatever else
	// that plan makes.
	KeyInputs []string
	// Substitutes are recipes of what does as well.
	Substitutes [][]string
	// Files are names as in Step.Files; a "*" stands for any text.
	Files []string
}

// addArtifacts tells of the steps that take work what they make. What copies, or
// only reads what others have made, is done again as fast as it is fetched.
func (p *planner) addArtifacts(steps []Step) {
	for i := range steps {
		s := &steps[i]
		switch {
		case s.Kind == StepEncode:
			at := slices.IndexFunc(p.groups, func(g *decodeGroup) bool { return g.id == s.ID })
			s.Artifacts = p.encodeArtifacts(p.groups[at])
		case s.Kind == StepPass1:
			part := Artifact{KeyInputs: keyInputs(*s, steps)}
			at := slices.IndexFunc(p.groups, func(g *decodeGroup) bool { return passID(g) == s.ID })
			two, _ := passOrder(p.groups[at].videos)
			for _, v := range two {
				part.Files = append(part.Files, p.statsName(v)+"*")
			}
			s.Artifacts = []Artifact{part}
		case s.Kind == StepThumbnails, s.Kind == StepAudio && s.AudioEncodes > 0:
			s.Artifacts = []Artifact{{KeyInputs: keyInputs(*s, steps), Files: s.Files}}
		}
	}
}

// encodeArtifacts are the renditions and pictures of a group, each with the
// arguments that it would have alone: which others are made beside it changes
// from run to run, as outputs get done. That it may then be scaled from another
// size is no difference that anybody asked for.
func (p *planner) encodeArtifacts(g *decodeGroup) []Artifact {
	var parts []Artifact
	for _, v := range g.videos {
		alone := *v
		alone.name = "part." + suffix(v.name)
		args := func() []string {
			return p.encodeStep(&decodeGroup{window: g.window, videos: []*renditionNode{&alone}}).FFmpegArgs()
		}
		part := Artifact{KeyInputs: args(), Files: []string{v.name}}
		if !v.tailed {
			// A file that can be read while it grows can be read later too.
			alone.tailed = true
			part.Substitutes = [][]string{args()}
		}
		parts = append(parts, part)
	}
	for _, st := range g.thumbnails {
		alone := *st
		alone.dir = "part"
		s := p.encodeStep(&decodeGroup{window: g.window, thumbnails: []*thumbnails{&alone}})
		parts = append(parts, Artifact{KeyInputs: s.FFmpegArgs(), Files: []string{st.pattern()}})
	}
	return parts
}

// keyInputs is the step's arguments and those of the steps that it needs, with
// the names of files, which are numbered by what else is in the plan, left out.
func keyInputs(s Step, steps []Step) []string {
	var all []string
	names := slices.Clone(s.Files)
	for _, need := range s.Needs {
		at := slices.IndexFunc(steps, func(s Step) bool { return s.ID == need })
		all = append(all, keyInputs(steps[at], steps)...)
		names = append(names, steps[at].Files...)
	}
	for _, a := range s.FFmpegArgs() {
		if i := slices.Index(names, a); i >= 0 {
			a = fmt.Sprintf("part%d.%s", i+1, suffix(a))
		}
		all = append(all, a)
	}
	return all
}
