package coconut

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
	"github.com/copra-video/copra/transcode/format"
)

// secrets makes cmp compare secrets by value.
var secrets = cmp.Comparer(func(a, b job.Secret) bool { return a == b })

func decode(t *testing.T, body []byte) *job.Spec {
	t.Helper()
	spec, err := DecodeJob(body)
	if err != nil {
		t.Fatalf("refused: %v\n%s", err, body)
	}
	return spec
}

// resolve decodes the only output of body with these variables.
func resolve(t *testing.T, body []byte, vars expr.Vars) *job.Output {
	t.Helper()
	spec := decode(t, body)
	o, err := ResolveOutput(spec.Outputs[0], vars)
	if err != nil {
		t.Fatalf("resolve: %v\n%s", err, body)
	}
	return o
}

// TestAccepted has the shapes of requests that clients send, by client.
func TestAccepted(t *testing.T) {
	aws := `"credentials": {"access_key_id": "a", "secret_access_key": "b"}`
	for _, c := range []struct {
		name string
		body []byte
		want string // of summary
	}{
		{"the documentation's minimal request", []byte(`{"input":{"url":"https://example.com/in.mov"},
			"storage":{"service":"coconut"},
			"outputs":{"mp4:720p":{"path":"/720p.mp4"},"jpg:300x":{"path":"/thumb.jpg"},
				"httpstream":{"hls":{"path":"/hls"},"dash":{"path":"/dash","hlsfmp4":true}}},
			"notification":{"type":"http","url":"https://example.com/hook"}}`),
			`url=https://example.com/in.mov storage=coconut
			mp4:720p video mp4:720p /720p.mp4
			jpg:300x image jpg:300x /thumb.jpg
			httpstream httpstream httpstream hls=/hls dash=/dash+hlsfmp4 ladder=7
			http https://example.com/hook metadata=false events=false`},
		{"coconutgo: null for what is not set", body("settings: null", "notification: null"), `url=https://example.com/in.mov storage=coconut
			mp4:720p video mp4:720p /720p.mp4`},
		{"coconutjs: duration", body(`outputs: {"mp4": {"path": "/video.mp4", "duration": 1}}`), `url=https://example.com/in.mov storage=coconut
			mp4 video mp4 /video.mp4 duration=1`},
		{"coconutphp: [] for empty hashes", body(`settings: []`, `outputs: {"jpg": {"path": "/a.jpg", "format": [], "offsets": []}}`, `notification: {"type": "http", "url": "https://a/b", "params": []}`),
			`url=https://example.com/in.mov storage=coconut
			jpg image jpg /a.jpg
			http https://a/b metadata=false events=false`},
		{"coconutphp: path without a slash", body(`outputs: {"mp4": {"path": "video.mp4"}}`), `url=https://example.com/in.mov storage=coconut
			mp4 video mp4 video.mp4`},
		{"every README: hls/ of httpstream", body(`outputs: {"httpstream": {"hls": {"path": "hls/"}}}`), `url=https://example.com/in.mov storage=coconut
			httpstream httpstream httpstream hls=/hls ladder=7`},
		{"laravel-coconut: the path as string", body(`outputs: {"jpg:720x": "/thumbs/1.jpg", "httpstream": "/hls"}`), `url=https://example.com/in.mov storage=coconut
			jpg:720x image jpg:720x /thumbs/1.jpg
			httpstream httpstream httpstream hls=/hls ladder=7`},
		{"craft: arrays, keys, format hashes", body(`outputs: {
			"webm:480p": [{"path": "/i.webm", "key": "intro:webm:480p", "format": {"resolution": "0x480"}, "duration": "6"}, {"path": "/w.webm", "format": {"resolution": "0x480"}}],
			"mp4:240p": {"path": "_coconut//a.mp4", "format": {"resolution": "0x240", "video_bitrate": "500k"}}}`), `url=https://example.com/in.mov storage=coconut
			intro:webm:480p video webm:0x480 /i.webm duration=6
			webm:480p video webm:0x480 /w.webm
			mp4:240p video mp4:0x240_500k _coconut//a.mp4`},
		{"JustFans: offsets, ultrafast, metadata and params", body(`settings: {"ultrafast": "true"}`,
			`outputs: {"jpg:540p": {"key": "jpg:medium", "path": "/m.jpg", "offsets": [1]},
				"mp4": [{"key": "mp4:480p", "path": "/480.mp4", "format": {"resolution": "480p", "quality": "4"}}, {"key": "mp4:720p", "path": "/720.mp4", "format": {"resolution": "720p", "quality": 4}}]}`,
			`notification: {"type": "http", "url": "https://a/b?c=d", "metadata": true, "params": {"token": "x", "n": 5}}`), `url=https://example.com/in.mov storage=coconut ultrafast
			jpg:medium image jpg:540p /m.jpg offsets=[1]
			mp4:480p video mp4:480p::quality=4 /480.mp4
			mp4:720p video mp4:720p::quality=4 /720.mp4
			http https://a/b?c=d metadata=true events=false map[n:5 token:x]`},
		{"Sponzy: watermark false", body(`outputs: {"mp4:::quality=5": {"path": "/a.mp4", "watermark": false}}`), `url=https://example.com/in.mov storage=coconut
			mp4:::quality=5 video mp4:::quality=5 /a.mp4`},
		{"empty condition", body(`outputs: {"mp4": {"path": "/a.mp4", "if": ""}}`), `url=https://example.com/in.mov storage=coconut
			mp4 video mp4 /a.mp4`},
		{"spin-archive: a ladder of conditions", body(`outputs: {"mp4:720p": {"key": "720p", "path": "/a.mp4", "if": "{{ input.width }} >= 1280"}}`), `url=https://example.com/in.mov storage=coconut
			720p video mp4:720p /a.mp4 if={{ input.width }} >= 1280`},
		{"Azure HLS service: variants in hls, metadata as hash", body(`outputs: {"httpstream": {"hls": {"path": "/h", "variants": ["mp4:360p", "mp4:720p"]}}}`,
			`notification: {"url": "https://a/secret", "metadata": {"video": 5}, "events": "1"}`), `url=https://example.com/in.mov storage=coconut
			httpstream httpstream httpstream hls=/h variants=[mp4:360p mp4:720p]
			http https://a/secret metadata=true events=true`},
		{"B2 HLS service: variants with profiles", body(`outputs: {"httpstream": {"path": "/v/1/", "variants": ["mp4:720p::quality=5,maxrate=4000k,vprofile=high,pix_fmt=yuv420p"], "hls": {"path": "hls"}}}`), `url=https://example.com/in.mov storage=coconut
			httpstream httpstream httpstream hls=/v/1/hls variants=[mp4:720p::quality=5,maxrate=4000k,vprofile=high,pix_fmt=yuv420p]`},
		{"the root as a folder", body(`outputs: {"httpstream": {"path": "/", "hls": {"path": "/"}, "dash": {"path": "dash"}}}`), `url=https://example.com/in.mov storage=coconut
			httpstream httpstream httpstream hls= dash=/dash ladder=7`},
		{"a format hash that says nothing", body(`outputs: {"mp4:720p": {"path": "/a.mp4", "format": {"resolution": null, "fps": ""}}}`), `url=https://example.com/in.mov storage=coconut
			mp4:720p video mp4:720p /a.mp4`},
		{"metadata of an empty hash", body(`notification: {"url": "https://a/b", "metadata": {}, "events": []}`), `url=https://example.com/in.mov storage=coconut
			mp4:720p video mp4:720p /720p.mp4
			http https://a/b metadata=false events=false`},
		{"nested params", body(`notification: {"url": "https://a/b", "params": {"a": {"b": [1, true]}, "c": null}}`), `url=https://example.com/in.mov storage=coconut
			mp4:720p video mp4:720p /720p.mp4
			http https://a/b metadata=false events=false map[a[b][0]:1 a[b][1]:true c:]`},
		{"storage reused as input", body(`input: {"service": "s3other", "bucket": "b", "endpoint": "minio.example:9000", "key": "/dir/in.mp4", "path": "/x", "acl": "nonsense", "force_path_style": "true", ` + aws + `}`), `s3other b key=dir/in.mp4 endpoint=https://minio.example:9000 pathstyle credentials=2 storage=coconut
			mp4:720p video mp4:720p /720p.mp4`},
		{"an empty url beside a service", body(`input: {"url": "", "service": "S3", "bucket": "b", "region": "us-east-1", "key": "k", ` + aws + `}`), `s3 b key=k credentials=2 storage=coconut
			mp4:720p video mp4:720p /720p.mp4`},
		{"s3 in full", body(`storage: {"service": "s3", "bucket": "b", "region": "eu-west-1", "path": "/p/", "secure": false, "acl": "private", "storage_class": "STANDARD_IA", "expires": "Thu, 01 Dec 2030 16:00:00 GMT", "cache_control": "max-age=5", ` + aws + `}`), `url=https://example.com/in.mov storage=s3 b eu-west-1 /p/ secure=false private STANDARD_IA "Thu, 01 Dec 2030 16:00:00 GMT" "max-age=5" credentials=2
			mp4:720p video mp4:720p /720p.mp4`},
		{"R2: s3other with region auto", body(`storage: {"service": "s3other", "bucket": "b", "region": "auto", "endpoint": "https://x.r2.example/", "unknown": 1, ` + aws + `}`), `url=https://example.com/in.mov storage=s3other b auto https://x.r2.example credentials=2
			mp4:720p video mp4:720p /720p.mp4`},
		{"api_version and unknown settings", body(`api_version: "2021-001"`, `settings: {"colour": "red", "priority": "-5", "max_duration": 60}`), `url=https://example.com/in.mov storage=coconut priority=-5 max=60
			mp4:720p video mp4:720p /720p.mp4`},
		{"a byte order mark", append([]byte("\xef\xbb\xbf"), body()...), `url=https://example.com/in.mov storage=coconut
			mp4:720p video mp4:720p /720p.mp4`},
		{"a URL with spaces, port, credentials and query", body(`input: {"url": " HTTPS://u:p@h:8443/a b.mp4?X-Amz=1%20 "}`), `url=HTTPS://u:p@h:8443/a b.mp4?X-Amz=1%20 storage=coconut
			mp4:720p video mp4:720p /720p.mp4`},
		{"the order of the request", body(`outputs: {"webm": "/z.webm", "mp4": "/y.mp4", "jpg": "/x.jpg", "mp3": "/w.mp3", "mkv": "/v.mkv"}`), `url=https://example.com/in.mov storage=coconut
			webm video webm /z.webm
			mp4 video mp4 /y.mp4
			jpg image jpg /x.jpg
			mp3 video mp3 /w.mp3
			mkv video mkv /v.mkv`},
		{"keys of repeated formats", body(`outputs: {"mp4:720p": ["/a.mp4", "/b.mp4", {"path": "/c.mp4", "key": "mp4:720p-2"}, "/d.mp4"], "mp4": {"key": "mp4:720p", "path": "/e.mp4"}}`), `url=https://example.com/in.mov storage=coconut
			mp4:720p-3 video mp4:720p /a.mp4
			mp4:720p-4 video mp4:720p /b.mp4
			mp4:720p-2 video mp4:720p /c.mp4
			mp4:720p-5 video mp4:720p /d.mp4
			mp4:720p video mp4 /e.mp4`},
		{"pictures", body(`outputs: {"jpg": [{"path": "/a_%.2d.jpg", "number": "5"}, {"path": "/b_%05d.jpg", "interval": 0}, {"path": "/c_%1d.jpg", "offsets": ["1", 2.5]}, {"path": "/d_#num#.jpg", "interval": "10"}, {"path": "/e.jpg", "number": 1}]}`), `url=https://example.com/in.mov storage=coconut
			jpg image jpg /a_%.2d.jpg number=5
			jpg-2 image jpg /b_%05d.jpg interval=0
			jpg-3 image jpg /c_%1d.jpg offsets=[1 2.5]
			jpg-4 image jpg /d_#num#.jpg interval=10
			jpg-5 image jpg /e.jpg number=1`},
		{"params at their defaults", body(`outputs: {"mp4": {"path": "/a.mp4", "fit": "pad", "vflip": false, "square": 0, "deinterlace": "no", "crop": "", "transpose": null, "url": "", "offset": ""}, "jpg": {"path": "/a.jpg", "sprite": false, "vtt": 0, "blur": 0}}`), `url=https://example.com/in.mov storage=coconut
			mp4 video mp4 /a.mp4
			jpg image jpg /a.jpg`},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := decode(t, c.body)
			if diff := cmp.Diff(unindent(c.want), summary(t, spec)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// summary writes a spec, including secrets, with a line for each part.
func summary(t *testing.T, s *job.Spec) string {
	t.Helper()
	var b strings.Builder
	say := func(on bool, format string, args ...any) {
		if on {
			fmt.Fprintf(&b, format, args...)
		}
	}
	say(!s.Input.URL.IsZero(), "url=%s", s.Input.URL.Reveal())
	if in := s.Input.Storage; in != nil {
		say(true, "%s %s key=%s", in.Service, in.Bucket, s.Input.Key)
		say(in.Endpoint != "", " endpoint=%s", in.Endpoint)
		say(in.ForcePathStyle != nil, " pathstyle")
		say(true, " credentials=%d", len(in.Credentials))
	}
	if st := s.Storage; st != nil {
		say(true, " storage=%s", st.Service)
		for _, w := range []string{st.Bucket, st.Region, st.Endpoint, st.Path} {
			say(w != "", " %s", w)
		}
		if st.Secure != nil {
			say(true, " secure=%v", *st.Secure)
		}
		say(st.ACL != "", " %s %s %q %q", st.ACL, st.StorageClass, st.Expires, st.CacheControl)
		say(len(st.Credentials) > 0, " credentials=%d", len(st.Credentials))
	}
	say(s.Settings.UltraFast, " ultrafast")
	say(s.Settings.Priority != 0, " priority=%d", s.Settings.Priority)
	say(s.Settings.MaxDuration != 0, " max=%d", s.Settings.MaxDuration)
	for _, r := range s.Outputs {
		say(true, "\n%s %s %s", r.Key, r.Type, r.Format)
		o, err := ResolveOutput(r, nil)
		if err != nil {
			t.Fatalf("resolve %s: %v", r.Key, err)
		}
		say(o.Path != "", " %s", o.Path)
		if o.Video != nil {
			say(o.Video.Duration != 0, " duration=%v", o.Video.Duration)
		}
		if i := o.Image; i != nil {
			say(i.Number != 0, " number=%d", i.Number)
			say(i.HasInterval, " interval=%v", i.Interval)
			say(len(i.Offsets) > 0, " offsets=%v", i.Offsets)
		}
		if st := o.Stream; st != nil {
			if st.HLS != nil {
				say(true, " hls=%s", st.HLS.Path)
			}
			if st.DASH != nil {
				say(true, " dash=%s", st.DASH.Path)
				say(st.DASH.HLSFMP4, "+hlsfmp4")
			}
			say(st.DefaultLadder, " ladder=%d", len(st.Variants))
			var names []string
			for _, v := range st.Variants {
				names = append(names, v.String())
			}
			say(!st.DefaultLadder, " variants=%v", names)
		}
		say(r.Condition != "", " if=%s", r.Condition)
	}
	if n := s.Notification; n != nil {
		say(true, "\n%s %s metadata=%v events=%v", n.Type, n.URL.Reveal(), n.Metadata, n.Events)
		say(n.Params != nil, " %v", n.Params)
	}
	return b.String()
}

func TestResolveExpressions(t *testing.T) {
	vars := expr.Vars{"input.width": 1920.0, "input.height": 1080.0, "input.duration": 30.0}
	o := resolve(t, body(`outputs: {"mp4:240p": {
		"path": "/{{ input.width }}.mp4", "duration": "{% input.duration / 3 %}",
		"format": {"resolution": "{% input.width / 2 %}x", "video_bitrate": "{% max(500, 800) %}k"}}}`), vars)
	if o.Path != "/1920.mp4" || o.Video.Duration != 10 || o.Format.String() != "mp4:960x_800k" {
		t.Errorf("got %q, %v, %s", o.Path, o.Video.Duration, o.Format)
	}
	o = resolve(t, body(`outputs: {"jpg": {"path": "/a_%d.jpg", "offsets": "{% array(1, input.duration / 3) %}"}}`), vars)
	if diff := cmp.Diff([]float64{1, 10}, o.Image.Offsets); diff != "" {
		t.Error(diff)
	}
	o = resolve(t, body(`outputs: {"httpstream": {"hls": {"path": "/{{ input.height }}/"}, "variants": ["mp4:{{ input.height }}p", "mp4:x:64k"]}}`), vars)
	if o.Stream.HLS.Path != "/1080" || len(o.Stream.Variants) != 2 || o.Stream.Variants[0].Video.Resolution.Name != "1080p" {
		t.Errorf("got %+v", o.Stream)
	}
}

// hasExpressions reports whether params of an accepted output have expressions.
func hasExpressions(t *testing.T, o job.OutputRequest) bool {
	t.Helper()
	v, err := parseRaw(o.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return len((&decoder{}).output(o.MapKey, o.Key, v, nil).deferred) > 0
}

// TestDeferred checks what is decoded before the probe.
func TestDeferred(t *testing.T) {
	spec := decode(t, body(`outputs: {
		"mp4:240p": {"path": "/a.mp4", "format": {"resolution": "{% input.width / 2 %}x", "video_codec": "hevc"}},
		"mp4:720p": {"path": "/b.mp4", "if": "{{ input.width }} >= 1280"},
		"jpg": {"path": "/c.jpg", "number": "{{ input.duration }}"}}`))
	got := make([]string, len(spec.Outputs))
	for i, o := range spec.Outputs {
		got[i] = fmt.Sprintf("%s %v %s", o.Format, hasExpressions(t, o), o.Condition)
	}
	want := []string{"mp4:hevc true ", "mp4:720p false {{ input.width }} >= 1280", "jpg true "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestResolveRefused checks that the result of an expression is decoded as strictly
// as a literal, and that unsupported features are refused then.
func TestResolveRefused(t *testing.T) {
	vars := expr.Vars{"input.width": 1920.0, "input.duration": 30.0, "input.format": "../x"}
	for _, c := range []struct {
		name, outputs string
		reason        job.Reason
		words         string
	}{
		{"resolution", `{"mp4": {"path": "/a.mp4", "format": {"resolution": "{{ input.format }}"}}}`, job.OutputFormatNotValid, "../x"},
		{"path", `{"mp4": {"path": "/{{ input.format }}.mp4"}}`, job.OutputPathNotValid, "'..'"},
		{"unknown variable", `{"mp4": {"path": "/{{ input.colour }}.mp4"}}`, job.OutputParamNotValid, "input.colour"},
		{"division by zero", `{"mp4": {"path": "/a.mp4", "duration": "{% 1 / (input.width - 1920) %}"}}`, job.OutputParamNotValid, "'duration'"},
		{"several pictures", `{"jpg": {"path": "/a.jpg", "number": "{{ input.duration }}"}}`, job.OutputPathNotValid, "sequence"},
		{"fit", `{"mp4": {"path": "/a.mp4", "fit": "{% if(input.width > 1000, 'fill', 'pad') %}"}}`, job.OutputParamNotValid, "pad, crop"},
		{"format", `{"mp4": {"path": "/a.mp4", "format": {"video_codec": "{% if(true, 'prores', 'h264') %}"}}}`, job.OutputFormatNotValid, "prores"},
		{"a list where a number belongs", `{"mp4": {"path": "/a.mp4", "duration": "{% array(1, 2) %}"}}`, job.OutputParamNotValid, "an array"},
		{"variant", `{"httpstream": {"hls": {"path": "/hls"}, "variants": "{% array('webm:720p') %}"}}`, job.OutputFormatNotValid, "mp4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := decode(t, body("outputs: "+c.outputs))
			o, err := ResolveOutput(spec.Outputs[0], vars)
			e, ok := errors.AsType[*job.Error](err)
			if !ok {
				t.Fatalf("accepted: %+v", o)
			}
			if e.Reason != c.reason || !strings.Contains(e.Message, c.words) {
				t.Errorf("got %s: %s", e.Reason, e.Message)
			}
		})
	}
}

func TestEvalCondition(t *testing.T) {
	for _, c := range []struct {
		condition string
		width     float64
		want      bool
	}{
		{"", 0, true},
		{"{{ input.width }} >= 1280", 1280, true},
		{"{{ input.width }} >= 1280", 1279, false},
		{"{{ input.width }} >= 1280 AND {{ input.width }} < 1980", 1920, true},
	} {
		got, err := EvalCondition(job.OutputRequest{Condition: c.condition}, expr.Vars{"input.width": c.width})
		if err != nil || got != c.want {
			t.Errorf("%q with %v: got %v, %v", c.condition, c.width, got, err)
		}
	}
	_, err := EvalCondition(job.OutputRequest{Key: "mp4", Condition: "{{ input.colour }} = 1"}, expr.Vars{})
	if e, ok := errors.AsType[*job.Error](err); !ok || !strings.Contains(e.Message, "'mp4'") {
		t.Errorf("got %v", err)
	}
}

// TestDecodedUnsupported checks that unsupported features are decoded nevertheless.
func TestDecodedUnsupported(t *testing.T) {
	read := func(mapKey, params string) *output {
		t.Helper()
		v, err := parseRaw([]byte(params))
		if err != nil {
			t.Fatal(err)
		}
		d := &decoder{}
		o := d.output(mapKey, mapKey, v, nil)
		if d.err != nil {
			t.Fatal(d.err)
		}
		return o
	}
	zero := 0
	video := read("mp4", `{"url": "https://h/put?sig=1", "fit": "crop", "transpose": "0", "vflip": "1", "deinterlace": true, "crop": "iw/2: 10",
		"watermark": {"url": "https://a/b.png"}}`)
	if video.URL.Reveal() != "https://h/put?sig=1" {
		t.Errorf("url %q", video.URL.Reveal())
	}
	if diff := cmp.Diff(&job.VideoParams{Fit: "crop", Transpose: &zero, VFlip: true, Deinterlace: true, CropW: "iw/2", CropH: "10",
		Watermark: &job.Watermark{URL: job.NewSecret("https://a/b.png"), Position: "topright"}}, video.Video, secrets); diff != "" {
		t.Error(diff)
	}
	image := read("jpg:120x", `{"path": "/a.jpg", "interval": 10, "sprite": {"columns": 5}, "vtt": {"filename": "a.vtt"}, "blur": "3"}`)
	if diff := cmp.Diff(&job.ImageParams{Interval: 10, HasInterval: true, Fit: "pad", Blur: 3, Sprite: &job.Sprite{Columns: 5}, VTT: &job.VTT{Filename: "a.vtt"}}, image.Image, secrets); diff != "" {
		t.Error(diff)
	}
	sheet := read("jpg:120x", `{"path": "/a.jpg", "sprite": [], "vtt": true}`)
	if diff := cmp.Diff(&job.ImageParams{Fit: "pad", Sprite: &job.Sprite{Columns: 4}, VTT: &job.VTT{}}, sheet.Image, secrets); diff != "" {
		t.Error(diff)
	}
	gif := read("gif:320x320", `{"path": "/a.gif", "scene": {"number": 5, "duration": 1}, "square": true}`)
	if diff := cmp.Diff(&job.ImageParams{Fit: "pad", Square: true, Scene: &job.Scene{Number: 5, Duration: 1}}, gif.Image, secrets); diff != "" {
		t.Error(diff)
	}
	stream := read("httpstream", `{"hls": {"path": "/hls", "version": "3"}, "hls_encryption_key": "000102030405060708090a0b0c0d0e0f", "hls_encryption_key_uri": "https://k/1"}`)
	if diff := cmp.Diff(&job.HLSParams{Path: "/hls", Version: 3, EncryptionKey: job.NewSecret("000102030405060708090a0b0c0d0e0f"), EncryptionKeyURI: "https://k/1"}, stream.Stream.HLS, secrets); diff != "" {
		t.Error(diff)
	}
}

// TestServices decodes a storage for each row of the table.
func TestServices(t *testing.T) {
	for _, c := range []struct{ storage, service, bucket string }{
		{`{"service": "gcs", "bucket": "b", AWS}`, "gcs", "b"},
		{`{"service": "gcs", "bucket": "b", "credentials": {"service_account_json": "{}"}}`, "gcs", "b"},
		{`{"service": "gcs", "bucket": "b", "credentials": {"service_account_json": {"a": "b"}}}`, "gcs", "b"},
		{`{"service": "dospaces", "bucket": "b", AWS}`, "dospaces", "b"},
		{`{"service": "linode", "bucket": "b", "region": "r", AWS}`, "linode", "b"},
		{`{"service": "wasabi", "bucket": "b", "region": "r", AWS}`, "wasabi", "b"},
		{`{"service": "scaleway", "bucket": "b", "region": "r", AWS}`, "scaleway", "b"},
		{`{"service": "vultr", "bucket": "b", "region": "r", AWS}`, "vultr", "b"},
		{`{"service": "cdn77", "bucket": "b", "endpoint": "https://us-1.cdn77-storage.com", AWS}`, "cdn77", "b"},
		{`{"service": "contabostorage", "bucket": "b", "region": "r", AWS}`, "contabo", "b"},
		{`{"service": "impossiblecloud", "bucket": "b", "region": "r", AWS}`, "impossible", "b"},
		{`{"service": "r2", "bucket": "b", "account_id": "x", AWS}`, "r2", "b"},
		{`{"service": "minio", "bucket": "b", "endpoint": "http://m:9000", AWS}`, "minio", "b"},
		{`{"service": "backblaze", "bucket_id": "b", "credentials": {"app_key_id": "a", "app_key": "b"}}`, "backblaze", "b"},
		{`{"service": "rackspace", "container": "b", "credentials": {"username": "a", "api_key": "b"}}`, "rackspace", "b"},
		{`{"service": "openstack", "container": "b", "endpoint": "https://auth/v3", "tenant": "t", "credentials": {"username": "a", "password": "b"}}`, "swift", "b"},
		{`{"service": "azure", "container": "b", "credentials": {"account": "a", "access_key": "b"}}`, "azure", "b"},
		{`{"service": "azure", "container": "b", "credentials": {"account": "a", "api_key": "b"}}`, "azure", "b"},
		{`{"service": "ipfs_pinata", "gateway_dns": "g", "credentials": {"api_key": "a", "secret_api_key": "b"}}`, "ipfs_pinata", ""},
		{`{"service": "ipfs_infura", "credentials": {"project_id": "a", "project_secret": "b"}}`, "ipfs_infura", ""},
		{`{"url": "sftp://u:p@h/dir", "public_host": "https://cdn"}`, "url", ""},
		{`{"url": "sftp://u@h/dir", "host_key": "SHA256:x", "credentials": {"private_key": "k"}}`, "url", ""},
	} {
		root, err := parseBody([]byte(`{"storage": ` + strings.Replace(c.storage, "AWS", `"credentials": {"access_key_id": "a", "secret_access_key": "b"}`, 1) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		d := &decoder{}
		s := d.storage(root.get("storage"), true, "")
		switch {
		case d.err != nil:
			t.Errorf("%s: %v", c.storage, d.err)
		case s.Service != c.service || s.Bucket != c.bucket:
			t.Errorf("%s: got %s %s", c.storage, s.Service, s.Bucket)
		case c.service == "azure" && s.Credentials["api_key"].Reveal() != "b":
			t.Errorf("%s: api_key is not %q", c.storage, "b")
		case strings.Contains(c.storage, `{"a": "b"}`) && s.Credentials["service_account_json"].Reveal() != `{"a": "b"}`:
			t.Errorf("%s: service_account_json is %q", c.storage, s.Credentials["service_account_json"].Reveal())
		case strings.Contains(c.storage, "host_key") && (s.Options["host_key"] != "SHA256:x" || s.Credentials["private_key"].Reveal() != "k"):
			t.Errorf("%s: got %+v", c.storage, s)
		case c.service == "r2" && s.Options["account_id"] != "x":
			t.Errorf("%s: options %v", c.storage, s.Options)
		}
	}
}

func TestStorageNotNeeded(t *testing.T) {
	for outputs, want := range map[string]bool{
		`{"mp4": {"url": "https://a/b"}}`:                            false,
		`{"mp4": {"url": "https://a/b"}, "jpg": {"path": "/a.jpg"}}`: true,
		`{"mp4": [{"url": "https://a/b"}, {"url": ""}]}`:             true,
		`{"mp4": "/a.mp4"}`:                                          true,
		`{}`:                                                         true,
		`{"mp4": [{"url": "https://a/b"}], "jpg": {"url": "ftp://a/b"}}`: false,
	} {
		root, err := parseBody([]byte(`{"outputs": ` + outputs + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := needStorage(root.get("outputs")); got != want {
			t.Errorf("%s: got %v", outputs, got)
		}
	}
}

// TestRaw checks that an output is stored byte for byte.
func TestRaw(t *testing.T) {
	spec := decode(t, body(`outputs: { "mp4" : [ {"path":"/a.mp4"} , "/b.mp4" ], "jpg":"/c.jpg" }`))
	var got []string
	for _, o := range spec.Outputs {
		got = append(got, string(o.Raw))
	}
	if diff := cmp.Diff([]string{`{"path":"/a.mp4"}`, `"/b.mp4"`, `"/c.jpg"`}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultLadder(t *testing.T) {
	if got := len(defaultLadder()); got != len(format.DefaultLadder) || got != 7 {
		t.Errorf("%d of %d formats of the default ladder parse", got, len(format.DefaultLadder))
	}
}
