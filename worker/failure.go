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

// failure returns what a customer may see of err: the *job.Error in its chain, a
// full disk, or a storage that failed at every attempt, with the reason
// unavailable. Everything else is an internal error with the sentence fallback.
func failure(err error, unavailable job.Reason, fallback string) *job.Error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return job.Errorf(job.ServerDiskFull, "The server ran out of disk space.").WithCause(err)
	}
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		return &job.Error{Reason: unavailable, Message: u.Message, About: u.About, Cause: err}
	}
	return job.Errorf(job.InternalError, "%s", fallback).WithCause(err)
}

// inputFailure returns what a customer may see of err, which ended the reading of
// the input.
func inputFailure(err error) *job.Error {
	return failure(err, job.InputNotReadable, "The input could not be processed because of an internal error.")
}

// outputFailure returns what a customer may see of err, which ended the making or
// storing of an output.
func outputFailure(err error) *job.Error {
	return failure(err, job.StorageUnavailable, "The output could not be made because of an internal error.")
}

// fetchFailure returns what a customer may see of err, which ended the reading of a
// watermark or of captions that are not valid for the reason notValid.
func fetchFailure(err error, notValid job.Reason) *job.Error {
	return failure(err, notValid, notValid.Message())
}

// outputFailed is the event of an output that failed because of e.
func outputFailed(key string, e *job.Error) job.Event {
	return job.Event{Kind: job.OutputFailedEvent, Output: key, Error: e.Message, Reason: e.Reason}
}

// requeue reports whether another run may succeed where this one failed with
// err: this server is at fault, and the cause passes. A full disk is an example,
// since another job may hold the space for now.
func requeue(err error) bool { return ffmpeg.Reason(err).Requeue() }

// cacheEnd tells the artifact cache how a run has ended, whose context was ended
// by cause (nil: it was not) with the job as status says.
func cacheEnd(cause error, status job.Status) artifacts.End {
	switch {
	case status == job.JobCompleted:
		return artifacts.Completed
	case errors.Is(cause, job.ErrLeaseLost), errors.Is(cause, river.ErrJobCancelledRemotely):
		return artifacts.Abandoned
	case cause == nil, errors.Is(cause, lease.ErrDatabase), requeue(cause): // the run's own failure
		return artifacts.Failed
	default:
		return artifacts.Stopped
	}
}
