package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// TestJoinedInputs: a job of several inputs makes a file that has their frames in order, and
// its metadata has those of the parts. A part that cannot be is named.
func TestJoinedInputs(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	film := inputs(t).add(testmedia.Counter(t, "25", 6, 128, 72))
	logo := inputs(t).add(testmedia.Clip(t, testmedia.Logo))
	job := func(parts ...object) object {
		return object{"inputs": parts, "storage": object{"service": "coconut"}, "outputs": object{"mp4:128x72::quality=4": object{"path": "/a.mp4", "key": "whole"}}}
	}
	j := srv.completed(t, 2*time.Minute, job(
		object{"url": film, "offset": 4, "duration": 1}, object{"black": 0.2}, object{"url": film, "offset": 1, "duration": 0.6}, object{"url": logo, "duration": 0.2},
	))
	var want []int
	add := func(from, n int) {
		for k := range n {
			want = append(want, from+k)
		}
	}
	add(100, 25)
	want = append(want, slices.Repeat([]int{-1}, 5)...)
	add(25, 15)
	got := testmedia.ReadFrames(t, save(t, j.output(t, "whole").URL, "whole.mp4"))
	if len(got) != len(want)+5 || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the frames are %v, want %v and 5 more", got, want)
	}
	_, body, _ := srv.send(t, http.MethodGet, "/metadata/jobs/"+j.ID, nil)
	var doc struct {
		Metadata struct {
			Input struct {
				Format struct{ Duration string }
				Inputs []*struct{ Format struct{ Duration string } }
			}
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	if m := doc.Metadata.Input; len(m.Inputs) != 4 || m.Inputs[1] != nil || m.Inputs[0] == nil || !strings.HasPrefix(m.Inputs[0].Format.Duration, "6.") || m.Format.Duration != "2.000000" {
		t.Errorf("the metadata of the input is %s", body)
	}
	failed := srv.run(t, 2*time.Minute, job(object{"url": film}, object{"url": film, "offset": 10}))
	if failed.Status != "job.failed" || !strings.Contains(failed.Input.Error, "The input 2 lasts 6") {
		t.Errorf("a part beyond the end: %s", failed.raw)
	}
}
