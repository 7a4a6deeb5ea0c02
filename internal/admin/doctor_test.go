package admin

import (
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/settings"
)

func TestCheckArtifactStore(t *testing.T) {
	for address, want := range map[string]string{
		"":            "ok  artifact store",
		t.TempDir():   "ok  artifact store",
		"/no/such/at": "BAD artifact store",
	} {
		var out strings.Builder
		checkArtifactStore(t.Context(), &findings{w: &out}, &settings.ArtifactStore{Address: address})
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("%q: %s", address, out.String())
		}
	}
}
