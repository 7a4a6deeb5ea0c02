package coconut

import (
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

func TestBurn(t *testing.T) {
	for in, want := range map[string]job.Burn{
		`"https://a/en.srt"`: {URL: job.NewSecret("https://a/en.srt")},
		`{"url": "https://a/1", "language": "jpn", "charset": "shift_jis"}`: {URL: job.NewSecret("https://a/1"), Language: "ja", Charset: "shift_jis"},
		`{"track": 2}`:                {Track: 2},
		`{"track": "3"}`:              {Track: 3},
		`{"track": "ger", "url": ""}`: {TrackLanguage: "de"},
	} {
		for _, kind := range []string{`"mp4": {"path": "/a.mp4", `, `"httpstream": {"hls": "/hls", `} {
			spec, err := DecodeJob(body(`outputs: {` + kind + `"burn": ` + in + `}}`))
			if err != nil {
				t.Errorf("%s: %v", in, err)
				continue
			}
			o, err := ResolveOutput(spec.Outputs[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			got := (*job.Burn)(nil)
			if o.Stream != nil {
				got = o.Stream.Burn
			} else {
				got = o.Video.Burn
			}
			if got == nil || *got != want {
				t.Errorf("%s: %+v, want %+v", in, got, want)
			}
		}
	}
	for burn, words := range map[string]string{
		`{}`:                                   "expected either 'url'",
		`{"track": 1, "url": "https://a/1"}`:   "expected either 'url'",
		`{"track": 0}`:                         "a whole number",
		`{"track": "klingon-speak-me"}`:        "a language tag",
		`{"track": "und"}`:                     "a number from 1 on",
		`{"track": [1]}`:                       "a number from 1 on",
		`{"track": 1, "charset": "utf-8"}`:     "is of a file",
		`{"url": "file:///etc/passwd"}`:        "scheme",
		`{"url": "https://a/1", "fonts": "x"}`: "fonts",
		`{"url": "https://a/1", "charset": 7}`: "charset",
		`[]`:                                   "",
		`["https://a/1"]`:                      "expected captions to draw",
		`7`:                                    "expected captions to draw",
	} {
		if _, err := DecodeJob(body(`outputs: {"mp4": {"path": "/a.mp4", "burn": ` + burn + `}}`)); words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s: %v, want %q", burn, err, words)
		}
	}
	for outputs, words := range map[string]string{
		`"mp3": {"path": "/a.mp3", "burn": "https://a/1"}`:      "no video",
		`"mp4:copy": {"path": "/a.mp4", "burn": "https://a/1"}`: "keeps the picture as it is",
		`"jpg": {"path": "/a.jpg", "burn": "https://a/1"}`:      "burn",
	} {
		if _, err := DecodeJob(body(`outputs: {` + outputs + `}`)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", outputs, err, words)
		}
	}
}
