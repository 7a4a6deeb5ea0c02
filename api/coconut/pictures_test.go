package coconut

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

// All params that shape videos and pictures, in the spellings of clients, and their
// decoded values.
func TestShapingParams(t *testing.T) {
	one := 1
	none := 0
	mark := func(position string) *job.Watermark {
		return &job.Watermark{URL: job.NewSecret("https://a/b.png"), Position: position}
	}
	for _, c := range []struct {
		key, params string
		video       *job.VideoParams
		image       *job.ImageParams
	}{
		{"mp4:720p", `{"path": "/a.mp4", "fit": "crop", "transpose": 0, "vflip": 1, "hflip": "true"}`, &job.VideoParams{Fit: "crop", Transpose: &none, VFlip: true, HFlip: true}, nil},
		{"mp4:720p", `{"path": "/a.mp4", "deinterlace": true, "square": true, "crop": "iw/2 : min(ih, 300)"}`, &job.VideoParams{Fit: "pad", Deinterlace: true, Square: true, CropW: "iw/2", CropH: "min(ih, 300)"}, nil},
		{"mp4:720p", `{"path": "/a.mp4", "crop": "{% input.width / 2 %}:{{ input.height }}", "transpose": "1"}`, &job.VideoParams{Fit: "pad", CropW: "540", CropH: "1920", Transpose: &one}, nil},
		{"mp4:720p", `{"path": "/a.mp4", "watermark": {"url": "https://a/b.png", "position": "bottomleft"}}`, &job.VideoParams{Fit: "pad", Watermark: mark("bottomleft")}, nil},
		{"mp4:720p", `{"path": "/a.mp4", "watermark": {"url": "https://a/b.png"}}`, &job.VideoParams{Fit: "pad", Watermark: mark("topright")}, nil},
		{"mp4:720p", `{"path": "/a.mp4", "watermark": false}`, &job.VideoParams{Fit: "pad"}, nil},
		{"jpg:120x", `{"path": "/jpg/tooltip/image.jpg", "interval": 10, "sprite": true, "vtt": true}`, nil, &job.ImageParams{Fit: "pad", Interval: 10, HasInterval: true, Sprite: &job.Sprite{Columns: 4}, VTT: &job.VTT{}}},
		{"webp:160x", `{"path": "/%03d.webp", "interval": 0, "sprite": {"columns": 5, "limit": 100}, "vtt": {"filename": "a.vtt"}}`, nil, &job.ImageParams{Fit: "pad", HasInterval: true, Sprite: &job.Sprite{Columns: 5, Limit: 100}, VTT: &job.VTT{Filename: "a.vtt"}}},
		{"jpg:720p", `{"path": "/a.jpg", "blur": 5, "square": true}`, nil, &job.ImageParams{Fit: "pad", Blur: 5, Square: true}},
		{"jpg:300x", `{"path": "/#num#.jpg", "offsets": "{% array(1, input.duration / 3) %}"}`, nil, &job.ImageParams{Fit: "pad", Offsets: []float64{1, 20}}},
		{"jpg:300x", `{"path": "/%d.jpg", "number": "{% if(input.width < 1000, 2, 3) %}"}`, nil, &job.ImageParams{Fit: "pad", Number: 3}},
		{"gif:320x320", `{"path": "/a.gif", "scene": {"number": 5, "duration": 1}, "square": true}`, nil, &job.ImageParams{Fit: "pad", Square: true, Scene: &job.Scene{Number: 5, Duration: 1}}},
		{"webp_anim", `"/a.webp"`, nil, &job.ImageParams{Fit: "pad", Scene: &job.Scene{Number: 1, Duration: 5}}},
	} {
		spec, err := DecodeJob(body(`outputs: {"` + c.key + `": ` + c.params + `}`))
		if err != nil {
			t.Errorf("%s %s: %v", c.key, c.params, err)
			continue
		}
		m := phone()
		m.Duration = 60
		o, err := ResolveOutput(spec.Outputs[0], Vars(m))
		if err != nil {
			t.Errorf("%s %s: %v", c.key, c.params, err)
			continue
		}
		secrets := cmp.Comparer(func(a, b job.Secret) bool { return a.Reveal() == b.Reveal() })
		if diff := cmp.Diff(c.video, o.Video, secrets); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.key, c.params, diff)
		}
		if diff := cmp.Diff(c.image, o.Image, secrets); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.key, c.params, diff)
		}
	}
}

// Sizes and bitrates may be expressions whose results are fractions.
func TestFractions(t *testing.T) {
	spec, err := DecodeJob(body(`outputs: {"mp4": {"path": "/a.mp4", "format": {"resolution": "{% input.width / 7 %}x", "video_bitrate": "{% input.video_bitrate / 2 %}k", "fps": "{% 25 / 2 %}fps"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	o, err := ResolveOutput(spec.Outputs[0], Vars(phone()))
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Format.String(); got != "mp4:154x_514k_12.5fps" {
		t.Errorf("format %s", got)
	}
}
