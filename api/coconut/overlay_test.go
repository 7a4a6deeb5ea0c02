package coconut

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

func TestOverlay(t *testing.T) {
	spec, err := DecodeJob(overlayRequest(`{"mp4": {"path": "/a.mp4", "overlay": [
		{"text": "a':x=0,drawtext", "color": "#FF8800", "start": 1, "end": "2.5"}, {"timecode": true, "position": "top"}, {"image": "https://a/b.png", "width": 10, "opacity": 0.5}, {"lut": "https://a/b.cube"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	o, err := ResolveOutput(spec.Outputs[0], Vars(phone()))
	if err != nil {
		t.Fatal(err)
	}
	list := o.Video.Overlay
	if len(list) != 4 || list[2].Image.Reveal() != "https://a/b.png" || list[2].Position != "topright" || list[2].Opacity != 0.5 || list[3].LUT.IsZero() || list[1].Timecode != "00:00:00:00" {
		t.Fatalf("%+v", list)
	}
	want := job.Overlay{Text: "a':x=0,drawtext", Position: "bottomleft", Margin: 4, Size: 5, Color: "ff8800", Opacity: 1, BoxColor: "000000", BoxOpacity: 0.5, Start: 1, End: 2.5}
	if list[0] != want {
		t.Error(cmp.Diff(want, list[0], cmp.AllowUnexported(job.Secret{})))
	}
}

func TestOverlayRefused(t *testing.T) {
	for overlay, words := range map[string]string{
		`[{}]`: "and got 0",
		`[{"text": "a", "image": "https://a/b"}]`: "and got 2",
		`["a"]`:                                                     "expected an array of overlays",
		`[{"text": "a", "width": 3}]`:                               "width",
		`[{"text": "a", "color": "mauve"}]`:                         "white",
		`[{"text": "a", "position": "north"}]`:                      "bottomleft",
		`[{"text": "a", "start": 3, "end": 2}]`:                     "after 'start'",
		`[{"text": "a\u0007"}]`:                                     "control characters",
		`[{"timecode": "25:00:00:00"}]`:                             "10:00:00:00",
		`[{"timecode": "00:00:00:00',drawtext"}]`:                   "10:00:00:00",
		`[{"lut": "https://a/b.cube", "start": 1}]`:                 "start",
		`[{"image": "file:///etc/passwd"}]`:                         "image",
		`[` + strings.Repeat(`{"text":"a"},`, 20) + `{"text":"a"}]`: "at most 20",
	} {
		refusedWith(t, overlayRequest(`{"mp4": {"path": "/a.mp4", "overlay": `+overlay+`}}`), []string{words})
	}
	refusedWith(t, overlayRequest(`{"mp3": {"path": "/a.mp3", "overlay": {"text": "a"}}}`), []string{"no video"})
	refusedWith(t, overlayRequest(`{"mp4:copy": {"path": "/a.mp4", "overlay": {"text": "a"}}}`), []string{"'copy'"})
	refusedWith(t, overlayRequest(`{"jpg": {"path": "/a.jpg", "overlay": {"text": "a"}}}`), []string{"it is a param of"})
}

// overlayRequest is a request with these outputs.
func overlayRequest(outputs string) []byte {
	return []byte(`{"input": {"url": "https://a/b"}, "storage": {"service": "coconut"}, "outputs": ` + outputs + `}`)
}
