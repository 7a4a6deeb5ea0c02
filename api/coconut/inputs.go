package coconut

import (
	"fmt"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// maxInputs bounds 'inputs': ffmpeg opens all of them at once.
const maxInputs = 20

// source decodes 'input', or 'inputs', an addition to Coconut: parts that are joined to
// one.
func (d *decoder) source(root *value) job.Input {
	parts := root.get("inputs")
	one := root.get("input")
	given := one != nil && !blank(one)
	if parts == nil || blank(parts) || given && parts.kind == kindList && len(parts.list) == 0 {
		return d.input(one, root.misspelt("input"))
	}
	if given {
		d.refuse(job.InputNotValid, "The job has both 'input' and 'inputs'; expected one of them.")
		return job.Input{}
	}
	if parts.kind != kindList || len(parts.list) == 0 || len(parts.list) > maxInputs {
		d.refuse(job.InputNotValid, "The job 'inputs' is not valid: got %s, expected an array of 1 to %d inputs, such as [{\"url\": \"https://example.com/a.mp4\", \"offset\": 10, \"duration\": 5}].", parts.describe(), maxInputs)
		return job.Input{}
	}
	in := job.Input{}
	files := 0
	for i, e := range parts.list {
		p := d.inputPart(fmt.Sprintf("inputs[%d]", i), e)
		if p.Black == 0 {
			files++
		}
		in.Parts = append(in.Parts, p)
	}
	if files == 0 {
		d.refuse(job.InputNotValid, "The job 'inputs' is not valid: all of them are black, expected a 'url' in one at least.")
	}
	return in
}

// inputPart decodes an element of 'inputs'. Other members than those of a part are those
// of an input.
func (d *decoder) inputPart(name string, v *value) job.InputPart {
	if v.kind != kindHash || len(v.members) == 0 {
		d.refuse(job.InputNotValid, "The job '%s' is not a valid object: got %s, expected an input such as {\"url\": \"https://example.com/a.mp4\"}.", name, v.describe())
		return job.InputPart{}
	}
	h := d.section(name, job.InputNotValid, v)
	p := job.InputPart{
		Offset: h.number("offset", 0, 0, maxSeconds), Duration: h.number("duration", 0, 0, maxSeconds),
		FadeIn: h.number("fade_in", 0, 0, 60), FadeOut: h.number("fade_out", 0, 0, 60), Black: h.number("black", 0, 0, 600),
	}
	if p.Black > 0 {
		h.only("black")
		return p
	}
	p.Input = d.location(name, v)
	return p
}

// refuseCopies refuses outputs that copy from an input that is joined: there is nothing of
// the customer's to copy.
func (d *decoder) refuseCopies(outputs []*output) {
	for _, o := range outputs {
		if o.Video != nil && (o.Format.VideoCodec() == format.Copy || o.Format.AudioCodec() == format.Copy) {
			d.refuse(job.OutputFormatNotValid, "The output '%s' is not valid: 'inputs' are brought to one size and rate, so nothing can be copied from them; name a codec.", shorten(o.name))
		}
	}
}
