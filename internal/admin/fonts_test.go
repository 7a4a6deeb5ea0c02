package admin

import (
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/settings"
)

func TestCheckFonts(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		fonts string
		ass   bool
		want  string
	}{
		{"", false, "--  burn                  ffmpeg has no filter ass"},
		{empty, true, "--  fonts                 " + empty + " is empty"},
		{"/no/such", true, "--  fonts                 open /no/such"},
		{"", true, "fonts                 "},
	} {
		var out strings.Builder
		checkFonts(t.Context(), &findings{w: &out}, &settings.Settings{Fonts: c.fonts}, c.ass)
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %s", c.fonts, out.String())
		}
	}
}
