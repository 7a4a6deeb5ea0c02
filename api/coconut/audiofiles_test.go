package coconut

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

// TestAudioFiles decodes sound of other files in all its forms.
func TestAudioFiles(t *testing.T) {
	for in, want := range map[string][]job.AudioFile{
		`"https://a/1.m4a?x=1,2"`: {{URL: job.NewSecret("https://a/1.m4a?x=1,2")}},
		`[], "loudness": -14`:     nil,
		`false`:                   nil,
		`[{"url": "https://a/1", "language": "deu", "name": "Deutsch", "default": "1", "role": "description"}, "https://a/2"]`: {
			{URL: job.NewSecret("https://a/1"), Language: "de", Name: "Deutsch", Default: true, Role: job.AudioDescription}, {URL: job.NewSecret("https://a/2")},
		},
	} {
		spec, err := DecodeJob(body(`outputs: {"httpstream": {"hls": "/hls", "audio": ` + in + `}}`))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		o, err := ResolveOutput(spec.Outputs[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, o.Stream.Audio, secrets); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

// TestAudioFilesRefused says what is wrong with sound of other files.
func TestAudioFilesRefused(t *testing.T) {
	for outputs, want := range map[string]string{
		`"httpstream": {"hls": "/hls", "audio": [{"language": "en"}]}`:                                                         "'audio.url' of the output 'httpstream' is missing",
		`"httpstream": {"hls": "/hls", "audio": 5}`:                                                                            "expected an array of tracks",
		`"httpstream": {"hls": "/hls", "audio": ["file:///etc/passwd"]}`:                                                       "has the scheme 'file'",
		`"httpstream": {"hls": "/hls", "audio": [{"url": "https://u:secret@a/1", "role": "director"}]}`:                        "dub, commentary, description, clear_speech",
		`"httpstream": {"hls": "/hls", "audio": [{"url": "https://u:secret@a/1", "language": "klingon-speak-me"}]}`:            "a language tag such as en",
		`"httpstream": {"hls": "/hls", "audio": [{"url": "https://a/1", "channels": 6}]}`:                                      "accepted are url, language, name, default, role",
		`"httpstream": {"hls": "/hls", "audio": [{"url": "https://a/1", "default": 1}, {"url": "https://a/2", "default": 1}]}`: "only one of them",
		`"httpstream": {"hls": {"path": "/hls", "version": 3}, "audio": "https://a/1"}`:                                        "have no tracks to choose from",
		`"httpstream": {"hls": "/hls", "variants": ["mp4:360p:x"], "audio": "https://a/1"}`:                                    "no variant has audio",
		`"httpstream": {"hls": "/hls", "audio": [` + strings.Repeat(`"https://a/1",`, 20) + `"https://a/1"]}`:                  "at most 20",
		`"jpg": {"path": "/a.jpg", "audio": ["https://a/1"]}`:                                                                  "it is a param of httpstream",
		`"mp4": {"path": "/a.mp4", "audio": "https://a/1"}`:                                                                    "'format'",
	} {
		_, err := DecodeJob(body(`outputs: {` + outputs + `}`))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.90s: %v, want %q", outputs, err, want)
		}
	}
}
