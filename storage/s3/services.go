// Package s3 stores and reads objects of the S3 family: Amazon S3, services with
// names of their own that speak its protocol, and any server by its endpoint.
// The services differ only by their rows in one table.
package s3

import (
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
)

// Service is a row of the table of services.
type Service struct {
	Name string // of job.Service...
	// Endpoint is a template with {region} and {account}. It is "" when the
	// customer must name an endpoint, and for Amazon, whose SDK knows the
	// endpoints. An endpoint in the request always takes precedence.
	Endpoint string
	// Region is used when the request names none.
	Region string
	// Amazon is set for Amazon itself, with its endpoint rules, its URLs, and
	// checksums on every request.
	Amazon bool
	// PathStyle puts the bucket into the path instead of the host name, unless
	// the request says otherwise.
	PathStyle bool
	// ACL is the canned ACL of objects when the request names none. It is "" for
	// services that have no ACLs or keep objects private on purpose.
	ACL string
	// PlainEncoding leaves the header Accept-Encoding out of the signature, since
	// Google's front end changes that header.
	PlainEncoding bool
	// Tenant puts the option "tenant_id" before the bucket in public addresses.
	Tenant bool
}

// services are those of coconut-v2.md sections 3.3 and 12. They use path style
// where it is documented to work or is the only way. Path style also keeps TLS
// working for bucket names with dots.
var services = []Service{
	{Name: job.ServiceS3, Region: "us-east-1", Amazon: true, ACL: "public-read"},
	{Name: job.ServiceS3Other, Region: "us-east-1", PathStyle: true},
	{Name: job.ServiceMinIO, Region: "us-east-1", PathStyle: true},
	{Name: job.ServiceGCS, Endpoint: "https://storage.googleapis.com", Region: "auto", PathStyle: true, PlainEncoding: true},
	{Name: job.ServiceSpaces, Endpoint: "https://{region}.digitaloceanspaces.com", Region: "nyc3", ACL: "public-read"},
	{Name: job.ServiceLinode, Endpoint: "https://{region}.linodeobjects.com", Region: "us-east-1", ACL: "public-read"},
	{Name: job.ServiceWasabi, Endpoint: "https://s3.{region}.wasabisys.com", Region: "us-east-1", PathStyle: true, ACL: "public-read"},
	{Name: job.ServiceScaleway, Endpoint: "https://s3.{region}.scw.cloud", Region: "fr-par", ACL: "public-read"},
	{Name: job.ServiceVultr, Endpoint: "https://{region}.vultrobjects.com", Region: "ewr1", ACL: "public-read"},
	{Name: job.ServiceContabo, Endpoint: "https://{region}.contabostorage.com", Region: "eu2", PathStyle: true, ACL: "public-read", Tenant: true},
	{Name: job.ServiceImpossible, Endpoint: "https://{region}.storage.impossibleapi.net", Region: "eu-central-2", ACL: "public-read"},
	{Name: job.ServiceCDN77, Endpoint: "https://{region}.cdn77-storage.com", Region: "us-1", PathStyle: true, ACL: "public-read"},
	{Name: job.ServiceR2, Endpoint: "https://{account}.r2.cloudflarestorage.com", Region: "auto", PathStyle: true},
}

// Lookup returns the row of a service of the S3 family.
func Lookup(name string) (Service, bool) {
	i := slices.IndexFunc(services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}

// endpoint fills in the template. It returns "" if a value is missing.
func (s Service) endpoint(region, account string) string {
	if strings.Contains(s.Endpoint, "{account}") && account == "" {
		return ""
	}
	return strings.NewReplacer("{region}", region, "{account}", account).Replace(s.Endpoint)
}
