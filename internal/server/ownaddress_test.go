package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/netguard"
)

// TestReceiverIsReached: webhooks to the server's own test receiver arrive although the network
// guard allows nothing of this machine, and those to anything else of it do not.
func TestReceiverIsReached(t *testing.T) {
	s := startServer(t)
	s.srv.guard = netguard.New(nil)
	s.startWorker()
	public := s.srv.settings.PublicURL
	for to, want := range map[string]string{
		"/console/receiver/204":               `"status":204`,
		"/console/receiver/204?who=me":        `"status":204`,
		"/console/receiver/500":               `"status":500`,
		"/console/receiver/200/../../../ping": "is refused because it is a loopback address",
		"/v2/ping":                            "is refused because it is a loopback address",
	} {
		id := s.create(fmt.Sprintf(`{"input":{"url":%q},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a.mp4"}},
			"notification":{"type":"http","url":%q}}`, public+"/none.mp4", public+to))
		seen := ""
		eventually(t, "an attempt", func() bool {
			var d deliveries
			d, seen = s.deliveries(id)
			return len(d.Deliveries) == 1 && len(d.Deliveries[0].Attempts) > 0
		})
		if !strings.Contains(seen, want) {
			t.Errorf("%s: %s, want %s", to, seen, want)
		}
	}
}
