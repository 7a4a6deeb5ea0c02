package coconut

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

// TestCaptions decodes captions in all their forms, and those of version 1.
func TestCaptions(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []job.Captions
	}{
		{`"captions": "https://a/en.srt?x=1,2"`, []job.Captions{{URL: job.NewSecret("https://a/en.srt?x=1,2")}}},
		{`"captions": {"url": "https://a/1", "language": "eng"}`, []job.Captions{{URL: job.NewSecret("https://a/1"), Language: "en"}}},
		{`"captions": [{"url": "sftp://u:p@a/1", "language": "PT-br", "name": "Legendas", "default": "1", "forced": true, "sdh": "yes", "charset": "Latin1"}, "https://a/2"]`,
			[]job.Captions{{URL: job.NewSecret("sftp://u:p@a/1"), Language: "pt-BR", Name: "Legendas", Default: true, Forced: true, SDH: true, Charset: "Latin1"}, {URL: job.NewSecret("https://a/2")}}},
		{`"captions": {"speech": true}`, []job.Captions{{Speech: true}}},
		{`"captions": ["https://a/1", {"speech": "yes", "url": "", "language": "de", "name": "Deutsch", "sdh": false}]`,
			[]job.Captions{{URL: job.NewSecret("https://a/1")}, {Speech: true, Language: "de", Name: "Deutsch"}}},
		{`"captions": []`, nil}, {`"captions": false`, nil}, {`"captions": null`, nil},
		{`"caption_urls": "https://a/1?x=1,2, https://a/2", "caption_languages": "en,fr", "caption_names": ["English"]`,
			[]job.Captions{{URL: job.NewSecret("https://a/1?x=1,2"), Language: "en", Name: "English"}, {URL: job.NewSecret("https://a/2"), Language: "fr"}}},
	} {
		for _, kind := range []string{`"mp4": {"path": "/a.mp4", `, `"httpstream": {"hls": "/hls", `} {
			spec, err := DecodeJob(body(`outputs: {` + kind + c.in + `}}`))
			if err != nil {
				t.Errorf("%s: %v", c.in, err)
				continue
			}
			o, err := ResolveOutput(spec.Outputs[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []job.Captions
			if o.Stream != nil {
				got = o.Stream.Captions
			} else {
				got = o.Video.Captions
			}
			if d := cmp.Diff(c.want, got, secrets); d != "" {
				t.Errorf("%s: %s", c.in, d)
			}
		}
	}
}

// TestCaptionsRefused says what is wrong with captions.
func TestCaptionsRefused(t *testing.T) {
	for outputs, want := range map[string]string{
		`"mp4": {"path": "/a.mp4", "captions": [{"language": "en"}]}`:                                                         "'captions.url' of the output 'mp4' is missing",
		`"mp4": {"path": "/a.mp4", "captions": [{"url": "file:///etc/passwd"}]}`:                                              "has the scheme 'file'",
		`"mp4": {"path": "/a.mp4", "captions": [{"url": "https://u:secret@a/1", "language": "klingon-speak-me"}]}`:            "a language tag such as en",
		`"mp4": {"path": "/a.mp4", "captions": [{"url": "https://a/1", "charset": "utf-7up"}]}`:                               "a charset such as utf-8",
		`"mp4": {"path": "/a.mp4", "captions": [{"url": "https://a/1", "name": "a\"b"}]}`:                                     "without any of",
		`"mp4": {"path": "/a.mp4", "captions": [{"url": "https://a/1", "src": "x"}]}`:                                         "accepted are url, speech, language, name",
		`"mp4": {"path": "/a.mp4", "captions": 5}`:                                                                            "expected an array of captions",
		`"mp4": {"path": "/a.mp4", "captions": [{"url": "https://a/1", "default": 1}, {"url": "https://a/2", "default": 1}]}`: "only one of them",
		`"mp4": {"path": "/a.mp4", "captions": [{"speech": false}]}`:                                                          "'captions.url' of the output 'mp4' is missing",
		`"mp4": {"path": "/a.mp4", "captions": [{"speech": "en"}]}`:                                                           "expected true or false",
		`"mp4": {"path": "/a.mp4", "captions": [{"speech": true, "url": "https://a/1"}]}`:                                     "leave out 'url'",
		`"mp4": {"path": "/a.mp4", "captions": [{"speech": true, "charset": "utf-8"}]}`:                                       "leave out 'charset'",
		`"mp4": {"path": "/a.mp4", "captions": [{"speech": true}, {"speech": true, "language": "de"}]}`:                       "only one of them can be of the 'speech'",
		`"webm": {"path": "/a.webm", "captions": [{"speech": true}]}`:                                                         "not into webm",
		`"webm": {"path": "/a.webm", "captions": ["https://a/1"]}`:                                                            "mp4, mov, mkv and httpstream, and not into webm",
		`"mp3": {"path": "/a.mp3", "captions": ["https://a/1"]}`:                                                              "not into mp3",
		`"mp4:720p::frag": {"path": "/a.mp4", "captions": ["https://a/1"]}`:                                                   "leave out 'frag'",
		`"jpg": {"path": "/a.jpg", "captions": ["https://a/1"]}`:                                                              "it is a param of files with video or audio",
		`"httpstream": {"hls": {"path": "/hls", "version": 3}, "captions": ["https://a/1"]}`:                                  "know no captions",
		`"mp4": {"path": "/a.mp4", "subtitles": ["https://a/1"]}`:                                                             "text from a file is 'captions'",
		`"mp4": {"path": "/a.mp4", "caption_urls": ["https://a/1"], "caption_names": ["a", "b"]}`:                             "no more of them than 'caption_urls'",
		`"mp4": {"path": "/a.mp4", "captions": [` + strings.Repeat(`"https://a/1",`, 50) + `"https://a/1"]}`:                  "at most 50",
	} {
		_, err := DecodeJob(body(`outputs: {` + outputs + `}`))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.90s: %v, want %q", outputs, err, want)
		}
	}
}
