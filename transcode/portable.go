package transcode

import (
	"slices"
	"strings"
)

// Portable reports whether another machine can run the step: it reads nothing but the
// source and what is fetched, all that it makes is in its artifacts, and it encodes on
// no device, of which that machine may have none.
func (s Step) Portable() bool {
	op := s.Op.FFmpeg
	if op == nil || len(s.Devices) > 0 || slices.ContainsFunc(op.Inputs, secretInput) || len(s.Needs)+len(s.Reads) > 0 || s.Tail.Name != "" || len(s.Artifacts) == 0 {
		return false
	}
	return !slices.ContainsFunc(s.Files, func(name string) bool { return !s.isArtifact(name) })
}

func secretInput(f InputFile) bool { return f.Secret != "" }

func (s Step) isArtifact(name string) bool {
	return slices.ContainsFunc(s.Artifacts, func(a Artifact) bool { return slices.Contains(a.Files, name) })
}

// Alone returns a plan of one step of p, for another machine, with what the step
// needs of the fetches and secrets. Its only output is the step itself.
func (p Plan) Alone(s Step) Plan {
	alone := Plan{Secrets: Secrets{}}
	for _, f := range p.Fetches {
		// Pictures are inputs, LUTs are named in a filter.
		if names := func(arg string) bool { return strings.Contains(arg, f.Name) }; !slices.ContainsFunc(s.FFmpegArgs(), names) {
			continue
		}
		alone.Secrets[f.URL] = p.Secrets[f.URL]
		f.Outputs = []int{0}
		alone.Fetches = append(alone.Fetches, f)
	}
	s.Outputs = []int{0}
	alone.Steps = []Step{s}
	return alone
}
