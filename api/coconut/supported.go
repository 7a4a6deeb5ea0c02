package coconut

import (
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// What the API knows and this server does not do yet is refused here and
// nowhere else: a request is told at POST, not by a failing job. Making
// something work means to extend a list.
var (
	supportedInputSchemes  = inputSchemes
	supportedInputServices = []string{
		"s3", "s3other", "gcs", "dospaces", "linode", "wasabi", "scaleway", "vultr", "cdn77", "contabo", "impossible", "r2", "minio",
		"azure", "backblaze", "rackspace", "swift",
	}
	supportedStorages      = append([]string{"coconut", serviceURL, "ipfs_pinata", "ipfs_infura"}, supportedInputServices...)
	supportedNotifications = []string{"http"}
)

// notYet is how every refusal of this file reads.
const notYet = "%s is recognised, but not supported by this server yet; supported are %s."

// unsupportedJob refuses what a job asks for beside its outputs.
func unsupportedJob(s *job.Spec) *job.Error {
	scheme, _, _ := strings.Cut(s.Input.URL.Reveal(), "://")
	scheme = strings.ToLower(scheme)
	switch {
	case s.Input.Storage == nil && !slices.Contains(supportedInputSchemes, scheme):
		return job.Errorf("input_url_not_valid", notYet, "An input URL with the scheme '"+scheme+"'", list(supportedInputSchemes))
	case s.Input.Storage != nil && !slices.Contains(supportedInputServices, s.Input.Storage.Service):
		return job.Errorf(codeService, notYet, "The input service '"+s.Input.Storage.Service+"'", list(supportedInputServices)+", and http and https URLs")
	case s.Storage != nil && !slices.Contains(supportedStorages, s.Storage.Service):
		return job.Errorf(codeService, notYet, "The storage service '"+s.Storage.Service+"'", list(supportedStorages))
	case s.Notification != nil && !slices.Contains(supportedNotifications, s.Notification.Type):
		return job.Errorf("notification_not_valid", notYet, "The notification type '"+s.Notification.Type+"'", list(supportedNotifications))
	}
	return nil
}

// unsupportedOutput refuses an output whose format is not made here.
func unsupportedOutput(o *output) *job.Error {
	if o.Stream == nil { // variants are checked where they are read
		if err := format.Supported(o.Format); err != nil {
			return job.Errorf(codeFormat, "The output '%s' is not supported: %s.", shorten(o.name), sentence(err))
		}
	}
	return nil
}

func list(names []string) string { return strings.Join(names, ", ") }
