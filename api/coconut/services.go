package coconut

import (
	"slices"

	"github.com/copra-video/copra/job"
)

// service is a row of the table of storage services (coconut-v2.md sections 3.2, 3.3
// and 12). A name "a|b" stands for either member; the value is stored as a.
type service struct {
	name    string
	aliases []string
	// target is the member with the place in the service: bucket, bucket_id or
	// container; "" if the service has none.
	target string
	// needs are further required members.
	needs []string
	// credentials are required credentials, optional are others.
	credentials []string
	optional    []string
	// alternative is a credential that replaces all required ones. A hash is stored
	// as its JSON text.
	alternative string
	options     []string // members that are stored in Storage.Options
	acls        []string // values of acl; nil: acl is ignored
	classes     []string // values of storage_class; nil: it is ignored
	input       []string // required members of an input, besides target and key
	noInput     bool     // the service cannot be an input
}

var (
	awsKeys = []string{"access_key_id", "secret_access_key"}
	sshKeys = []string{"private_key", "passphrase"}
	s3ACLs  = []string{
		"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read",
		"bucket-owner-read", "bucket-owner-full-control",
	}
	plainACLs = []string{"private", "public-read"}
	s3Classes = []string{
		"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
		"DEEP_ARCHIVE", "GLACIER_IR", "EXPRESS_ONEZONE",
	}
	gcsClasses       = []string{"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}
	regionOrEndpoint = []string{"region|endpoint"}
)

// services is the table of storage services.
var services = []service{
	{name: job.ServiceBuiltIn, noInput: true},
	{name: job.ServiceS3, target: "bucket", needs: []string{"region"}, credentials: awsKeys, acls: s3ACLs, classes: s3Classes, input: []string{"region"}},
	{name: job.ServiceS3Other, target: "bucket", needs: []string{"endpoint"}, credentials: awsKeys, acls: s3ACLs, classes: s3Classes, input: []string{"endpoint"}},
	{name: job.ServiceGCS, target: "bucket", credentials: awsKeys, alternative: "service_account_json", acls: s3ACLs, classes: gcsClasses},
	{name: job.ServiceSpaces, target: "bucket", credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceLinode, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceWasabi, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceScaleway, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceVultr, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceCDN77, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceContabo, aliases: []string{"contabostorage"}, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, options: []string{"tenant_id"}, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceImpossible, aliases: []string{"impossiblecloud"}, target: "bucket", needs: regionOrEndpoint, credentials: awsKeys, acls: plainACLs, input: regionOrEndpoint},
	{name: job.ServiceR2, target: "bucket", needs: []string{"endpoint|account_id"}, credentials: awsKeys, options: []string{"account_id"}, acls: plainACLs, input: []string{"endpoint|account_id"}},
	{name: job.ServiceMinIO, target: "bucket", needs: []string{"endpoint"}, credentials: awsKeys, acls: plainACLs, input: []string{"endpoint"}},
	{name: job.ServiceBackblaze, target: "bucket_id", credentials: []string{"app_key_id", "app_key"}, optional: []string{"account_id"}},
	{name: job.ServiceRackspace, target: "container", credentials: []string{"username", "api_key"}},
	{name: job.ServiceSwift, aliases: []string{"openstack"}, target: "container", needs: []string{"endpoint"}, credentials: []string{"username", "api_key|password"}, options: []string{"tenant", "domain"}, input: []string{"endpoint"}},
	{name: job.ServiceAzure, target: "container", credentials: []string{"account", "api_key|access_key"}},
	{name: job.ServicePinata, credentials: []string{"api_key", "secret_api_key"}, options: []string{"gateway_dns"}, noInput: true},
	{name: job.ServiceInfura, credentials: []string{"project_id", "project_secret"}, options: []string{"gateway_dns"}, noInput: true},
}

// uploadSchemes are the schemes of a storage that is a URL, and of an output's 'url'.
var uploadSchemes = []string{"http", "https", "ftp", "ftps", "sftp"}

func findService(name string) (service, bool) {
	for _, s := range services {
		if s.name == name || slices.Contains(s.aliases, name) {
			return s, true
		}
	}
	return service{}, false
}

func serviceNames(input bool) []string {
	var names []string
	for _, s := range services {
		if !input || !s.noInput {
			names = append(names, s.name)
		}
	}
	return names
}
