// Package buildinfo knows the version of the program.
package buildinfo

import (
	"runtime/debug"
)

// version is set by the build: -ldflags "-X github.com/copra-video/copra/internal/buildinfo.version=1.2.3".
var version = ""

// Version is the version set by the build, else that of the module or
// its revision.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}
