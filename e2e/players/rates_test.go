package players

import (
	"math"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// TestBrowserRates: at every frame rate picture and sound have the same places in the
// buffers of browsers as in the stream. With COPRA_PLAYERS=1, which make players sets.
func TestBrowserRates(t *testing.T) {
	testmedia.Long(t)
	if os.Getenv("COPRA_PLAYERS") == "" {
		t.Log("TestPlayers holds 25 frames a second")
		return
	}
	nodeModules := modules(t)
	for _, r := range sourceRates() {
		t.Run(r.name, func(t *testing.T) {
			addresses := flashes(t, r)
			mux := pages(nodeModules)
			server := httptest.NewServer(mux)
			defer server.Close()
			cases := []playing{{Name: "hls.js ts", Player: "hls", URL: addresses[0]}, {Name: "hls.js cmaf", Player: "hls", URL: addresses[1]}, {Name: "shaka cmaf", Player: "shaka", URL: addresses[1]}, {Name: "shaka dash", Player: "shaka", URL: addresses[2]}, {Name: "dash.js", Player: "dash", URL: addresses[2]},
				{Name: "hls.js 2 cmaf", Player: "hls", URL: addresses[3]}, {Name: "shaka 2 cmaf", Player: "shaka", URL: addresses[3]}, {Name: "dash.js 2 dash", Player: "dash", URL: addresses[4]}}
			for _, b := range browsers(t) {
				for _, p := range b.play(t, nodeModules, server.URL+"/page/page.html", cases) {
					if p.Failed != "" || len(p.Errors) > 0 {
						t.Errorf("%s, %s: %s %v", b.kind, p.Name, p.Failed, p.Errors)
						continue
					}
					off, err := p.offset(2 * float64(r.rate[1]) / float64(r.rate[0]))
					t.Logf("%s, %s: the sound is %.1f ms early", b.kind, p.Name, 1000*off)
					if err != nil || math.Abs(off) > 0.005 {
						t.Errorf("%s, %s: %v, off by %.1f ms", b.kind, p.Name, err, 1000*off)
					}
				}
			}
		})
	}
}
