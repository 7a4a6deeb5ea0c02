package coconut_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
)

// climbs are paths that would leave their base folder.
var climbs = []string{
	"..", "../x", "/../x.mp4", "/a/../../x.mp4", "/a/..", `/a\..\..\x.mp4`, `..\x.mp4`, "//..//x.mp4", "/a/../b.mp4", "/x\u0000.mp4", "/x\n.mp4",
}

// places are requests with %s for a path, a JSON string.
var places = map[string]string{
	"storage":          `"storage": {"service": "coconut", "path": %s}, "outputs": {"mp4": {"path": "/a.mp4"}}`,
	"storage of s3":    `"storage": {"service": "s3", "bucket": "b", "region": "us-east-1", "credentials": {"access_key_id": "a", "secret_access_key": "s"}, "path": %s}, "outputs": {"mp4": {"path": "/a.mp4"}}`,
	"storage by URL":   `"storage": {"url": "https://example.com/up", "path": %s}, "outputs": {"mp4": {"path": "/a.mp4"}}`,
	"video":            `"storage": {"service": "coconut"}, "outputs": {"mp4": {"path": %s}}`,
	"one of several":   `"storage": {"service": "coconut"}, "outputs": {"mp4": [{"key": "a", "path": "/a.mp4"}, {"key": "b", "path": %s}]}`,
	"image":            `"storage": {"service": "coconut"}, "outputs": {"jpg": {"path": %s}}`,
	"hls":              `"storage": {"service": "coconut"}, "outputs": {"httpstream": {"hls": {"path": %s}, "variants": ["mp4:240p"]}}`,
	"dash":             `"storage": {"service": "coconut"}, "outputs": {"httpstream": {"dash": {"path": %s}, "variants": ["mp4:240p"]}}`,
	"name of playlist": `"storage": {"service": "coconut"}, "outputs": {"httpstream": {"hls": {"path": "/hls"}, "playlist_name": %s, "variants": ["mp4:240p"]}}`,
	"name of a track":  `"storage": {"service": "coconut"}, "outputs": {"jpg": {"path": "/a_%%02d.jpg", "number": 4, "sprite": {"limit": 4, "columns": 2}, "vtt": {"filename": %s}}}`,
}

// TestClimbing checks that no path of a request can leave its base folder.
func TestClimbing(t *testing.T) {
	for place, form := range places {
		good := `"/good_%02d"`
		if strings.HasPrefix(place, "name") {
			good = `"good"`
		}
		if _, err := coconut.DecodeJob(fmt.Appendf(nil, `{"input": {"url": "https://example.com/in.mp4"}, `+form+`}`, good)); err != nil {
			t.Errorf("%s: a good path: %v", place, err)
		}
		for _, path := range climbs {
			body := fmt.Sprintf(`{"input": {"url": "https://example.com/in.mp4"}, `+form+`}`, fmt.Sprintf("%q", strings.ReplaceAll(path, "\x00", "\\u0000")))
			body = strings.ReplaceAll(body, `\\u0000`, `\u0000`)
			_, err := coconut.DecodeJob([]byte(body))
			if e, ok := errors.AsType[*job.Error](err); !ok || e.Message == "" {
				t.Errorf("%s: %q was accepted: %v", place, path, err)
			}
		}
	}
}

// TestClimbingLater checks paths that are the result of an expression.
func TestClimbingLater(t *testing.T) {
	for _, path := range []string{"/{{ input.format }}/x.mp4", "/a/{{ input.format }}", "{{ input.format }}.mp4"} {
		body := fmt.Sprintf(`{"input": {"url": "https://example.com/in.mp4"}, "storage": {"service": "coconut"}, "outputs": {"mp4": {"path": %q}}}`, path)
		spec, err := coconut.DecodeJob([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"../..", "..", `..\..`, "a/../.."} {
			vars := expr.Vars{"input.format": value}
			o, err := coconut.ResolveOutput(spec.Outputs[0], vars)
			if err == nil && strings.Contains("/"+strings.ReplaceAll(o.Path, `\`, "/")+"/", "/../") {
				t.Errorf("%s with %q became %q", path, value, o.Path)
			}
		}
	}
}
