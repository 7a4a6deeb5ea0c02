package worker

import "github.com/copra-video/copra/job"

// ContentKeys makes the keys of streams for which a request asks the server.
type ContentKeys interface {
	ForJob(jobID string) []job.ContentKey
	// LicenseURL is the address of a job's keys; "" when it is not known.
	LicenseURL(jobID string) string
}

// serverKeys gives a protected stream the keys that the server makes.
func (r *transcoding) serverKeys(o *job.Output) error {
	if o.Stream == nil || o.Stream.Protection == nil || !o.Stream.Protection.ServerKeys {
		return nil
	}
	id := r.lease.JobID()
	if r.w.contentKeys == nil || r.w.contentKeys.LicenseURL(id) == "" {
		return job.Errorf(job.OutputParamNotValid, "This server cannot make keys for streams: its worker does not know the address of the API (COPRA_PUBLIC_URL), at which players get them. Ask the operator, or give 'protection.keys' yourself.")
	}
	// The manifest does not name the address: shaka-player would prefer it to the one
	// with a token that the page gives it.
	o.Stream.Protection.Keys = r.w.contentKeys.ForJob(id)
	return nil
}
