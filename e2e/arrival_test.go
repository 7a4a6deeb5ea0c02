package e2e

import (
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// Inputs that are read while they arrive, on servers that misbehave: a job ends well, with
// every frame, or with a sentence at the input. Its index is at the end.
func TestInputsArrive(t *testing.T) {
	t.Parallel()
	srv, in := shared(t), inputs(t)
	clip := testmedia.Clip(t, testmedia.Large)
	outputs := object{
		"mp4:160x0": object{"path": "/a.mp4"}, "jpg:100x": object{"path": "/a_#num#.jpg", "number": 3},
		"mp4:160x90": object{"path": "/clip.mp4", "key": "clip", "offset": 2, "duration": 1},
	}
	for _, tt := range []struct{ way, says string }{
		{"file", ""}, {"plain", ""}, {"slow", ""}, {"cutting", ""}, {"single", ""}, {"redirect", ""},
		{"broken", "broke off"},
		{"replaced", "changed on 127.0.0.1 while it was being read"},
		{"expires", "403 (Forbidden: access is denied, or a signed address has expired)"},
		{"misplaced", "answers requests for a part of it with another part"},
	} {
		t.Run(tt.way, func(t *testing.T) {
			t.Parallel()
			spec := jobOf(in.as(tt.way, clip), outputs)
			if tt.says != "" {
				j := srv.wait(t, srv.create(t, spec).ID, 60*time.Second)
				if j.Status != "job.failed" || j.Input.Status != "input.failed" {
					t.Errorf("%s", j.raw)
				}
				plain(t, j.Input.Error, tt.says)
				return
			}
			j := srv.completed(t, 60*time.Second, spec)
			if j.Input.Status != "input.transferred" {
				t.Errorf("the input is %s", j.Input.Status)
			}
			for _, s := range probe(t, j.output(t, "mp4:160x0").URL, "-count_frames").Streams {
				if s.Type == "video" && s.Frames != "100" {
					t.Errorf("%s frames", s.Frames)
				}
			}
			probe(t, j.output(t, "clip").URL).lasts(t, "the clip", 1, 0.1)
			if n := len(j.output(t, "jpg:100x").images(t)); n != 3 {
				t.Errorf("%d pictures", n)
			}
		})
	}
}
