package admin

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/settings"
)

// scripts are those that no font of a plain system has, by a language of each, with the
// packages of Debian that have one.
var scripts = []struct{ name, language, packages string }{
	{"Chinese", "zh-cn", "fonts-noto-cjk"}, {"Japanese", "ja", "fonts-noto-cjk"}, {"Korean", "ko", "fonts-noto-cjk"},
	{"Arabic", "ar", "fonts-noto-core"}, {"Hebrew", "he", "fonts-noto-core"}, {"Devanagari", "hi", "fonts-noto-core"},
	{"Bengali", "bn", "fonts-noto-core"}, {"Tamil", "ta", "fonts-noto-core"}, {"Thai", "th", "fonts-noto-core"},
}

// checkFonts looks for what draws captions into pictures. ass: ffmpeg has the filter.
func checkFonts(ctx context.Context, out *findings, s *settings.Settings, ass bool) {
	const what = "fonts"
	if !ass {
		out.warn("burn", "ffmpeg has no filter ass (libass), so captions of text cannot be drawn")
		return
	}
	more := ""
	if s.Fonts != "" {
		files, err := os.ReadDir(s.Fonts)
		if err != nil {
			out.warn(what, "%v (--fonts)", err)
			return
		}
		if more = ", not counting those of " + s.Fonts; len(files) == 0 {
			out.warn(what, "%s is empty (--fonts)", s.Fonts)
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var missing, packages []string
	for _, script := range scripts {
		list, err := exec.CommandContext(ctx, "fc-list", ":lang="+script.language, "file").Output()
		if err != nil {
			out.warn(what, "not known, without the program fc-list of the package fontconfig%s", more)
			return
		}
		if strings.TrimSpace(string(list)) != "" {
			continue
		}
		missing = append(missing, script.name)
		if len(packages) == 0 || packages[len(packages)-1] != script.packages {
			packages = append(packages, script.packages)
		}
	}
	if missing == nil {
		out.ok(what, "for all scripts that were looked for")
		return
	}
	out.warn(what, "none of the system's has %s%s: captions that are drawn show boxes there; install %s", strings.Join(missing, ", "), more, strings.Join(packages, ", "))
}
