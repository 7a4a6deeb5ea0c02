// Package coconut is the wire format of the Coconut API v2: it decodes and
// validates job requests, and encodes jobs, metadata, webhook payloads and errors.
// It is pure: bytes to types of package job, and back.
//
// Decoding has two stages. DecodeJob decodes the request at POST and refuses what
// can be refused then. Of a value with expressions it checks only the syntax;
// ResolveOutput evaluates it after the probe and decodes the output again. Features
// that the API knows and this server lacks are decoded too, and refused in
// supported.go.
//
// Requests are decoded leniently, because published clients and users write the
// same values in different ways. hash.go has the rules; coconut-v2.md sections 1.7,
// 3.4, 5.1 and 10 tell which clients need them.
package coconut

import (
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// DecodeJob decodes the body of POST /v2/jobs. The error is always a *job.Error
// with status 400.
func DecodeJob(body []byte) (*job.Spec, error) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	d := &decoder{}
	spec := &job.Spec{}
	// In the order of Coconut's documentation: the test suites of clients send
	// requests with several errors and expect the first one.
	spec.Settings = d.settings(root.get("settings"))
	spec.Input = d.source(root)
	spec.Storage = d.storage(root.get("storage"), needStorage(root.get("outputs")), root.misspelt("storage"))
	var decoded []*output
	spec.Outputs, decoded = d.outputs(root.get("outputs"), root.misspelt("outputs"))
	spec.Notification = d.notification(root.get("notification"))
	spec.Metadata = d.metadata(root.get("metadata"))
	if spec.Settings.EarlyPlayback && !slices.ContainsFunc(spec.Outputs, func(o job.OutputRequest) bool { return o.Type == job.TypeStream }) {
		d.refuse(job.SettingsNotValid, "The setting 'early_playback' is not valid: it is for jobs with an output 'httpstream', and there is none.")
	}
	for _, o := range decoded {
		if d.err == nil {
			d.err = unsupportedOutput(o)
		}
	}
	if spec.Input.Joined() {
		d.refuseCopies(decoded)
	}
	if d.err != nil {
		return nil, d.err
	}
	return spec, nil
}

// copyModes are the values of the setting and of the param 'copy', an addition to
// Coconut.
var copyModes = []string{"auto", "off"}

// settings decodes the settings. Unknown ones are ignored, like unknown members of
// the job.
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
		Encoder:     h.oneOf("encoder", "", format.Encoders...),
		Copy:        h.oneOf("copy", "", copyModes...),

		EarlyPlayback: h.boolean("early_playback"),
	}
}
