package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/copra-video/copra/console"
)

// TestReceiver: the test receiver answers with the status that its address says, to whoever
// sends something, and with no other.
func TestReceiver(t *testing.T) {
	r := start(t)
	for path, want := range map[string]int{"200": 200, "204": 204, "410": 410, "429": 429, "503": 503, "302": 404, "0": 404, "x": 404} {
		resp, err := http.Post(r.url+console.ReceiverPath+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	resp, err := http.Post(r.url+console.ReceiverPath+"200", "application/json", strings.NewReader(strings.Repeat("a", 1<<20+1)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large: %d", resp.StatusCode)
	}
	for address, want := range map[string]bool{
		"https://a/console/receiver/200": true, "https://a/console/receiver/200?x=1": true,
		"https://a/console/receiver/200/../x": false, "https://a/console/receiver/201": false, "https://a.b/console/receiver/200": false,
		"https://a/v2/jobs": false, "/console/receiver/200": false,
	} {
		if got := console.IsReceiver(address, "https://a"); got != want {
			t.Errorf("%s is the test receiver: %v", address, got)
		}
	}
	if console.IsReceiver("/console/receiver/200", "") {
		t.Error("a server without an address has a test receiver")
	}
}
