package e2e

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// TestServerKeys has the server make the keys of a stream. shaka-player and dash.js get a
// ClearKey license with a token, and play the stream in Chromium; without a token, and
// with that of another job, there is no key.
func TestServerKeys(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	const seconds = 7
	j := srv.completed(t, 90*time.Second, jobOf(inputs(t).add(testmedia.Counter(t, "25", seconds, 320, 180)), object{
		"httpstream": object{"dash": object{"path": "/protected", "hlsfmp4": true}, "variants": []string{"mp4:320x180"}, "protection": true},
	}))
	status, body, h := srv.send(t, http.MethodPost, "/jobs/"+j.ID+"/playback-token", object{"seconds": 3600})
	var answer struct {
		Token     string
		License   string    `json:"license_url"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusCreated || h.Get("Cache-Control") != "no-store" || time.Until(answer.ExpiresAt) > time.Hour {
		t.Fatalf("token: %d %s: %v", status, body, err)
	}
	served(t, srv.client).holds(t, "PlaybackToken", body)
	license := answer.License + "?token=" + url.QueryEscape(answer.Token)
	refusedKeys(t, srv, j, answer.License, license)

	stream := j.output(t, "httpstream")
	for _, p := range plays(t, []object{
		{"name": "shaka dash", "player": "shaka", "url": stream.stream(t, "dash"), "license": license},
		{"name": "shaka hls", "player": "shaka", "url": stream.stream(t, "hlsfmp4"), "license": license},
		{"name": "dash.js", "player": "dash", "url": stream.stream(t, "dash"), "license": license},
	}) {
		if math.Abs(p.End-seconds) > 0.1 {
			t.Errorf("%+v", p)
		}
	}
}

// refusedKeys asks for licenses in the wrong way.
func refusedKeys(t *testing.T, srv *standalone, j jobDoc, bare, license string) {
	t.Helper()
	ask := func(address, body string) int {
		resp, err := http.Post(address, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	other := strings.Replace(license, j.ID, "AAAAAAAAAAAAAA", 1)
	unknown := `{"kids":["ABEiM0RVZneImaq7zN3u_w"],"type":"temporary"}`
	for _, c := range []struct {
		address, body string
		want          int
	}{
		{bare, unknown, http.StatusUnauthorized}, {other, unknown, http.StatusUnauthorized}, {license + "x", unknown, http.StatusUnauthorized},
		{license, unknown, http.StatusNotFound}, {license, "{", http.StatusBadRequest},
	} {
		if got := ask(c.address, c.body); got != c.want {
			t.Errorf("%s answers %d, want %d", strings.Replace(c.address, license, "LICENSE", 1), got, c.want)
		}
	}
	for _, body := range []any{object{"seconds": 0}, object{"seconds": 86401}, object{"seconds": "a"}} {
		if status, answer, _ := srv.send(t, http.MethodPost, "/jobs/"+j.ID+"/playback-token", body); status != http.StatusBadRequest {
			t.Errorf("a token for %v: %d %s", body, status, answer)
		}
	}
	if status, _, _ := srv.send(t, http.MethodPost, "/jobs/AAAAAAAAAAAAAA/playback-token", nil); status != http.StatusNotFound {
		t.Errorf("a token for no job: %d", status)
	}
}
