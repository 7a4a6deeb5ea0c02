package worker

import (
	"errors"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// sentence is what a customer is told of err: the words of a *job.Error, or of
// a storage that did not work however often it was asked, or else fallback.
func sentence(err error, fallback string) string {
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		fallback = u.Message
	}
	return job.Message(err, fallback)
}
