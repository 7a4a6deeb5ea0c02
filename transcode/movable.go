package transcode

import "slices"

// Movable reports whether nothing needs a result's file once it is uploaded: it was muxed
// for one output, and no step and no artifact has it. So it may be given away.
func (p Plan) Movable(name string) bool {
	muxed := false
	for _, s := range p.Steps {
		if slices.Contains(s.Reads, name) || s.Tail.Name == name {
			return false
		}
		if !slices.Contains(s.Files, name) {
			continue
		}
		if s.Kind != StepMux && s.Kind != StepDuration || len(s.Outputs) != 1 || len(s.Artifacts) > 0 {
			return false
		}
		muxed = true
	}
	return muxed
}
