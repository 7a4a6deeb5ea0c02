package coconut

import (
	"strings"
	"testing"
)

func TestSurround(t *testing.T) {
	for params, words := range map[string]string{
		`"hls": "/hls", "surround": "yes"`:                        "",
		`"hls": "/hls", "surround": false`:                        "",
		`"hls": "/hls", "surround": "ac3"`:                        "true or false",
		`"hls": {"path": "/hls", "version": 3}, "surround": true`: "leave out one of the two",
		`"hls": "/hls", "hls_encryption_key": "30313233343536373839616263646566", "hls_encryption_key_uri": "https://a/k", "surround": true`: "leave out one of the two",
	} {
		spec, err := DecodeJob(body(`outputs: {"httpstream": {` + params + `}}`))
		if words != "" {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want %q", params, err, words)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", params, err)
			continue
		}
		o, err := ResolveOutput(spec.Outputs[0], nil)
		if want := strings.Contains(params, "yes"); err != nil || o.Stream.Surround != want {
			t.Errorf("%s: %v, %v", params, o.Stream, err)
		}
	}
}
