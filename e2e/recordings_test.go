package e2e

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
)

// TestRecordings: streams that this server has made of a film are inputs. What is made of
// them has the film's frames, and its beeps are where they were.
func TestRecordings(t *testing.T) {
	observed.Row(t, "12.2 HLS and DASH recordings as inputs")
	t.Parallel()
	srv := shared(t)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "0123456789abcdef")
	}))
	defer keys.Close()
	film := testmedia.Counter(t, "25", 6, 128, 72)
	made := srv.completed(t, 2*time.Minute, jobOf(inputs(t).add(film), object{"httpstream": object{
		"variants": []string{"mp4:128x72::quality=4", "mp4:64x36::quality=3"},
		"hls":      object{"path": "/hls", "encryption_key": "30313233343536373839616263646566", "encryption_key_uri": keys.URL},
		"dash":     object{"path": "/dash"},
	}}))
	stream := made.output(t, "httpstream")
	whole := object{"mp4:128x72::quality=4": object{"path": "/whole.mp4", "key": "whole"}}
	for _, format := range []string{"hls", "dash"} {
		t.Run(format, func(t *testing.T) {
			outputs := whole
			if format == "dash" {
				outputs = object{
					"mp4:128x72::quality=4": []object{{"path": "/whole.mp4", "key": "whole"}, {"path": "/part.mp4", "key": "part", "offset": 2, "duration": 2}},
				}
			}
			j := srv.completed(t, 2*time.Minute, jobOf(stream.stream(t, format), outputs))
			made := save(t, j.output(t, "whole").URL, "whole.mp4")
			inOrder(t, format, testmedia.ReadFrames(t, made), 150)
			probe(t, made).lasts(t, format, 6, 0.1)
			want, got := testmedia.Beeps(t, film), testmedia.Beeps(t, made)
			for i := range want {
				if len(got) != len(want) || math.Abs(got[i]-want[i]) > 0.03 {
					t.Errorf("the beeps are at %v, want %v", got, want)
					break
				}
			}
			_, body, _ := srv.send(t, http.MethodGet, "/metadata/jobs/"+j.ID, nil)
			if !strings.Contains(string(body), `"recording":{"protocol":"`+format+`"`) {
				t.Errorf("the metadata does not say what it was: %s", body)
			}
			if format == "dash" {
				part := testmedia.ReadFrames(t, save(t, j.output(t, "part").URL, "part.mp4"))
				if len(part) != 50 || part[0] != 50 || part[49] != 99 {
					t.Errorf("the part has the frames %v", part)
				}
			}
		})
	}
	t.Run("joined", func(t *testing.T) {
		j := srv.completed(t, 2*time.Minute, object{
			"inputs": []object{
				{"url": stream.stream(t, "dash"), "offset": 5.4}, {"url": stream.stream(t, "hls"), "offset": 2, "duration": 0.6},
				{"url": inputs(t).add(film), "duration": 0.2}, {"url": stream.stream(t, "hls"), "offset": 5.6},
			},
			"storage": object{"service": "coconut"}, "outputs": whole,
		})
		// TS begins with the priming of its sound, so its pictures are half a frame late.
		var want []int
		for _, part := range [][2]int{{135, 150}, {49, 64}, {0, 5}, {139, 150}} {
			for k := part[0]; k < part[1]; k++ {
				want = append(want, k)
			}
		}
		if got := testmedia.ReadFrames(t, save(t, j.output(t, "whole").URL, "joined.mp4")); !slices.Equal(got, want) {
			t.Errorf("the frames are %v, want %v", got, want)
		}
	})
}
