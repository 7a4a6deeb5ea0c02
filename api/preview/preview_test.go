package preview

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

func TestPreview(t *testing.T) {
	p := Of([]byte(`{"input": {"url": "https://example.com/a.mp4"}, "storage": {"service": "coconut"}, "outputs": {
		"mp4:720p": {"path": "/a.mp4"}, "mp4:1080p": {"path": "/b.mp4", "if": "{{ input.width }} >= 3840"},
		"webm": {"path": "/late.webm", "offset": 100}, "httpstream": {"variants": ["mp4:720p"], "hls": {"path": "/hls"}}}}`), DefaultInput, transcode.Options{})
	if !p.Valid || p.Message != "" {
		t.Fatalf("it is refused: %+v", p)
	}
	var results []string
	for _, o := range p.Outputs {
		results = append(results, o.Key+" "+o.Result)
	}
	if want := []string{"mp4:720p made", "mp4:1080p skipped", "webm refused", "httpstream made"}; !slices.Equal(results, want) {
		t.Errorf("the outputs are %q, want %q", results, want)
	}
	encodes := 0
	for _, s := range p.Steps {
		encodes += s.VideoEncodes
		if slices.Contains(s.Outputs, "mp4:1080p") {
			t.Errorf("a step is for a skipped output: %+v", s)
		}
	}
	if encodes != 1 || p.WorkBytes <= 0 {
		t.Errorf("%d encodes and %d bytes, want one encode that two outputs share", encodes, p.WorkBytes)
	}

	p = Of([]byte(`{"input": {"url": "nowhere"}}`), DefaultInput, transcode.Options{})
	if p.Valid || p.Code != job.InputURLNotValid || !strings.Contains(p.Message, "nowhere") || p.Outputs == nil || p.Steps == nil {
		t.Errorf("a bad request: %+v", p)
	}
}
