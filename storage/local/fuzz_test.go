package local

import (
	"path/filepath"
	"strings"
	"testing"
)

// FuzzServed checks that no path of a request reaches anything but results and
// uploads.
func FuzzServed(f *testing.F) {
	for _, s := range []string{Prefix + "uploads/0123456789abcdef0123456789abcdef/a.mp4", Prefix + "2601/02/x/../../secret", Prefix + "../secret-key", Prefix + "uploads/%2e%2e/secret", Prefix + "01/02/h/\\..\\x", "/", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name := served(path)
		if name == "" {
			return
		}
		if !filepath.IsLocal(name) || filepath.Clean(name) != name || strings.Count(name, "/") < 2 || strings.HasPrefix(filepath.Base(name), ".copra") {
			t.Errorf("%q serves %q", path, name)
		}
	})
}
