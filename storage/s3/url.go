package s3

import (
	"strings"

	"github.com/copra-video/copra/storage"
)

// URL is the public address of key. At Amazon the bucket is in the host name, or
// in the path if its name has dots. Elsewhere the address is as in requests.
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

// publicName is the bucket in the path of public addresses. The colon after a
// tenant is not escaped, as in the addresses that the service itself shows.
func (b *Bucket) publicName() string {
	if tenant := b.account.Options["tenant_id"]; b.service.Tenant && tenant != "" && !strings.Contains(b.name, ":") {
		return storage.EscapeKey(tenant) + ":" + b.name
	}
	return b.name
}

// amazonHost is the host of a region. For us-east-1 it is the name without a
// region, as in Coconut's addresses.
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
