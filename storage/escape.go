package storage

import "strings"

// EscapeKey returns key as the path of a URL. It percent-encodes all but the
// unreserved characters and slashes, as S3 does. Clients would read "+" as a
// space, and "?" and "#" would end the path.
func EscapeKey(key string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~/", c) >= 0:
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		}
	}
	return out.String()
}
