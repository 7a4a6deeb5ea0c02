package coconut

import (
	"fmt"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
)

const (
	maxOutputs = 30
	maxKey     = 255 // bytes
)

// entry is one output of the request.
type entry struct {
	mapKey string
	value  *value
}

// entries lists the outputs in the order of the request. A value that is an array
// contains several outputs of one format, except for an empty array, which is
// PHP's encoding of an empty hash.
func entries(outputs *value) []entry {
	if outputs == nil {
		return nil
	}
	var all []entry
	for _, m := range outputs.members {
		if m.value.kind != kindList || len(m.value.list) == 0 {
			all = append(all, entry{m.name, m.value})
			continue
		}
		for _, v := range m.value.list {
			all = append(all, entry{m.name, v})
		}
	}
	return all
}

// needStorage reports whether the job must have a storage, that is, whether any
// output has no URL of its own.
func needStorage(outputs *value) bool {
	all := entries(outputs)
	for _, e := range all {
		if u := e.value.get("url"); u == nil || blank(u) {
			return true
		}
	}
	return len(all) == 0
}

// outputs decodes the outputs as far as possible before the probe. It also returns
// them as requests, which ResolveOutput decodes later. misspelt is for the message
// when there are none, see value.misspelt.
func (d *decoder) outputs(v *value, misspelt string) ([]job.OutputRequest, []*output) {
	if v == nil || v.kind != kindHash && !v.isHash() {
		d.refuse(job.OutputsNotValid, "The job 'outputs' is not a valid object: got %s, expected a hash of formats, such as {\"mp4:720p\": {\"path\": \"/video.mp4\"}}%s.", v.describe(), misspelt)
		return nil, nil
	}
	all := entries(v)
	switch {
	case len(all) == 0:
		d.refuse(job.OutputsNotValid, "The job 'outputs' is not a valid object: it is empty, expected at least one output.")
		return nil, nil
	case len(all) > maxOutputs:
		d.refuse(job.OutputsOutOfRange, "The job has %d outputs, at most %d are accepted.", len(all), maxOutputs)
		return nil, nil
	}
	var requests []job.OutputRequest
	var decoded []*output
	for _, e := range all {
		o := d.output(e.mapKey, e.mapKey, e.value, nil)
		if d.err != nil {
			return nil, nil
		}
		request := job.OutputRequest{
			Key:       o.key,
			Type:      o.Type,
			Format:    o.shownFormat,
			MapKey:    e.mapKey,
			Raw:       e.value.raw,
			Condition: o.condition,
		}
		requests, decoded = append(requests, request), append(decoded, o)
	}
	d.keys(requests)
	return requests, decoded
}

// keys gives every output a unique key. Keys of the request stay and must differ.
// Other outputs get their key in the outputs hash, with a number if it is taken:
// mp4:720p, mp4:720p-2, mp4:720p-3.
func (d *decoder) keys(requests []job.OutputRequest) {
	taken := map[string]bool{}
	for _, r := range requests {
		if r.Key == "" {
			continue
		}
		if taken[r.Key] {
			d.refuse(job.OutputParamNotValid, "The param 'key' of the output '%s' is not valid: %s is the key of another output, expected a key of its own.", shorten(r.MapKey), quote(r.Key))
		}
		taken[r.Key] = true
	}
	for i := range requests {
		r := &requests[i]
		if r.Key != "" {
			continue
		}
		r.Key = r.MapKey
		for n := 2; taken[r.Key]; n++ {
			r.Key = fmt.Sprintf("%s-%d", r.MapKey, n)
		}
		taken[r.Key] = true
	}
}

// ResolveOutput evaluates the expressions of an accepted output and decodes it. The
// error is always a *job.Error, with which the output fails.
func ResolveOutput(req job.OutputRequest, vars expr.Vars) (*job.Output, error) {
	v, err := parseRaw(req.Raw)
	if err != nil {
		return nil, err
	}
	if vars == nil {
		vars = expr.Vars{}
	}
	d := &decoder{}
	o := d.output(req.MapKey, req.Key, v, vars)
	if d.err == nil {
		d.err = unsupportedOutput(o)
	}
	if d.err != nil {
		return nil, d.err
	}
	o.Key = req.Key
	return &o.Output, nil
}

// EvalCondition reports whether the condition of an output is true. The error is
// always a *job.Error.
func EvalCondition(req job.OutputRequest, vars expr.Vars) (bool, error) {
	if req.Condition == "" {
		return true, nil
	}
	yes, err := expr.Condition(req.Condition, vars)
	if err != nil {
		return false, job.Errorf(job.OutputParamNotValid, "The condition of the output '%s' couldn't be evaluated: %s.", shorten(req.Key), trimPeriod(err)).WithCause(err)
	}
	return yes, nil
}

// trimPeriod returns the text of err without a full stop at its end.
func trimPeriod(err error) string { return strings.TrimRight(err.Error(), ".") }
