package coconut

import (
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// What the API knows and this server does not do yet is refused here and
// nowhere else: a request is told at POST, not by a failing job.

// unsupportedOutput refuses an output whose format is not made here.
func unsupportedOutput(o *output) *job.Error {
	if o.Stream == nil { // variants are checked where they are read
		if err := format.Supported(o.Format); err != nil {
			return job.Errorf(job.OutputFormatNotValid, "The output '%s' is not supported: %s.", shorten(o.name), sentence(err))
		}
	}
	return nil
}
