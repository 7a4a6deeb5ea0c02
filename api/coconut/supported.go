package coconut

import (
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// Features that the API knows and this server lacks are refused here and nowhere
// else, so that the error is the answer to POST and not a failed job.

// unsupportedOutput returns an error for a format that the server cannot make.
func unsupportedOutput(o *output) *job.Error {
	if o.Stream == nil { // variants are checked in stream.go
		if err := format.Supported(o.Format); err != nil {
			return job.Errorf(job.OutputFormatNotValid, "The output '%s' is not supported: %s.", shorten(o.name), trimPeriod(err))
		}
	}
	return nil
}
