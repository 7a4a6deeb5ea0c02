package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// recorded is WebM as MediaRecorder writes it: no duration, no index, and a size that is not
// known when it begins.
var recorded = testmedia.Recipe{Name: "recorded.webm", Args: []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", "50", "-c:a", "libopus", "-live", "1", "-f", "webm"}}

// TestJoinedRecorder: what a browser has recorded is a part like any other, from its
// beginning, from an offset and to its end, which nothing in the file tells.
func TestJoinedRecorder(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	film := testmedia.Counter(t, "25", 3, 128, 72)
	r := recorded
	r.Args = append([]string{"-i", film}, r.Args...)
	webm, mp4 := inputs(t).add(testmedia.Clip(t, r)), inputs(t).add(film)
	j := srv.completed(t, 2*time.Minute, object{
		"inputs":  []object{{"url": webm, "offset": 2.2}, {"url": mp4, "offset": 1, "duration": 0.4}, {"url": webm, "duration": 0.4}},
		"storage": object{"service": "coconut"}, "outputs": object{"mp4:128x72::quality=4": object{"path": "/a.mp4", "key": "whole"}},
	})
	var want []int
	for _, part := range [][2]int{{55, 75}, {25, 35}, {0, 10}} {
		for k := part[0]; k < part[1]; k++ {
			want = append(want, k)
		}
	}
	if got := testmedia.ReadFrames(t, save(t, j.output(t, "whole").URL, "recorded.mp4")); !slices.Equal(got, want) {
		t.Errorf("the frames are %v, want %v", got, want)
	}
}
