package worker

import (
	"errors"
	"syscall"

	"github.com/riverqueue/river"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/artifacts"
	"github.com/copra-video/copra/worker/lease"
)

// customerMessage is what a customer is told of err: the words of a *job.Error, or of
// a storage that did not work however often it was asked, or else fallback.
func customerMessage(err error, fallback string) string {
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		fallback = u.Message
	}
	if diskFull(err) {
		fallback = "The server ran out of disk space."
	}
	return job.Message(err, fallback)
}

// diskFull reports whether err is for want of disk space. Another job may hold
// that for now, so it is worth another try even where its words are meant for
// the customer.
func diskFull(err error) bool {
	if e, ok := errors.AsType[*job.Error](err); ok && e.Code == storage.CodeDiskFull {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// cacheEnd tells the artifact cache how a run has ended, whose context was ended
// by cause (nil: it was not) with the job as status says.
func cacheEnd(cause error, status job.Status) artifacts.End {
	switch {
	case status == job.JobCompleted:
		return artifacts.Completed
	case errors.Is(cause, job.ErrLeaseLost), errors.Is(cause, river.ErrJobCancelledRemotely):
		return artifacts.Abandoned
	case cause == nil, errors.Is(cause, lease.ErrDatabase), ffmpeg.Transient(cause), diskFull(cause): // the run's own failure
		return artifacts.Failed
	default:
		return artifacts.Stopped
	}
}
