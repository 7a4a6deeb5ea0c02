package pgtest

import "runtime/debug"

// riverVersion is the version of the module that migrates River's tables.
func riverVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/riverqueue/river" {
			return m.Version
		}
	}
	return ""
}
