package job

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCards(t *testing.T) {
	out := func(key, raw string) OutputRequest {
		o := OutputRequest{MapKey: key, Raw: json.RawMessage(raw), Type: TypeVideo}
		if key == "httpstream" {
			o.Type = TypeStream
		}
		return o
	}
	plain, qsv := out("mp4:720p", `{"path": "/a.mp4"}`), out("mp4:720p::encoder=qsv", `{"path": "/b.mp4"}`)
	stream := out("httpstream", `{"variants": ["mp4:360p", "mp4:720p::encoder=vaapi"]}`)
	for _, c := range []struct {
		want, setting string // want: joined by spaces
		outputs       []OutputRequest
	}{
		{"", "", []OutputRequest{plain}},
		{"", "software", []OutputRequest{plain}},
		{"", "auto", []OutputRequest{out("httpstream", `{"variants": "mp4:360p"}`)}},
		{"nvenc", "nvenc", []OutputRequest{plain}},
		{"hardware", "hardware", []OutputRequest{plain, out("jpg", `[]`)}},
		{"nvenc qsv vaapi", "nvenc", []OutputRequest{plain, qsv, qsv, stream}},
		{"vaapi", "", []OutputRequest{plain, stream}},
	} {
		s := Spec{Settings: Settings{Encoder: c.setting}, Outputs: c.outputs}
		if got := strings.Join(s.Cards(), " "); got != c.want {
			t.Errorf("%q of %v: %q, want %q", c.setting, c.outputs, got, c.want)
		}
	}
}
