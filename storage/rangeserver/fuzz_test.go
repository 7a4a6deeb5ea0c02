package rangeserver

import "testing"

// FuzzRange checks that no Range header gets bytes that do not exist.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-", "bytes=-5", "bytes=5-2", "bytes=9223372036854775807-", "bytes= 1-2,3-4", "bytes=-9223372036854775808", ""} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		start, end, _, ok := parseRange(header, size)
		if ok && (start < 0 || end > size || start > end) {
			t.Errorf("%q of %d bytes: %d to %d", header, size, start, end)
		}
	})
}
