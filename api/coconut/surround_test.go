package coconut

import (
	"fmt"
	"strings"
	"testing"
)

func TestSurround(t *testing.T) {
	for params, words := range map[string]string{
		`"hls": "/hls", "surround": "yes"`:                        "",
		`"hls": "/hls", "surround": false`:                        "",
		`"hls": "/hls", "surround": "EAC3"`:                       "",
		`"hls": "/hls", "surround": ["eac3", "ac3", "eac3"]`:      "",
		`"hls": "/hls", "surround": "dts"`:                        "array of",
		`"hls": "/hls", "surround": ["ac3", 6]`:                   "array of",
		`"hls": "/hls", "surround": {"codec": "ac3"}`:             "array of",
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
		want := map[string]string{"yes": "[ac3]", "EAC3": "[eac3]", "eac3": "[eac3 ac3]", "false": "[]"}
		_, asked, _ := strings.Cut(params, `"surround": `)
		asked, _, _ = strings.Cut(strings.TrimLeft(asked, `["`), `"`)
		if err != nil || fmt.Sprint(o.Stream.Surround) != want[asked] {
			t.Errorf("%s: %v, %v", params, o.Stream, err)
		}
	}
}
