package httpsource

import "testing"

// FuzzContentRange checks that a header gives either a plausible size or none.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-99/1000", "bytes 0-99/*", "bytes */1000", "bytes -1-2/3", "bytes 0-99/-5", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if start, total, ok := parseContentRange(header); ok && (start < 0 || total < -1) {
			t.Errorf("%q: from %d of %d", header, start, total)
		}
	})
}
