package s3

import (
	"strings"

	"github.com/copra-video/copra/storage"
)

// URL is the public address of key: at Amazon with the bucket in the host
// name, path-style when that has dots, and elsewhere as requests are made.
func (b *Bucket) URL(key string) string {
	key = storage.EscapeKey(key)
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
		return b.public.Scheme + "://" + b.public.Host + b.public.EscapedPath() + "/" + b.publicName() + "/" + key
	}
	return b.public.Scheme + "://" + b.name + "." + b.public.Host + b.public.EscapedPath() + "/" + key
}

// publicName is the bucket in the path of public addresses. The colon behind a
// tenant stays one, as in the addresses that the service itself shows.
func (b *Bucket) publicName() string {
	if tenant := b.account.Options["tenant_id"]; b.service.Tenant && tenant != "" && !strings.Contains(b.name, ":") {
		return storage.EscapeKey(tenant) + ":" + b.name
	}
	return b.name
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
