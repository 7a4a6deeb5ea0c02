package s3

import (
	"strings"
)

// URL is the public address of key: at Amazon with the bucket in the host
// name, path-style when that has dots, and elsewhere as requests are made.
func (b *Bucket) URL(key string) string {
	key = escapeKey(key)
	if b.amazon() {
		scheme := "https"
		if b.account.Secure != nil && !*b.account.Secure {
			scheme = "http"
		}
		host := amazonHost(b.conn.Load().region)
		if b.path || strings.Contains(b.name, ".") {
			return scheme + "://" + host + "/" + b.name + "/" + key
		}
		return scheme + "://" + b.name + "." + host + "/" + key
	}
	if b.path {
		return b.public.Scheme + "://" + b.public.Host + b.public.EscapedPath() + "/" + escapeKey(b.name) + "/" + key
	}
	return b.public.Scheme + "://" + b.name + "." + b.public.Host + b.public.EscapedPath() + "/" + key
}

// amazonHost is the host of a region. us-east-1 keeps the name without a
// region that Coconut's own addresses have.
func amazonHost(region string) string {
	switch {
	case region == "us-east-1":
		return "s3.amazonaws.com"
	case strings.HasPrefix(region, "cn-"):
		return "s3." + region + ".amazonaws.com.cn"
	default:
		return "s3." + region + ".amazonaws.com"
	}
}

// escapeKey percent-encodes all but the unreserved characters and slashes, as
// S3 itself does: "+" would be read as a space, and "?" and "#" would end the
// path.
func escapeKey(key string) string {
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
