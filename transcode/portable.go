package transcode

import "slices"

// Portable reports whether another machine can run the step: it reads nothing but the
// source and what is fetched, and all that it makes is in its artifacts.
func (s Step) Portable() bool {
	op := s.Op.FFmpeg
	if op == nil || len(op.Inputs) > 0 || len(s.Needs)+len(s.Reads) > 0 || s.Tail.Name != "" || len(s.Artifacts) == 0 {
		return false
	}
	return !slices.ContainsFunc(s.Files, func(name string) bool { return !s.isArtifact(name) })
}

func (s Step) isArtifact(name string) bool {
	return slices.ContainsFunc(s.Artifacts, func(a Artifact) bool { return slices.Contains(a.Files, name) })
}

// Alone returns a plan of one step of p, for another machine, with what the step
// needs of the fetches and secrets. Its only output is the step itself.
func (p Plan) Alone(s Step) Plan {
	alone := Plan{Secrets: Secrets{}}
	for _, f := range p.Fetches {
		if !slices.Contains(s.FFmpegArgs(), f.Name) {
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
