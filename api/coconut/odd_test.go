package coconut

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/copra-video/copra/transcode/expr"
)

// rich is a request with every known member.
const rich = `{"settings": {"ultrafast": true, "priority": 1, "max_duration": 60},
"input": {"service": "s3", "bucket": "b", "region": "r", "endpoint": "https://e", "key": "k", "credentials": {"access_key_id": "a", "secret_access_key": "b"}},
"storage": {"service": "s3", "bucket": "b", "region": "r", "path": "/p", "secure": true, "acl": "private", "storage_class": "GLACIER", "expires": "x", "cache_control": "y", "force_path_style": true, "endpoint": "https://e", "credentials": {"access_key_id": "a", "secret_access_key": "b"}},
"outputs": {
 "mp4": [{"path": "/a.mp4", "key": "k1", "if": "{{ input.width }} > 1", "offset": 1, "duration": 2, "fit": "pad", "transpose": null, "vflip": false, "hflip": false, "deinterlace": false, "square": false, "crop": "", "watermark": false, "url": "",
   "format": {"resolution": "{% input.width / 2 %}x", "video_codec": "h264", "video_bitrate": "500k", "fps": "25fps", "audio_codec": "aac", "audio_bitrate": 128, "sample_rate": "44100hz", "audio_channel": "stereo", "quality": 4, "maxrate": "900k"}}, "/b.mp4"],
 "jpg:300x": {"path": "/%d.jpg", "number": 3, "interval": "", "offsets": [], "blur": 0, "sprite": false, "vtt": false, "format": {"resolution": "200x"}},
 "png": {"path": "/%d.png", "offsets": [1, "2"]},
 "httpstream": {"path": "/s", "variants": ["mp4:360p", "mp4:x:64k"], "playlist_name": "m", "hls": {"path": "hls", "version": null}, "dash": {"path": "dash", "hlsfmp4": true}}},
"notification": {"type": "http", "url": "https://a/b", "params": {"a": 1}, "metadata": true, "events": false, "region": "r", "topic_arn": "t", "credentials": {}}}`

// TestOddValues replaces each value of a rich request by each odd value. The result
// is either accepted, and can be decoded and resolved again, or refused with a
// reason and a message. None panics.
func TestOddValues(t *testing.T) {
	if _, err := DecodeJob([]byte(rich)); err != nil {
		t.Fatalf("the request itself is refused: %v", err)
	}
	odd := []string{
		`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e999`, `99999999999999999999`, `""`, `" "`, `"x"`, `"5"`, `"-"`, `"null"`, `"a\u0000b"`, `"../.."`, `"/"`,
		`"{{ input.width }}"`, `"{{ input.nothing }}"`, `"{{"`, `"{% array() %}"`, `"{% array(1, 'a', true) %}"`, `"{% 1 / 0 %}"`, `"%s%d%n"`, `"mp4:720p"`, `"https://a/b"`,
		`[]`, `[null]`, `[[]]`, `[{}]`, `[1, 2]`, `["a"]`, `{}`, `{"a": null}`, `{"": ""}`, `{"path": "/x"}`, `{"url": []}`,
		`"` + strings.Repeat("x", 5000) + `"`, strings.Repeat("[", 20) + strings.Repeat("]", 20),
	}
	root, err := parseBody([]byte(rich))
	if err != nil {
		t.Fatal(err)
	}
	vars := Vars(phone())
	accepted, refused := 0, 0
	eachValue(root, func(v *value) {
		was := *v
		for _, text := range odd {
			*v = value{raw: json.RawMessage(text), kind: -1}
			b := []byte(spell(root))
			spec, err := DecodeJob(b)
			if err != nil {
				refused++
				fuzzRefused(t, err)
				continue
			}
			accepted++
			for _, o := range spec.Outputs {
				for _, vars := range []expr.Vars{vars, nil} {
					if _, err := ResolveOutput(o, vars); err != nil {
						fuzzRefused(t, err)
						if !hasExpressions(t, o) {
							t.Errorf("accepted, then refused: %v\n%s", err, o.Raw)
						}
					}
				}
			}
		}
		*v = was
	})
	if accepted < 500 || refused < 1000 {
		t.Errorf("%d accepted, %d refused: the test does not reach both", accepted, refused)
	}
}

func eachValue(v *value, do func(*value)) {
	for _, m := range v.members {
		eachValue(m.value, do)
	}
	for _, e := range v.list {
		eachValue(e, do)
	}
	do(v)
}

// spell encodes a tree as JSON, with raw values unchanged.
func spell(v *value) string {
	var parts []string
	switch v.kind {
	case kindHash:
		for _, m := range v.members {
			parts = append(parts, fmt.Sprintf("%q:%s", m.name, spell(m.value)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case kindList:
		for _, e := range v.list {
			parts = append(parts, spell(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return string(v.raw)
}
