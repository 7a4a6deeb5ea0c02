// Package preview says what a request would do, without doing any of it: whether it
// is accepted, what becomes of each output, and which steps the planner would make
// for an input that is assumed or known. It is pure.
package preview

import (
	"errors"
	"slices"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/format"
)

// Preview is what a request would do. Its JSON is the answer to POST /v2/validate.
type Preview struct {
	Valid   bool   `json:"valid"` // the request would be accepted
	Message string `json:"message,omitempty"`
	// Code is the error code of a request that would be refused.
	Code    job.Reason `json:"error_code,omitzero"`
	Input   Input      `json:"input"`
	Outputs []Output   `json:"outputs"`
	Steps   []Step     `json:"steps"`
	// WorkBytes is how much of the work directory the steps take at most, besides
	// the input: an estimate where a rate has no bound.
	WorkBytes int64 `json:"work_bytes"`
}

// Input is the input that the steps are planned for: what is assumed of it, or the main
// facts of what is known.
type Input struct {
	Width    int     `json:"width"` // pixels; 0: it has no video
	Height   int     `json:"height"`
	FPS      int     `json:"fps"`      // frames a second, rounded up
	Duration float64 `json:"duration"` // seconds
}

// DefaultInput is assumed where nothing is known of the input.
var DefaultInput = Input{Width: 1920, Height: 1080, FPS: 25, Duration: 60}

// The results of an output.
const (
	Made    = "made"
	Skipped = "skipped" // its condition is false for this input
	Refused = "refused" // it cannot be made from this input
)

// Output is what becomes of an output.
type Output struct {
	Key     string         `json:"key"`
	Type    job.OutputType `json:"type"`
	Format  string         `json:"format"`
	Result  string         `json:"result"`
	Message string         `json:"message,omitempty"`
	Code    job.Reason     `json:"error_code,omitzero"`
	// Note says how it is made, where that is worth a word.
	Note string `json:"note,omitempty"`
}

// Step is a step of the plan, with the keys of the outputs that need it.
type Step struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind"`
	Needs        []string `json:"needs"`
	Outputs      []string `json:"outputs"`
	VideoEncodes int      `json:"video_encodes"`
	AudioEncodes int      `json:"audio_encodes"`
}

// Of returns what the request in body would do for an input that is as in says, H.264 and
// stereo AAC in MP4, planned with o. If it would be refused, the Preview says why.
func Of(body []byte, in Input, o transcode.Options) Preview { return of(body, in, in.media(), o) }

// For is Of for an input that was probed.
func For(body []byte, media job.Media, o transcode.Options) Preview {
	in := Input{Duration: media.Duration}
	if len(media.Video) > 0 {
		v := media.Video[0]
		in.Width, in.Height = v.Width, v.Height
		if v.FPS.Den > 0 {
			in.FPS = (v.FPS.Num + v.FPS.Den - 1) / v.FPS.Den
		}
	}
	return of(body, in, media, o)
}

// MediaOf is the input of a job as a worker has probed it. The error is a *job.Error while
// none has.
func MediaOf(s job.State) (job.Media, error) {
	if len(s.Input.Metadata) == 0 {
		return job.Media{}, job.Errorf(job.QueryNotValid, "The input of the job %s has not been read, so nothing is known of it: leave out 'job', and describe an input with width, height, fps and duration.", s.ID)
	}
	return job.ParseMedia(s.Input.Metadata)
}

func of(body []byte, in Input, media job.Media, o transcode.Options) Preview {
	p := Preview{Input: in, Outputs: []Output{}, Steps: []Step{}}
	spec, err := coconut.DecodeJob(body)
	if err != nil {
		p.Message, p.Code = explain(err)
		return p
	}
	p.Valid = true
	vars := coconut.Vars(media)
	resolved := make([]*job.Output, len(spec.Outputs))
	for i, req := range spec.Outputs {
		out := Output{Key: req.Key, Type: req.Type, Format: req.Format, Result: Made}
		wanted, err := coconut.EvalCondition(req, vars)
		switch {
		case err != nil:
			out.refuse(err)
		case !wanted:
			out.Result = Skipped
		default:
			if resolved[i], err = coconut.ResolveOutput(req, vars); err != nil {
				resolved[i] = nil
				out.refuse(err)
			}
		}
		p.Outputs = append(p.Outputs, out)
	}
	o.Copy = spec.Settings.Copy
	if spec.Input.Joined() {
		p.join(resolved)
	}
	p.plan(transcode.Build(resolved, media, o), resolved)
	return p
}

// join adds the step that makes one input of several, before all others.
func (p *Preview) join(outputs []*job.Output) {
	s := Step{ID: "parts", Kind: string(transcode.StepJoin), Needs: []string{}, Outputs: []string{}, VideoEncodes: 1}
	for i, o := range outputs {
		if o != nil {
			s.Outputs = append(s.Outputs, p.Outputs[i].Key)
		}
	}
	p.Steps = append(p.Steps, s)
}

// plan adds the steps, and says which outputs cannot be made.
func (p *Preview) plan(plan transcode.Plan, outputs []*job.Output) {
	for i, r := range plan.Results {
		if outputs[i] != nil && r.Err != nil {
			p.Outputs[i].refuse(r.Err)
		}
	}
	for _, n := range plan.Notes {
		for _, i := range n.Outputs {
			p.Outputs[i].Note = n.Text
		}
	}
	for _, s := range plan.Steps {
		step := Step{ID: s.ID, Kind: string(s.Kind), Needs: append([]string{}, s.Needs...), Outputs: []string{}, VideoEncodes: s.VideoEncodes, AudioEncodes: s.AudioEncodes}
		for _, i := range s.Outputs {
			if key := p.Outputs[i].Key; !slices.Contains(step.Outputs, key) {
				step.Outputs = append(step.Outputs, key)
			}
		}
		p.Steps = append(p.Steps, step)
	}
	p.WorkBytes = plan.Space.Bytes
}

func (o *Output) refuse(err error) {
	o.Result = Refused
	o.Message, o.Code = explain(err)
}

func explain(err error) (message string, code job.Reason) {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e.Message, e.Reason
	}
	return job.InternalError.Message(), job.InternalError
}

// media describes the input as a probe would: H.264 and stereo AAC in MP4.
func (in Input) media() job.Media {
	fps := format.Rational{Num: in.FPS, Den: 1}
	return job.Media{
		FormatName: "mov,mp4,m4a,3gp,3g2,mj2", Duration: in.Duration,
		Video: []job.VideoStream{{
			Codec: "h264", Profile: "High", Width: in.Width, Height: in.Height, SAR: format.Rational{Num: 1, Den: 1},
			PixFmt: "yuv420p", BitDepth: 8, FieldOrder: "progressive", FPS: fps, BaseFPS: fps, Duration: in.Duration, Default: true,
			GOPs: in.gops(),
		}},
		Audio: []job.AudioStream{{Index: 1, Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 2, ChannelLayout: "stereo", Duration: in.Duration, Default: true}},
	}
}

// gops are closed GOPs of two seconds, whose bitrate is below all that is asked for.
func (in Input) gops() *job.GOPs {
	g := &job.GOPs{Longest: 2}
	for at := 0.0; at < max(1, in.Duration) && len(g.Keyframes) < 100_000; at += 2 {
		g.Keyframes = append(g.Keyframes, at)
	}
	return g
}
