// Package coconut is the wire format of the Coconut API v2: it decodes and
// validates a job request, and encodes the job object, the metadata, the
// payloads of webhooks and errors. It is pure: bytes in, types of package job
// out, and back.
//
// Decoding has two halves. DecodeJob reads the request at POST and refuses
// what can be refused then. A value that holds expressions is checked for
// syntax only; ResolveOutput evaluates it after the probe and decodes the
// output strictly. What the API knows and this server cannot do yet is decoded
// like the rest and refused in supported.go.
//
// Requests are read leniently, because clients and people differ: see hash.go
// for how values are read, and coconut-v2.md sections 1.7, 3.4, 5.1 and 10 for
// whom.
package coconut

import (
	"github.com/copra-video/copra/job"
)

// DecodeJob decodes the body of POST /v2/jobs. The error is always a
// *job.Error, to be answered with status 400.
func DecodeJob(body []byte) (*job.Spec, error) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	d := &decoder{}
	spec := &job.Spec{}
	// The order is that of the documentation; clients' tests send requests
	// with several faults and expect the earlier one.
	spec.Settings = d.settings(root.get("settings"))
	spec.Input = d.input(root.get("input"))
	spec.Storage = d.storage(root.get("storage"), needStorage(root.get("outputs")))
	var decoded []*output
	spec.Outputs, decoded = d.outputs(root.get("outputs"))
	spec.Notification = d.notification(root.get("notification"))
	for _, o := range decoded {
		if d.err == nil {
			d.err = unsupportedOutput(o)
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return spec, nil
}

// settings decodes the job's settings. Unknown ones are passed over, as
// api_version and other members of the job are.
func (d *decoder) settings(v *value) job.Settings {
	if v == nil {
		return job.Settings{}
	}
	if !v.isHash() {
		d.refuse(job.SettingsNotValid, "The job 'settings' is not a valid object.")
		return job.Settings{}
	}
	h := d.section("settings", job.SettingsNotValid, v)
	return job.Settings{
		UltraFast:   h.boolean("ultrafast"),
		Priority:    h.integer("priority", 0, -50, 50),
		MaxDuration: h.integer("max_duration", 0, 0, 366*24*3600),
	}
}
