package coconut

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
)

// FuzzDecodeJob checks that no body makes the decoder panic. An error must be a
// *job.Error with reason and message. An accepted job must have unique keys, must be
// decoded from its Raw with the same result, and must not panic when evaluated.
func FuzzDecodeJob(f *testing.F) {
	for _, b := range [][]byte{
		body(), nil, []byte("[]"), []byte(`{"a": {"b": [1, null, true, "x"]}}`),
		body(`settings: {"ultrafast": "1"}`, `notification: {"url": "https://a/b", "params": {"a": {"b": [1]}}}`),
		body(`input: {"service": "s3", "bucket": "b", "region": "r", "key": "/k", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`),
		body(`outputs: {"mp4": [{"path": "/a.mp4", "format": {"resolution": "{% input.width / 2 %}x"}}, "/b.mp4", {"key": "k", "path": "/{{ input.format }}", "if": "{{ input.width }} > 3"}]}`),
		body(`outputs: {"jpg:300x": {"path": "/a_%.2d.jpg", "number": "{{ input.duration }}", "offsets": "{% array(1, 2) %}"}}`),
		body(`outputs: {"jpg": {"path": "/a.jpg", "interval": 3, "sprite": {"columns": 3}, "vtt": true}, "gif": {"path": "/a.gif", "scene": {"number": 2}}}`),
		body(`outputs: {"httpstream": {"path": "/x", "hls": {"path": "hls/", "version": 3, "variants": ["mp4:360p"]}, "dash": {"path": "/dash", "hlsfmp4": 1}, "playlist_name": "p"}}`),
		body(`storage: {"service": "azure", "container": "c", "credentials": {"account": "a", "access_key": "b"}}`),
		body(`storage: {"url": "ftp://u:p@h/d"}`), body(`outputs: {"mp4": {"url": "https://a/b"}}`, "storage:"),
	} {
		f.Add(b)
	}
	vars := Vars(phone())
	f.Fuzz(func(t *testing.T, b []byte) {
		spec, err := DecodeJob(b)
		if err != nil {
			fuzzRefused(t, err)
			return
		}
		seen := map[string]bool{}
		for _, o := range spec.Outputs {
			if seen[o.Key] || o.Key == "" {
				t.Errorf("the key %q is not unique", o.Key)
			}
			seen[o.Key] = true
			if !json.Valid(o.Raw) {
				t.Errorf("raw is not JSON: %s", o.Raw)
			}
			for _, v := range []expr.Vars{vars, nil} {
				resolved, err := ResolveOutput(o, v)
				if err != nil {
					fuzzRefused(t, err)
					if !hasExpressions(t, o) {
						t.Errorf("accepted, then refused: %v", err)
					}
					continue
				}
				if resolved.Key != o.Key || resolved.Type != o.Type {
					t.Errorf("resolved to %s %s, was %s %s", resolved.Key, resolved.Type, o.Key, o.Type)
				}
			}
			if _, err := EvalCondition(o, vars); err != nil {
				fuzzRefused(t, err)
			}
		}
		if !json.Valid(EncodeJob(job.NewState("id", created, spec.Outputs))) {
			t.Error("the job does not encode")
		}
	})
}

func fuzzRefused(t *testing.T, err error) {
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e == nil || e.Reason.Status() != 400 || e.Message == "" {
		t.Errorf("not a customer's error: %#v", err)
		return
	}
	if len(e.Message) > 4096 {
		t.Errorf("a message of %d bytes: %.300s", len(e.Message), e.Message)
	}
	if !json.Valid(EncodeError(e)) {
		t.Error("the error does not encode")
	}
}
