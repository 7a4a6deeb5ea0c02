package coconut

import (
	"errors"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// hinted is a refused request, the words of its message that say what would be right,
// and the request that follows them.
type hinted struct {
	name  string
	wrong string
	words []string
	right string
}

// TestHints: what people send in the wrong place is refused with the place where it
// belongs, and a request that follows the message is accepted.
func TestHints(t *testing.T) {
	outputs := func(s string) []byte { return body("outputs: " + s) }
	for _, c := range []hinted{
		{"resolution beside path", `{"mp4": {"path": "/a.mp4", "resolution": "720p"}}`, []string{"'resolution'", `into 'format', as {"format": {"resolution": "720p"}}`, "watermark"},
			`{"mp4": {"path": "/a.mp4", "format": {"resolution": "720p"}}}`},
		{"quality beside path", `{"mp4:720p": {"path": "/a.mp4", "quality": 4}}`, []string{"'quality'", `{"format": {"quality": 4}}`, `replaces what follows the container in "mp4:720p"`},
			`{"mp4": {"path": "/a.mp4", "format": {"resolution": "720p", "quality": 4}}}`},
		{"resolution of a picture", `{"jpg": {"path": "/a.jpg", "resolution": "300x"}}`, []string{`{"format": {"resolution": "300x"}}`}, `{"jpg": {"path": "/a.jpg", "format": {"resolution": "300x"}}}`},
		{"width and height beside path", `{"mp4": {"path": "/a.mp4", "width": 1280, "height": 720}}`, []string{"'width'", `{"format": {"resolution": "1280x720"}}`}, `{"mp4": {"path": "/a.mp4", "format": {"resolution": "1280x720"}}}`},
		{"width of an animation", `{"gif": {"path": "/a.gif", "width": 320}}`, []string{`{"format": {"resolution": "320x180"}}`}, `{"gif": {"path": "/a.gif", "format": {"resolution": "320x180"}}}`},
		{"bitrate", `{"mp3": {"path": "/a.mp3", "bitrate": "128k"}}`, []string{`"audio_bitrate"`}, `{"mp3": {"path": "/a.mp3", "format": {"audio_bitrate": "128k"}}}`},
		{"block of version 1 for sound", `{"mp3": {"path": "/a.mp3", "audio": {"bitrate": "64k"}}}`, []string{`{"format": {"audio_codec": "mp3", "audio_bitrate": "128k"}}`},
			`{"mp3": {"path": "/a.mp3", "format": {"audio_codec": "mp3", "audio_bitrate": "128k"}}}`},
		{"codec in format", `{"mp3": {"path": "/a.mp3", "format": {"codec": "mp3"}}}`, []string{`it is "audio_codec"`}, `{"mp3": {"path": "/a.mp3", "format": {"audio_codec": "mp3"}}}`},
		{"codec", `{"mp4": {"path": "/a.mp4", "codec": "hevc"}}`, []string{`"video_codec"`}, `{"mp4": {"path": "/a.mp4", "format": {"video_codec": "hevc"}}}`},
		{"frame rate", `{"mp4": {"path": "/a.mp4", "frame_rate": 30}}`, []string{`into 'format', as "fps"`}, `{"mp4": {"path": "/a.mp4", "format": {"fps": 30}}}`},
		{"blocks of version 1", `{"mp4": {"path": "/a.mp4", "video": {"codec": "h264"}}}`, []string{`{"format": {"video_codec": "h264", "audio_bitrate": "128k"}}`},
			`{"mp4": {"path": "/a.mp4", "format": {"video_codec": "h264", "audio_bitrate": "128k"}}}`},
		{"start", `{"mp4": {"path": "/a.mp4", "start": 3}}`, []string{"'offset'"}, `{"mp4": {"path": "/a.mp4", "offset": 3}}`},
		{"length", `{"mp4": {"path": "/a.mp4", "length": 3}}`, []string{"'duration'"}, `{"mp4": {"path": "/a.mp4", "duration": 3}}`},
		{"rotate", `{"mp4": {"path": "/a.mp4", "rotate": 90}}`, []string{"'transpose', 1 to the right"}, `{"mp4": {"path": "/a.mp4", "transpose": 1}}`},
		{"filters", `{"mp4": {"path": "/a.mp4", "video_filters": "yadif"}}`, []string{"'deinterlace'"}, `{"mp4": {"path": "/a.mp4", "deinterlace": true}}`},
		{"transformation", `{"mp4": {"path": "/a.mp4", "transformation": {"subtitles": "a.ass"}}}`, []string{"'watermark'", "subtitles are 'captions'"}, ""},
		{"inputs of an output", `{"mp4": {"path": "/a.mp4", "inputs": {"video": "a", "audio": "b"}}}`, []string{"a job has an 'input', or several 'inputs', beside 'outputs'"}, ""},
		{"storage of an output", `{"mp4": {"path": "/a.mp4", "storage": {}}}`, []string{"beside 'outputs'"}, ""},
		{"setting of an output", `{"httpstream": {"hls": {"path": "/hls"}, "ultrafast": true}}`, []string{"'settings'"}, ""},

		{"offset of a picture", `{"jpg:300x": {"path": "/a.jpg", "offset": "10%"}}`, []string{"'offset'", "'offsets', as [5]", `"{% array(input.duration * 0.1) %}"`},
			`{"jpg:300x": {"path": "/a.jpg", "offsets": "{% array(input.duration * 0.1) %}"}}`},
		{"moment in the key", `{"jpg:300x#10%": {"path": "/a.jpg"}}`, []string{`write the output as "jpg:300x"`, `"offsets": "{% array(input.duration * 10 / 100) %}"`},
			`{"jpg:300x": {"path": "/a.jpg", "offsets": "{% array(input.duration * 10 / 100) %}"}}`},
		{"second in the key", `{"jpg:300x#5": {"path": "/a.jpg"}}`, []string{`"offsets": [5]`}, `{"jpg:300x": {"path": "/a.jpg", "offsets": [5]}}`},
		{"something in the key", `{"jpg:300x#middle": {"path": "/a.jpg"}}`, []string{`"offsets": [5] for seconds`}, ""},
		{"offset of an animation", `{"gif:300x": {"path": "/a.gif", "offset": 3}}`, []string{`'scene', such as {"number": 3, "duration": 2}`}, `{"gif:300x": {"path": "/a.gif", "scene": {"number": 3, "duration": 2}}}`},
		{"crop of a picture", `{"jpg:300x300": {"path": "/a.jpg", "crop": "300:300"}}`, []string{`"fit": "crop"`}, `{"jpg:300x300": {"path": "/a.jpg", "fit": "crop"}}`},
		{"offset of a stream", `{"httpstream": {"hls": {"path": "/hls"}, "offset": 3}}`, []string{"whole input"}, ""},
		{"quality of a stream", `{"httpstream": {"hls": {"path": "/hls"}, "quality": 4}}`, []string{`["mp4:360p", "mp4:720p::quality=4"]`}, `{"httpstream": {"hls": {"path": "/hls"}, "variants": ["mp4:360p", "mp4:720p::quality=4"]}}`},
		{"resolution in hls", `{"httpstream": {"hls": {"path": "/hls", "resolution": "720p"}}}`, []string{"'hls.resolution'", "'variants'"}, `{"httpstream": {"hls": {"path": "/hls", "variants": ["mp4:720p"]}}}`},
		{"segments", `{"httpstream": {"hls": {"path": "/hls", "segment_duration": 4}}}`, []string{"one level up"}, `{"httpstream": {"hls": {"path": "/hls"}, "segment_duration": 4}}`},
		{"segments by another name", `{"httpstream": {"hls": {"path": "/hls"}, "segment_time": 4}}`, []string{"'segment_duration', in seconds"}, `{"httpstream": {"hls": {"path": "/hls"}, "segment_duration": 4}}`},
		{"playlist_name in hls", `{"httpstream": {"hls": {"path": "/hls", "playlist_name": "a"}}}`, []string{"one level up"}, `{"httpstream": {"hls": {"path": "/hls"}, "playlist_name": "a"}}`},

		{"width and height in format", `{"mp4": {"path": "/a.mp4", "format": {"width": 1280, "height": 720}}}`, []string{`such as "1280x720"`}, `{"mp4": {"path": "/a.mp4", "format": {"resolution": "1280x720"}}}`},
		{"channels in format", `{"mp4": {"path": "/a.mp4", "format": {"channels": 2}}}`, []string{`"audio_channel"`}, `{"mp4": {"path": "/a.mp4", "format": {"audio_channel": 2}}}`},
		{"duration in format", `{"mp4": {"path": "/a.mp4", "format": {"duration": 2}}}`, []string{"beside 'format'"}, `{"mp4": {"path": "/a.mp4", "duration": 2}}`},
		{"misspelt in format", `{"mp4": {"path": "/a.mp4", "format": {"videoBitrate": "1000k"}}}`, []string{"'video_bitrate'"}, `{"mp4": {"path": "/a.mp4", "format": {"video_bitrate": "1000k"}}}`},

		{"param of pictures", `{"mp4": {"path": "/a.mp4", "number": 3}}`, []string{"pictures (jpg, png, webp)"}, ""},
		{"param of streams", `{"mp4": {"path": "/a.mp4", "variants": []}}`, []string{"httpstream"}, ""},
		{"misspelt", `{"mp4": {"path": "/a.mp4", "watermrak": "https://a/b.png"}}`, []string{"but 'watermark'"}, `{"mp4": {"path": "/a.mp4", "watermark": "https://a/b.png"}}`},
		{"camel case", `{"httpstream": {"hls": {"path": "/hls"}, "playlistName": "a"}}`, []string{"but 'playlist_name'"}, `{"httpstream": {"hls": {"path": "/hls"}, "playlist_name": "a"}}`},
		{"misspelt inside", `{"jpg": {"path": "/a.jpg", "sprite": {"column": 3}}}`, []string{"but 'columns'"}, `{"jpg": {"path": "/a.jpg", "sprite": {"columns": 3}}}`},
		{"upper case", `{"mp4": {"Path": "/a.mp4"}}`, []string{"'Path'", "but 'path'"}, `{"mp4": {"path": "/a.mp4"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			refusedWith(t, outputs(c.wrong), c.words)
			if c.right == "" {
				return
			}
			spec, err := DecodeJob(outputs(c.right))
			if err != nil {
				t.Fatalf("the message leads to a refused request: %v", err)
			}
			for _, o := range spec.Outputs {
				if _, err := ResolveOutput(o, Vars(phone())); err != nil {
					t.Errorf("the message leads to a failed output: %v", err)
				}
			}
		})
	}
}

// TestMisspelt: a required member that is missing is refused as ever; the message names
// the member that is almost it.
func TestMisspelt(t *testing.T) {
	const outputs = `"outputs": {"mp4": {"path": "/a.mp4"}}`
	for name, c := range map[string]struct {
		body  string
		words []string
	}{
		"inputs":  {`{"inputs": {"url": "https://a/b"}, "storage": {"service": "coconut"}, ` + outputs + `}`, []string{"The job 'inputs' is not valid: got a hash, expected an array of 1 to 20 inputs"}},
		"storge":  {`{"input": {"url": "https://a/b"}, "storge": {"service": "coconut"}, ` + outputs + `}`, []string{"'storage'", "'storge'"}},
		"output":  {`{"input": {"url": "https://a/b"}, "storage": {"service": "coconut"}, "output": {}}`, []string{"'outputs'", "there is 'output'"}},
		"uri":     {`{"input": {"uri": "https://a/b"}, "storage": {"service": "coconut"}, ` + outputs + `}`, []string{"'uri'", "write 'url'"}},
		"regoin":  {`{"input": {"url": "https://a/b"}, "storage": {"service": "s3", "bucket": "b", "regoin": "r", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}, ` + outputs + `}`, []string{"'region'", "there is 'regoin'"}},
		"servive": {`{"input": {"url": "https://a/b"}, "storage": {"servive": "s3"}, ` + outputs + `}`, []string{"'service'", "there is 'servive'"}},
		"URL":     {`{"input": {"url": "https://a/b"}, "storage": {"service": "coconut"}, ` + outputs + `, "notification": {"URL": "https://a/b"}}`, []string{"'url'", "there is 'URL'"}},
	} {
		t.Run(name, func(t *testing.T) { refusedWith(t, []byte(c.body), c.words) })
	}
}

func refusedWith(t *testing.T, request []byte, words []string) {
	t.Helper()
	_, err := DecodeJob(request)
	e, ok := errors.AsType[*job.Error](err)
	if !ok {
		t.Fatalf("accepted: %s", request)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("%q is missing in: %s", w, e.Message)
		}
	}
}

// TestUnknownMembersAreIgnored: what is ignored stays ignored, however near it is to a
// name, or however clearly misplaced (coconut-v2.md section 1.7).
func TestUnknownMembersAreIgnored(t *testing.T) {
	const request = `{"settings": {"priorty": 3, "quality": 4}, "input": {"url": "https://a/b", "offset": 3}, "inputs": [],
"storage": {"service": "coconut", "pth": "/x"}, "outputs": {"mp4": {"path": "/a.mp4"}}, "notification": {"url": "https://a/b", "event": true}, "resolution": "720p"}`
	if _, err := DecodeJob([]byte(request)); err != nil {
		t.Error(err)
	}
}

// TestNearest: only what is near is named.
func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"watermark": "watermark", "Watermark": "watermark", "water_mark": "watermark", "watermrak": "watermark", "waterprint": "",
		"notvalidparam": "", "colour": "", "paht": "path", "pathname": "", "": "", strings.Repeat("watermark", 1000): "",
	} {
		if got := nearest(name, videoParams); got != want {
			t.Errorf("%.20q: %q, want %q", name, got, want)
		}
	}
}
