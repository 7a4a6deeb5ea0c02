// Package s3 stores and reads objects of the S3 family: Amazon S3, what speaks
// its protocol under a name of its own, and any server by its endpoint. The
// services differ by the rows of one table; the code is the same for all.
package s3

import (
	"slices"
	"strings"
)

// Service is one row: what is particular about a service.
type Service struct {
	Name    string
	Aliases []string
	// Endpoint is a template with {region} and {account}; "" when the customer
	// must name one, and for Amazon, whose SDK knows its endpoints. An endpoint
	// in the request always wins.
	Endpoint string
	// Region is used when the request names none.
	Region string
	// Amazon is Amazon itself: its endpoint rules, its checksums on every
	// request, its URLs.
	Amazon bool
	// PathStyle puts the bucket into the path instead of the host name, unless
	// the request says otherwise.
	PathStyle bool
	// ACL is the canned ACL of objects when the request names none; "" for
	// services that know no ACL or keep objects private on purpose.
	ACL string
	// PlainEncoding leaves the header Accept-Encoding out of the signature:
	// Google's front changes it on the way.
	PlainEncoding bool
	// Tenant puts the option "tenant_id" before the bucket in public addresses.
	Tenant bool
}

// services of the specification, coconut-v2.md sections 3.3 and 12. Path style where it is
// documented to work or the only way; it also keeps TLS working for bucket
// names with dots.
var services = []Service{
	{Name: "s3", Region: "us-east-1", Amazon: true, ACL: "public-read"},
	{Name: "s3other", Region: "us-east-1", PathStyle: true},
	{Name: "minio", Region: "us-east-1", PathStyle: true},
	{Name: "gcs", Endpoint: "https://storage.googleapis.com", Region: "auto", PathStyle: true, PlainEncoding: true},
	{Name: "dospaces", Endpoint: "https://{region}.digitaloceanspaces.com", Region: "nyc3", ACL: "public-read"},
	{Name: "linode", Endpoint: "https://{region}.linodeobjects.com", Region: "us-east-1", ACL: "public-read"},
	{Name: "wasabi", Endpoint: "https://s3.{region}.wasabisys.com", Region: "us-east-1", PathStyle: true, ACL: "public-read"},
	{Name: "scaleway", Endpoint: "https://s3.{region}.scw.cloud", Region: "fr-par", ACL: "public-read"},
	{Name: "vultr", Endpoint: "https://{region}.vultrobjects.com", Region: "ewr1", ACL: "public-read"},
	{Name: "contabo", Aliases: []string{"contabostorage"}, Endpoint: "https://{region}.contabostorage.com", Region: "eu2", PathStyle: true, ACL: "public-read", Tenant: true},
	{Name: "impossible", Aliases: []string{"impossiblecloud"}, Endpoint: "https://{region}.storage.impossibleapi.net", Region: "eu-central-2", ACL: "public-read"},
	{Name: "cdn77", Endpoint: "https://{region}.cdn77-storage.com", Region: "us-1", PathStyle: true, ACL: "public-read"},
	{Name: "r2", Endpoint: "https://{account}.r2.cloudflarestorage.com", Region: "auto", PathStyle: true},
}

// Lookup returns the row of a service of the S3 family.
func Lookup(name string) (Service, bool) {
	i := slices.IndexFunc(services, func(s Service) bool { return s.Name == name || slices.Contains(s.Aliases, name) })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}

// endpoint fills the template; "" when a value is missing.
func (s Service) endpoint(region, account string) string {
	if strings.Contains(s.Endpoint, "{account}") && account == "" {
		return ""
	}
	return strings.NewReplacer("{region}", region, "{account}", account).Replace(s.Endpoint)
}
