package coconut

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// body returns a valid request with these members replaced. Each is written as
// `name: json`. An empty json removes the member.
func body(members ...string) []byte {
	defaults := map[string]string{
		"input":   `{"url": "https://example.com/in.mov"}`,
		"storage": `{"service": "coconut"}`,
		"outputs": `{"mp4:720p": {"path": "/720p.mp4"}}`,
	}
	for _, m := range members {
		name, text, _ := strings.Cut(m, ":")
		defaults[name] = strings.TrimSpace(text)
	}
	var list []string
	for _, name := range []string{"settings", "input", "storage", "outputs", "notification", "api_version"} {
		if text := defaults[name]; text != "" {
			list = append(list, fmt.Sprintf("%q: %s", name, text))
		}
	}
	return []byte("{" + strings.Join(list, ", ") + "}")
}

const (
	inputMessage = "The job 'input' is not a valid object."
	awsMessage   = "The storage credentials are not correct, you must define your 'access_key_id' and 'secret_access_key'."
)

// TestRefused has a request for every code with status 400, and the words of its
// message that tell the customer what is wrong.
func TestRefused(t *testing.T) {
	many := make([]string, 31)
	for i := range many {
		many[i] = fmt.Sprintf(`{"path": "/%d.mp4"}`, i)
	}
	out := func(params string) []byte { return body(`outputs: {"mp4:720p": ` + params + `}`) }
	img := func(params string) []byte { return body(`outputs: {"jpg:300x": ` + params + `}`) }
	gif := func(params string) []byte { return body(`outputs: {"gif:300x": ` + params + `}`) }
	str := func(params string) []byte { return body(`outputs: {"httpstream": ` + params + `}`) }
	s3 := func(members string) []byte {
		return body(`storage: {"service": "s3", "credentials": {"access_key_id": "a", "secret_access_key": "b"}` + members + `}`)
	}
	const kid = `"kid": "00112233-4455-6677-8899-aabbccddeeff", "key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"`
	parts := func(list string) []byte {
		return []byte(`{"inputs": ` + list + `, "storage": {"service": "coconut"}, "outputs": {"mp4": "/a.mp4"}}`)
	}
	provoked := map[string]bool{}
	for _, c := range []struct {
		name, code string
		body       []byte
		words      []string // in the message
	}{
		{"empty body", "config_not_valid", nil, []string{"not valid JSON"}},
		{"form", "config_not_valid", []byte("input=a&outputs=b"), []string{"not valid JSON", "at byte"}},
		{"array", "config_not_valid", []byte("[]"), []string{"an array", "JSON hash"}},
		{"string", "config_not_valid", []byte(`"x"`), []string{`"x"`}},
		{"two hashes", "config_not_valid", append(body(), body()...), []string{"after top-level value"}},
		{"cut off", "config_not_valid", body()[:40], []string{"unexpected end"}},
		{"deep in an unknown member", "config_not_valid", body("api_version: " + strings.Repeat("[", 40) + strings.Repeat("]", 40)), []string{"32 levels"}},
		{"deeper than the parser goes", "config_not_valid", []byte(strings.Repeat("[", 100000)), nil},
		{"member twice", "config_not_valid", []byte(`{"input": {"url": "https://a/b"}, "input": {}}`), []string{"'input'", "twice"}},

		{"settings", "settings_not_valid", body("settings: 3"), []string{"'settings'"}},
		{"ultrafast", "settings_not_valid", body(`settings: {"ultrafast": "maybe"}`), []string{"'ultrafast'", `"maybe"`, "true or false"}},
		{"priority", "settings_not_valid", body(`settings: {"priority": 51}`), []string{"'priority'", "51", "from -50 to 50"}},
		{"setting twice", "settings_not_valid", body(`settings: {"priority": 1, "priority": 2}`), []string{"'priority' twice"}},

		{"no input", "input_not_valid", body("input:"), []string{inputMessage}},
		{"input null", "input_not_valid", body("input: null"), []string{inputMessage}},
		{"input string", "input_not_valid", body(`input: "https://example.com/a.mp4"`), []string{inputMessage}},
		{"input []", "input_not_valid", body("input: []"), []string{inputMessage}},
		{"input of members that say nothing", "input_not_valid", body(`input: {"path": "/x"}`), []string{"'url'", "'service'"}},
		{"input member twice", "input_not_valid", body(`input: {"url": "https://a/b", "url": "https://a/c"}`), []string{"'url' twice"}},
		{"input of a bucket without key", "input_not_valid", body(`input: {"service": "s3", "bucket": "b", "region": "r", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`), []string{"'key'"}},
		{"input of a bucket without region", "input_not_valid", body(`input: {"service": "s3", "bucket": "b", "key": "k", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`), []string{"'region'"}},
		{"input of s3other without endpoint", "input_not_valid", body(`input: {"service": "s3other", "bucket": "b", "key": "k", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`), []string{"'endpoint'"}},
		{"input of coconut", "storage_service_not_valid", body(`input: {"service": "coconut", "key": "k"}`), []string{`"coconut"`, "s3other"}},
		{"input without credentials", "storage_credentials_not_valid", body(`input: {"service": "s3", "bucket": "b", "key": "k", "region": "r"}`), []string{"The input credentials", "'access_key_id'"}},

		{"coconutgo's URL", "input_url_not_valid", body(`input: {"url": "notvalidurl"}`), []string{`"notvalidurl"`, "http, https, ftp, ftps, sftp"}},
		{"empty URL", "input_url_not_valid", body(`input: {"url": ""}`), []string{"'url'"}},
		{"URL null and nothing else", "input_not_valid", body(`input: {"url": null}`), []string{"'url'"}},
		{"URL as number", "input_url_not_valid", body(`input: {"url": 5}`), []string{"5"}},
		{"scheme", "input_url_not_valid", body(`input: {"url": "file:///etc/passwd"}`), []string{"'file'"}},
		{"scheme without host", "input_url_not_valid", body(`input: {"url": "mailto:a@b"}`), []string{"absolute"}},
		{"no host", "input_url_not_valid", body(`input: {"url": "http:///a.mp4"}`), []string{"no host"}},
		{"no host but a port", "input_url_not_valid", body(`input: {"url": "http://:80/a.mp4"}`), []string{"no host"}},
		{"port", "input_url_not_valid", body(`input: {"url": "http://a:99999/"}`), []string{"port"}},
		{"control character", "input_url_not_valid", body(`input: {"url": "http://a/\u0000b"}`), []string{"control"}},
		{"long", "input_url_not_valid", body(`input: {"url": "http://a/` + strings.Repeat("x", 9000) + `"}`), []string{"8192"}},
		{"escape", "input_url_not_valid", body(`input: {"url": "http://a/100%.mp4"}`), []string{"not a URL"}},
		{"gopher", "input_url_not_valid", body(`input: {"url": "gopher://a/b.mp4"}`), []string{"'gopher'", "http, https, ftp, ftps, sftp"}},

		{"no storage", "storage_not_valid", body("storage:"), []string{"'storage'"}},
		{"storage null", "storage_not_valid", body("storage: null"), []string{"'storage'"}},
		{"storage string", "storage_not_valid", body(`storage: "coconut"`), []string{"'storage'"}},
		{"storage twice a member", "storage_not_valid", body(`storage: {"service": "coconut", "service": "s3"}`), []string{"'service' twice"}},
		{"no bucket", "storage_not_valid", s3(`, "region": "us-east-1"`), []string{"'bucket'", "missing"}},
		{"bucket with a slash", "storage_not_valid", s3(`, "bucket": "a/b", "region": "us-east-1"`), []string{"'bucket'", `"a/b"`}},
		{"no region", "storage_not_valid", s3(`, "bucket": "b"`), []string{"'region'", "missing", `"s3"`}},
		{"region that is a host", "storage_not_valid", s3(`, "bucket": "b", "region": "evil.example/"`), []string{"'region'"}},
		{"acl", "storage_not_valid", s3(`, "bucket": "b", "region": "r", "acl": "everybody"`), []string{"'acl'", `"everybody"`, "public-read"}},
		{"storage_class", "storage_not_valid", s3(`, "bucket": "b", "region": "r", "storage_class": "COLD"`), []string{"'storage_class'", "GLACIER"}},
		{"path that climbs", "storage_not_valid", s3(`, "bucket": "b", "region": "r", "path": "/../x"`), []string{"'path'", "'..'"}},
		{"secure", "storage_not_valid", s3(`, "bucket": "b", "region": "r", "secure": "perhaps"`), []string{"'secure'"}},
		{"cache_control with a line break", "storage_not_valid", s3(`, "bucket": "b", "region": "r", "cache_control": "a\r\nb"`), []string{"'cache_control'", "control characters"}},
		{"no endpoint", "storage_not_valid", body(`storage: {"service": "s3other", "bucket": "b", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`), []string{"'endpoint'"}},
		{"endpoint", "storage_not_valid", body(`storage: {"service": "s3other", "bucket": "b", "endpoint": "ftp://x", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`), []string{"'endpoint'", "http or https"}},
		{"URL storage", "storage_not_valid", body(`storage: {"url": "gopher://x"}`), []string{"'gopher'", "sftp"}},

		{"storage {}", "storage_service_not_valid", body("storage: {}"), []string{"'service'", "s3other"}},
		{"storage []", "storage_service_not_valid", body("storage: []"), []string{"'service'"}},
		{"service", "storage_service_not_valid", body(`storage: {"service": "dropbox"}`), []string{`"dropbox"`, "backblaze"}},
		{"service empty", "storage_service_not_valid", body(`storage: {"service": "", "bucket": "b"}`), []string{"'service'"}},
		{"service as hash", "storage_service_not_valid", body(`storage: {"service": {}}`), []string{"a hash"}},
		{"service that is no input", "storage_service_not_valid", body(`input: {"service": "ipfs_infura", "key": "k", "credentials": {"project_id": "a", "project_secret": "b"}}`), []string{"ipfs_infura", "expected one of", "wasabi"}},

		{"credentials empty (Go)", "storage_credentials_not_valid", body(`storage: {"service": "s3", "bucket": "", "region": "", "credentials": {"access_key_id": "", "secret_access_key": ""}}`), []string{awsMessage}},
		{"credentials absent (JS)", "storage_credentials_not_valid", body(`storage: {"service": "s3", "credentials": {}}`), []string{awsMessage}},
		{"credentials null (Python, Ruby)", "storage_credentials_not_valid", body(`storage: {"service": "s3", "bucket": null, "credentials": {"access_key_id": null, "secret_access_key": null}}`), []string{awsMessage}},
		{"credentials false (PHP)", "storage_credentials_not_valid", body(`storage: {"service": "s3", "bucket": false, "credentials": {"access_key_id": false, "secret_access_key": false}}`), []string{awsMessage}},
		{"one credential", "storage_credentials_not_valid", body(`storage: {"service": "s3other", "credentials": {"access_key_id": "a"}}`), []string{awsMessage}},
		{"no credentials", "storage_credentials_not_valid", body(`storage: {"service": "s3", "bucket": "b"}`), []string{awsMessage}},
		{"credentials of a string", "storage_credentials_not_valid", body(`storage: {"service": "s3", "bucket": "b", "credentials": "k"}`), []string{awsMessage}},
		{"backblaze", "storage_credentials_not_valid", body(`storage: {"service": "backblaze", "bucket_id": "b"}`), []string{"'app_key_id' and 'app_key'"}},
		{"azure", "storage_credentials_not_valid", body(`storage: {"service": "azure", "container": "c", "credentials": {"account": "a"}}`), []string{"'account' and 'api_key'"}},

		{"no outputs", "outputs_not_valid", body("outputs:"), []string{"'outputs'", "nothing"}},
		{"outputs {}", "outputs_not_valid", body("outputs: {}"), []string{"empty"}},
		{"outputs []", "outputs_not_valid", body("outputs: []"), []string{"empty"}},
		{"outputs array", "outputs_not_valid", body(`outputs: ["mp4"]`), []string{"an array"}},
		{"outputs string", "outputs_not_valid", body(`outputs: "mp4"`), []string{`"mp4"`}},
		{"output twice", "outputs_not_valid", body(`outputs: {"mp4": {"path": "/a.mp4"}, "mp4": {"path": "/b.mp4"}}`), []string{"'mp4' twice", "array"}},
		{"output true", "outputs_not_valid", out("true"), []string{"'mp4:720p'", "true", "hash of params"}},
		{"output of arrays", "outputs_not_valid", out(`[[{"path": "/a.mp4"}]]`), []string{"an array"}},
		{"31 outputs", "outputs_out_of_range", body(`outputs: {"mp4": [` + strings.Join(many, ",") + `]}`), []string{"31", "30"}},

		{"container", "output_format_not_valid", body(`outputs: {"mp5": {"path": "/a.mp5"}}`), []string{"'mp5'", "mp4"}},
		{"spec", "output_format_not_valid", body(`outputs: {"mp4:banana": {"path": "/a.mp4"}}`), []string{"banana"}},
		{"codec that nobody encodes", "output_format_not_valid", body(`outputs: {"mov:svq3": {"path": "/a.mov"}}`), []string{"svq3", "recognised"}},
		{"codec of another container", "output_format_not_valid", body(`outputs: {"avi:theora": {"path": "/a.avi"}}`), []string{"avi cannot hold theora", "mpeg4"}},
		{"wide animation", "output_format_not_valid", body(`outputs: {"gif:600x": {"path": "/a.gif"}}`), []string{"500"}},
		{"format hash", "output_format_not_valid", out(`{"path": "/a.mp4", "format": {"resolution": "big"}}`), []string{"'format'", "big"}},
		{"format hash's unknown member", "output_format_not_valid", out(`{"path": "/a.mp4", "format": {"colour": "red"}}`), []string{"colour"}},
		{"variant", "output_format_not_valid", str(`{"hls": {"path": "/hls"}, "variants": ["mp4:banana"]}`), []string{"'variants'", "banana"}},
		{"variant's container", "output_format_not_valid", str(`{"hls": {"path": "/hls"}, "variants": ["webm:720p"]}`), []string{"mp4"}},
		{"one variant without audio", "output_format_not_valid", str(`{"hls": {"path": "/hls"}, "variants": ["mp4:320x180_300k", "mp4:640x360_900k:noaudio"]}`), []string{"'variants'", "640x360", "no audio", "all of them or in none"}},
		{"variant's type", "output_format_not_valid", str(`{"hls": {"path": "/hls"}, "variants": [5]}`), []string{"strings"}},

		{"coconutjs's param", "output_param_not_valid", body(`outputs: {"mp4": {"path": "/video.mp4", "notvalidparam": "no"}}`), []string{"'notvalidparam'", "'mp4'", "deinterlace", "watermark"}},
		{"v1 blocks", "output_param_not_valid", out(`{"path": "/a.mp4", "video": {"codec": "h264"}}`), []string{"'video'"}},
		{"video param of an image", "output_param_not_valid", img(`{"path": "/a.jpg", "deinterlace": true}`), []string{"'deinterlace'", "sprite"}},
		{"image param of a video", "output_param_not_valid", out(`{"path": "/a.mp4", "number": 3}`), []string{"'number'"}},
		{"param twice", "output_param_not_valid", out(`{"path": "/a.mp4", "path": "/b.mp4"}`), []string{"'mp4:720p'", "'path' twice"}},
		{"inner param twice", "output_param_not_valid", str(`{"hls": {"path": "/a", "path": "/b"}}`), []string{"'httpstream'", "'path' twice"}},
		{"key twice", "output_param_not_valid", out(`[{"path": "/a.mp4", "key": "a"}, {"path": "/b.mp4", "key": "a"}]`), []string{"'key'", `"a"`}},
		{"key with an expression", "output_param_not_valid", out(`{"path": "/a.mp4", "key": "{{ input.width }}"}`), []string{"'key'"}},
		{"key with a control character", "output_param_not_valid", out(`{"path": "/a.mp4", "key": "a\u0000"}`), []string{"'key'"}},
		{"duration", "output_param_not_valid", out(`{"path": "/a.mp4", "duration": "long"}`), []string{"'duration'", `"long"`}},
		{"negative duration", "output_param_not_valid", out(`{"path": "/a.mp4", "duration": -1}`), []string{"-1"}},
		{"infinite offset", "output_param_not_valid", out(`{"path": "/a.mp4", "offset": 1e999}`), []string{"'offset'"}},
		{"offset not a number", "output_param_not_valid", out(`{"path": "/a.mp4", "offset": "NaN"}`), []string{"'offset'"}},
		{"fit", "output_param_not_valid", out(`{"path": "/a.mp4", "fit": "stretch"}`), []string{"'fit'", `"stretch"`, "pad, crop"}},
		{"transpose", "output_param_not_valid", out(`{"path": "/a.mp4", "transpose": 4}`), []string{"'transpose'", "from 0 to 3"}},
		{"crop", "output_param_not_valid", out(`{"path": "/a.mp4", "crop": "1:2,drawtext=text=x"}`), []string{"'crop'", "W:H"}},
		{"watermark", "output_param_not_valid", out(`{"path": "/a.mp4", "watermark": {"position": "topleft"}}`), []string{"'watermark.url'"}},
		{"watermark's position", "output_param_not_valid", out(`{"path": "/a.mp4", "watermark": {"url": "https://a/b.png", "position": "middle"}}`), []string{"'watermark.position'", "bottomleft"}},
		{"watermark's param", "output_param_not_valid", out(`{"path": "/a.mp4", "watermark": {"url": "https://a/b.png", "size": 3}}`), []string{"'watermark.size'"}},
		{"condition", "output_param_not_valid", out(`{"path": "/a.mp4", "if": "{{ input.width"}`), []string{"'if'"}},
		{"condition as hash", "output_param_not_valid", out(`{"path": "/a.mp4", "if": {}}`), []string{"'if'"}},
		{"expression", "output_param_not_valid", out(`{"path": "/a.mp4", "format": {"resolution": "{% input.width / %}x"}}`), []string{"'format.resolution'"}},
		{"output url", "output_param_not_valid", out(`{"url": "nowhere"}`), []string{"'url'", "absolute"}},
		{"number", "output_param_not_valid", img(`{"path": "/%d.jpg", "number": 101}`), []string{"'number'", "from 1 to 100"}},
		{"number 0", "output_param_not_valid", img(`{"path": "/a.jpg", "number": 0}`), []string{"'number'"}},
		{"number of a fraction", "output_param_not_valid", img(`{"path": "/%d.jpg", "number": 1.5}`), []string{"whole number"}},
		{"interval", "output_param_not_valid", img(`{"path": "/%d.jpg", "interval": -1}`), []string{"'interval'"}},
		{"offsets", "output_param_not_valid", img(`{"path": "/%d.jpg", "offsets": ["a"]}`), []string{"'offsets'"}},
		{"offsets and number", "output_param_not_valid", img(`{"path": "/%d.jpg", "offsets": [1, 2], "number": 5}`), []string{"'offsets'", "'number'"}},
		{"blur", "output_param_not_valid", img(`{"path": "/a.jpg", "blur": 6}`), []string{"'blur'"}},
		{"sprite", "output_param_not_valid", img(`{"path": "/a.jpg", "sprite": "many"}`), []string{"'sprite'"}},
		{"sprite's param", "output_param_not_valid", img(`{"path": "/a.jpg", "sprite": {"rows": 3}}`), []string{"'sprite.rows'", "columns, limit"}},
		{"vtt's name", "output_param_not_valid", img(`{"path": "/a.jpg", "vtt": {"filename": "a/b.vtt"}}`), []string{"'vtt.filename'"}},
		{"scene", "output_param_not_valid", gif(`{"path": "/a.gif", "scene": {"number": 11}}`), []string{"'scene.number'", "from 1 to 10"}},
		{"no packaging", "output_param_not_valid", str(`{"path": "/x"}`), []string{"'hls' or 'dash'"}},
		{"httpstream null", "output_param_not_valid", str(`null`), []string{"'hls' or 'dash'"}},
		{"hls true", "output_param_not_valid", str(`{"hls": true}`), []string{"'hls'", "a hash"}},
		{"hls's param", "output_param_not_valid", str(`{"hls": {"path": "/hls", "segments": 3}}`), []string{"'hls.segments'", "version"}},
		{"hls's version", "output_param_not_valid", str(`{"hls": {"path": "/hls", "version": "new"}}`), []string{"'hls.version'"}},
		{"segment_duration", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "segment_duration": 0.5}`), []string{"'segment_duration'", "from 1 to 10"}},
		{"segment_duration in milliseconds", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "segment_duration": 4000}`), []string{"'segment_duration'", "from 1 to 10"}},
		{"segment_duration of no GOPs", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "segment_duration": 3.001}`), []string{"'segment_duration'", "3.001", "equal parts"}},
		{"segment_duration and gop", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "segment_duration": 5, "gop": 2}`), []string{"segments of 5 s", "'gop' of 2 s", "a multiple"}},
		{"gop", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "gop": 11}`), []string{"'gop'", "from 0.1 to 10"}},
		{"protection of AV1", "output_param_not_valid", str(`{"dash": {"path": "/dash"}, "variants": ["mp4:360p", "mp4:av1_360p"], "protection": true}`), []string{"'protection'", "av1", "h264 and hevc"}},
		{"two gops", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "variants": ["mp4:240p::gop=1", "mp4:360p"]}`), []string{"'variants'", "the same 'gop'"}},
		{"loudness", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "loudness": 14}`), []string{"'loudness'", "from -40 to -5"}},
		{"input and inputs", "input_not_valid", []byte(`{"input": {"url": "https://example.com/a.mp4"}, "inputs": [{"url": "https://example.com/b.mp4"}]}`), []string{"both 'input' and 'inputs'"}},
		{"inputs as a hash", "input_not_valid", parts(`{"url": "https://example.com/b.mp4"}`), []string{"'inputs'", "a hash", "array of 1 to 20"}},
		{"no inputs", "input_not_valid", parts(`[{"black": 1}]`), []string{"all of them are black"}},
		{"inputs without an address", "input_not_valid", parts(`[{"url": "https://example.com/b.mp4"}, {"offset": 2}]`), []string{"'inputs[1]'", "no 'url'"}},
		{"inputs with a bad offset", "input_not_valid", parts(`[{"url": "https://example.com/b.mp4", "offset": -1}]`), []string{"'offset'"}},
		{"inputs with black and an address", "input_not_valid", parts(`[{"url": "https://example.com/b.mp4", "black": 1}]`), []string{"'url'", "black"}},
		{"inputs and copy", "output_format_not_valid", []byte(`{"inputs": [{"url": "https://example.com/b.mp4"}], "storage": {"service": "coconut"}, "outputs": {"mp4:copy": "/a.mp4"}}`), []string{"nothing can be copied"}},
		{"thumbnails too often", "output_param_not_valid", str(`{"hls": "/h", "thumbnails": {"interval": 0.1}}`), []string{"'thumbnails.interval'", "at least 0.5"}},
		{"thumbnails too large", "output_param_not_valid", str(`{"hls": "/h", "thumbnails": {"width": 2000}}`), []string{"'thumbnails.width'", "1280"}},
		{"thumbnails on huge sheets", "output_param_not_valid", str(`{"hls": "/h", "thumbnails": {"width": 1280, "columns": 10}}`), []string{"'thumbnails'", "12800 pixels wide", "8192"}},
		{"thumbnails as a number", "output_param_not_valid", str(`{"hls": "/h", "thumbnails": 10}`), []string{"'thumbnails'", "true, false or a hash"}},
		{"thumbnails with offsets", "output_param_not_valid", str(`{"hls": "/h", "thumbnails": {"offsets": [1]}}`), []string{"'thumbnails.offsets'", "interval, width, columns"}},
		{"protection without keys", "output_param_not_valid", str(`{"dash": "/d", "protection": {"keys": []}}`), []string{"'protection.keys'", "array of keys"}},
		{"protection of pictures alone", "output_param_not_valid", str(`{"dash": "/d", "protection": {"keys": [{"track": "video", ` + kid + `}]}}`), []string{"some tracks would have no key"}},
		{"protection with a short key", "output_param_not_valid", str(`{"dash": "/d", "protection": {"keys": [{"kid": "00112233445566778899aabbccddeeff", "key": "5ec3e7"}]}}`), []string{"'protection.keys.key'", "32 hexadecimal digits"}},
		{"protection twice for a track", "output_param_not_valid", str(`{"dash": "/d", "protection": {"keys": [{` + kid + `}, {` + kid + `}]}}`), []string{"two keys for \"all\""}},
		{"protection in HLS without an address", "output_param_not_valid", str(`{"hls": "/h", "protection": {"keys": [{` + kid + `}]}}`), []string{"'uri'", "skd://"}},
		{"protection with a broken pssh", "output_param_not_valid", str(`{"dash": "/d", "protection": {"pssh": "AAAA", "keys": [{` + kid + `}]}}`), []string{"'protection.pssh'", "whole pssh boxes"}},
		{"protection of an unknown scheme", "output_param_not_valid", str(`{"dash": "/d", "protection": {"scheme": "cens", "keys": [{` + kid + `}]}}`), []string{"'protection.scheme'", "cbcs, cenc"}},
		{"protection beside AES-128", "output_param_not_valid", str(`{"hls": {"path": "/h", "encryption_key": "00112233445566778899aabbccddeeff", "encryption_key_uri": "https://k/1"}, "protection": {"keys": [{` + kid + `, "uri": "https://k/2"}]}}`), []string{"leave out one of the two"}},
		{"encryption_iv without a key", "output_param_not_valid", str(`{"hls": {"path": "/h", "encryption_iv": "00112233445566778899aabbccddeeff"}}`), []string{"'hls.encryption_key'", "no meaning without a key"}},
		{"a short encryption_iv", "output_param_not_valid", str(`{"hls": {"path": "/h", "encryption_key": "00112233445566778899aabbccddeeff", "encryption_key_uri": "https://k/1", "encryption_iv": "0x12"}}`), []string{"'hls.encryption_iv'", "32 hexadecimal digits"}},
		{"playlist_name", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "playlist_name": "../x"}`), []string{"'playlist_name'"}},
		{"variants", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "variants": {"mp4": 1}}`), []string{"'variants'", "a hash"}},
		{"encryption key", "output_param_not_valid", str(`{"hls": {"path": "/hls", "encryption_key": "abc"}}`), []string{"'hls.encryption_key'", "32 hexadecimal"}},
		{"v1 encryption key", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "hls_encryption_key": "xyz"}`), []string{"'hls_encryption_key'", "32 hexadecimal"}},

		{"no path", "output_path_not_valid", out(`{}`), []string{"'path'", "missing"}},
		{"null output", "output_path_not_valid", out(`null`), []string{"'path'"}},
		{"output []", "output_path_not_valid", out(`[]`), []string{"'path'"}},
		{"empty path", "output_path_not_valid", out(`{"path": ""}`), []string{"'path'"}},
		{"empty string", "output_path_not_valid", out(`""`), []string{"'path'"}},
		{"path of a folder", "output_path_not_valid", out(`{"path": "/videos/"}`), []string{"file name"}},
		{"path as number", "output_path_not_valid", out(`{"path": 5}`), []string{"a string"}},
		{"path that climbs", "output_path_not_valid", out(`{"path": "/a/../b.mp4"}`), []string{"'..'"}},
		{"path that climbs in Windows", "output_path_not_valid", out(`{"path": "..\\b.mp4"}`), []string{"'..'"}},
		{"path with NUL", "output_path_not_valid", out(`{"path": "/a\u0000.mp4"}`), []string{"control"}},
		{"long path", "output_path_not_valid", out(`{"path": "/` + strings.Repeat("x", 1024) + `"}`), []string{"1024"}},
		{"several pictures", "output_path_not_valid", img(`{"path": "/a.jpg", "number": 2}`), []string{"sequence variable", "%.2d"}},
		{"pictures by interval", "output_path_not_valid", img(`{"path": "/a.jpg", "interval": 0}`), []string{"sequence variable"}},
		{"pictures by offsets", "output_path_not_valid", img(`{"path": "/a.jpg", "offsets": [1, 2]}`), []string{"sequence variable"}},
		{"several sheets", "output_path_not_valid", img(`{"path": "/a.jpg", "interval": 1, "sprite": {"limit": 10}}`), []string{"sequence variable"}},
		{"pictures to one URL", "output_path_not_valid", img(`{"url": "https://a/b", "number": 2}`), []string{"one URL"}},
		{"hls without path", "output_path_not_valid", str(`{"hls": {}}`), []string{"'hls.path'"}},
		{"dash without path", "output_path_not_valid", str(`{"dash": []}`), []string{"'dash.path'"}},
		{"hls path that climbs", "output_path_not_valid", str(`{"hls": {"path": "../hls"}}`), []string{"'hls.path'"}},
		{"one folder for two playlists", "output_path_not_valid", str(`{"hls": {"path": "/s"}, "dash": {"path": "s/", "hlsfmp4": true}}`), []string{"two folders"}},

		{"the root for two playlists", "output_path_not_valid", str(`{"hls": {"path": "/"}, "dash": {"path": "/", "hlsfmp4": true}}`), []string{"two folders"}},

		{"key without its URI", "output_param_not_valid", str(`{"hls": {"path": "/hls"}, "hls_encryption_key": "000102030405060708090a0b0c0d0e0f"}`), []string{"'hls.encryption_key_uri'", "missing"}},

		{"crop of nonsense", "output_param_not_valid", out(`{"path": "/a.mp4", "crop": "iw/:ih"}`), []string{"'crop'", "640:360"}},
		{"crop of another variable", "output_param_not_valid", out(`{"path": "/a.mp4", "crop": "main_w:ih"}`), []string{"'crop'"}},
		{"crop of a copy", "output_param_not_valid", body(`outputs: {"mp4:copy": {"path": "/a.mp4", "crop": "10:10"}}`), []string{"'crop'", "'copy'"}},
		{"watermark of a copy", "output_param_not_valid", body(`outputs: {"mp4:copy": {"path": "/a.mp4", "watermark": "https://a/b.png"}}`), []string{"'watermark'", "'copy'"}},
		{"vtt to a URL", "output_path_not_valid", img(`{"url": "https://a/b", "vtt": true}`), []string{"'vtt'", "'path'"}},
		{"blur", "output_param_not_valid", img(`{"path": "/a.jpg", "blur": 6}`), []string{"'blur'", "from 0 to 5"}},
		{"scenes", "output_param_not_valid", gif(`{"path": "/a.gif", "scene": {"number": 11}}`), []string{"'scene.number'", "from 1 to 10"}},
		{"expression", "output_param_not_valid", img(`{"path": "/%d.jpg", "offsets": "{% array(1, input.duration / ) %}"}`), []string{"'offsets'", "character"}},

		{"notification {}", "notification_not_valid", body("notification: {}"), []string{"'notification'"}},
		{"notification []", "notification_not_valid", body("notification: []"), []string{"'notification'"}},
		{"notification string", "notification_not_valid", body(`notification: "https://a/b"`), []string{"'notification'"}},
		{"notification without url", "notification_not_valid", body(`notification: {"type": "http"}`), []string{"'url'", "missing"}},
		{"notification of an unset variable", "notification_not_valid", body(`notification: {"type": "http", "url": ""}`), []string{"'url'"}},
		{"notification url", "notification_not_valid", body(`notification: {"url": "ftp://a/b"}`), []string{"'ftp'"}},
		{"notification type", "notification_not_valid", body(`notification: {"type": "mail", "url": "https://a/b"}`), []string{"'type'", `"mail"`, "http, sns"}},
		{"notification params", "notification_not_valid", body(`notification: {"url": "https://a/b", "params": 3}`), []string{"'params'"}},
		{"notification events", "notification_not_valid", body(`notification: {"url": "https://a/b", "events": "some"}`), []string{"'events'"}},
		{"notification twice a member", "notification_not_valid", body(`notification: {"url": "https://a/b", "url": "https://a/c"}`), []string{"'url' twice"}},
		{"sns without topic", "notification_not_valid", body(`notification: {"type": "sns", "region": "r"}`), []string{"'topic_arn'"}},
		{"sns without credentials", "notification_not_valid", body(`notification: {"type": "sns", "region": "r", "topic_arn": "t"}`), []string{"'access_key_id'"}},
	} {
		provoked[c.code] = true
		t.Run(c.name, func(t *testing.T) {
			spec, err := DecodeJob(c.body)
			e, ok := errors.AsType[*job.Error](err)
			if !ok {
				t.Fatalf("accepted: %+v", spec)
			}
			if e.Reason.Code() != c.code {
				t.Errorf("code %s, want %s: %s", e.Reason, c.code, e.Message)
			}
			for _, w := range c.words {
				if !strings.Contains(e.Message, w) {
					t.Errorf("%q is missing in: %s", w, e.Message)
				}
			}
			if c.code == "input_not_valid" && c.words[0] == inputMessage && e.Message != inputMessage {
				t.Errorf("clients compare the whole sentence: %s", e.Message)
			}
		})
	}
	for _, code := range []string{ // coconut-v2.md sections 6.1 and 12
		"config_not_valid", "settings_not_valid", "input_not_valid", "input_url_not_valid", "storage_not_valid",
		"storage_service_not_valid", "storage_credentials_not_valid", "outputs_not_valid", "outputs_out_of_range",
		"output_format_not_valid", "output_param_not_valid", "output_path_not_valid", "notification_not_valid",
	} {
		if !provoked[code] {
			t.Errorf("no request provokes %s", code)
		}
	}
}

// TestRefusedKeepsSecrets has requests with secrets wherever a message quotes a
// value.
func TestRefusedKeepsSecrets(t *testing.T) {
	for _, b := range [][]byte{
		body(`input: {"url": "gopher://user:hunter2@host/x?sig=hunter2"}`),
		body(`input: {"url": "http://user:hunter2@ho st/x"}`),
		body(`input: {"url": "https://host/x%?sig=hunter2"}`),
		body(`input: {"url": "user:hunter2@host"}`),
		body(`notification: {"url": "ftp://u:hunter2@a/b"}`),
		body(`storage: {"url": "gopher://u:hunter2@a/b"}`),
		body(`storage: {"service": "s3", "credentials": {"access_key_id": "hunter2"}}`),
		body(`storage: {"service": "s3other", "bucket": "b", "endpoint": "https://u:hunter2@h", "credentials": {"access_key_id": "a", "secret_access_key": "b"}}`),
		body(`outputs: {"mp4": {"url": "gopher://u:hunter2@a/b"}}`),
		body(`outputs: {"mp4": {"path": "/a.mp4", "watermark": "gopher://u:hunter2@a/b"}}`),
		body(`outputs: {"httpstream": {"hls": {"path": "/hls", "encryption_key": "hunter2"}}}`),
		body(`outputs: {"httpstream": {"hls": {"path": "/hls"}, "hls_encryption_key": "hunter2"}}`),
	} {
		_, err := DecodeJob(b)
		if err == nil {
			t.Errorf("accepted: %s", b)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s tells: %v", b, err)
		}
	}
}
