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

// TestEarlyPlayback: a stream plays before the job's own is made, of the input's picture or of
// the smallest variant, and its address leads to the job's own afterwards.
func TestEarlyPlayback(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	for name, test := range map[string]struct {
		clip testmedia.Recipe
		note string
		size [2]int
	}{
		"cut":     {fitting, "Playable early: the picture of the input is cut as it is.", [2]int{320, 180}},
		"encoded": {testmedia.Portrait90, "Playable early: 90x160 is encoded first", [2]int{90, 160}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := testmedia.Clip(t, test.clip)
			spec := jobOf(inputs(t).add(clip), object{"httpstream": object{
				"variants": []string{"mp4:90x160::quality=1", "mp4:160x::quality=1"}, "hls": object{"path": "/hls"},
			}})
			spec["settings"] = object{"early_playback": true}
			j := srv.completed(t, 5*time.Minute, spec)
			var history struct {
				Events []struct{ Event, URL, Note string }
			}
			_, body, _ := srv.send(t, http.MethodGet, "/jobs/"+j.ID+"/events", nil)
			if err := json.Unmarshal(body, &history); err != nil {
				t.Fatal(err)
			}
			var order []string
			address := ""
			for _, e := range history.Events {
				if e.Event == "stream.playable" {
					address = e.URL
				}
				if strings.HasPrefix(e.Note, test.note) || e.Event == "stream.playable" || e.Event == "output.completed" {
					order = append(order, e.Event)
				}
			}
			if want := []string{"output.note", "stream.playable", "output.completed"}; !slices.Equal(order, want) {
				t.Fatalf("the events %v, want %v: %s", order, want, body)
			}
			if !strings.HasSuffix(address, "/hls/early/master.m3u8") || !strings.Contains(string(j.raw), `"early_url":"`+address+`"`) {
				t.Errorf("playable at %q, the job says %s", address, j.raw)
			}
			// The address leads to the ladder, by the same rules.
			follows(t, address)
			// The playlist that players have begun with is whole.
			media := sibling(t, address, "stream.m3u8")
			if list := string(fetch(t, media)); !strings.HasSuffix(list, "#EXT-X-ENDLIST\n") || !strings.Contains(list, "#EXT-X-PLAYLIST-TYPE:EVENT\n") {
				t.Errorf("the playlist of the early stream:\n%s", list)
			}
			p := probe(t, media)
			if w, h := p.video(t, "early"); w != test.size[0] || h != test.size[1] {
				t.Errorf("the early stream is %dx%d, want %v", w, h, test.size)
			}
			if want, got := len(packets(t, clip)), len(packets(t, media)); got != want {
				t.Errorf("the early stream has %d pictures, the input %d", got, want)
			}
		})
	}
}
