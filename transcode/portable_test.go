package transcode

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// TestPortable names the steps of a plan in chunks that another machine can run, and
// takes one of them out of the plan.
func TestPortable(t *testing.T) {
	m, err := job.ParseMedia([]byte(`{"streams":[
		{"index":0,"codec_type":"video","codec_name":"h264","width":640,"height":360,"pix_fmt":"yuv420p","r_frame_rate":"25/1","avg_frame_rate":"25/1","duration":"90","nb_frames":"2250"},
		{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"duration":"90"}],
		"format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":"90"}}`))
	if err != nil {
		t.Fatal(err)
	}
	outputs := []*job.Output{output(t, "mp4:240p path=/a.mp4 watermark=topleft"), output(t, "jpg:100x path=/%02d.jpg interval=10")}
	var got []string
	p := Build(outputs, m, Options{ChunkSeconds: 30})
	for _, s := range p.Steps {
		if s.Portable() {
			got = append(got, s.ID)
		}
	}
	if want := "encode-1-c1 encode-1-c2 encode-1-c3 audio-1"; strings.Join(got, " ") != want {
		t.Errorf("portable are %q, want %s", got, want)
	}
	for _, s := range p.Steps {
		alone := p.Alone(s)
		switch {
		case s.Kind == StepEncode && (len(alone.Fetches) != 1 || len(alone.Secrets) != 1 || alone.Fetches[0].Outputs[0] != 0):
			t.Errorf("%s has the fetches %+v", s.ID, alone.Fetches)
		case s.Kind == StepAudio && len(alone.Fetches)+len(alone.Secrets) > 0:
			t.Errorf("%s needs no fetch and no secret, and has %d and %d", s.ID, len(alone.Fetches), len(alone.Secrets))
		}
		text, err := json.Marshal(alone)
		if err != nil || strings.Contains(string(text), "logo.png") {
			t.Errorf("%s as JSON: %v, %s", s.ID, err, text)
		}
		var back Plan
		if err := json.Unmarshal(text, &back); err != nil || back.Steps[0].Portable() != s.Portable() {
			t.Errorf("%s does not come back: %v", s.ID, err)
		}
	}
}
