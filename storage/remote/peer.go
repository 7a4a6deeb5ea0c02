// Package remote is what the backends without an SDK share: messages for errors,
// and requests with retries.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Peer names a service in error messages.
type Peer struct {
	Sentence string // "The storage of bucket 'b'" or "The server files.example.com": begins a sentence
	Noun     string // "bucket 'b'", "the server files.example.com"
}

// Bucket returns the Peer of a bucket or container. kind is the word for it.
func Bucket(kind, name string) Peer {
	place := fmt.Sprintf("%s '%s'", kind, name)
	return Peer{Sentence: "The storage of " + place, Noun: place}
}

// Host returns the Peer of a server.
func Host(name string) Peer {
	return Peer{Sentence: "The server " + name, Noun: "the server " + name}
}

// Refused returns a *job.Error. In sentence, %[1]s stands for the subject, %[2]s
// for the place, and %[3]s for the code of the service.
func (p Peer) Refused(sentence, code string) *job.Error {
	return job.Errorf(job.StorageRefused, sentence, p.Sentence, p.Noun, code)
}

// Explain turns the error of a connection into a *job.Error if a retry cannot
// help, and into a *storage.Unavailable if it can. An error that is one of these
// already is returned as it is.
func (p Peer) Explain(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		return u
	}
	if body, ok := errors.AsType[*storage.BodyError](err); ok {
		return body.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	err = netguard.StripURL(err)
	sentence := fmt.Sprintf("%s could not be reached: %s.", p.Sentence, netguard.Describe(err))
	if netguard.Permanent(err) {
		return job.Errorf(job.StorageRefused, "%s", sentence).WithCause(err)
	}
	return &storage.Unavailable{Message: sentence, Cause: err}
}

// statusSentences are the messages of the statuses whose cause is known.
var statusSentences = map[int]string{
	http.StatusUnauthorized:          "%[1]s does not accept the credentials (%[3]s).",
	http.StatusForbidden:             "The credentials have no access to %[2]s or may not do this in it (%[3]s).",
	http.StatusNotFound:              "%[1]s knows no such place (%[3]s).",
	http.StatusRequestEntityTooLarge: "%[1]s does not take files of this size (%[3]s).",
	http.StatusInsufficientStorage:   "%[1]s is full (%[3]s).",
}

// Status is the error for an answer other than success. code is the service's
// error code, if it has one. It is left out of the message if it is more than
// one word. special has messages for codes of the service, and may be nil.
func (p Peer) Status(status int, code string, special map[string]string) error {
	if !plainWord.MatchString(code) {
		code = fmt.Sprintf("HTTP status code: %d", status)
	}
	if sentence, ok := special[code]; ok {
		return p.Refused(sentence, code)
	}
	if sentence, ok := statusSentences[status]; ok {
		return p.Refused(sentence, code)
	}
	switch {
	case status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return &storage.Unavailable{Message: fmt.Sprintf("%s did not work (%s).", p.Sentence, code)}
	case status >= 300 && status < 400:
		return p.Refused("%[1]s sends elsewhere, which is not followed (%[3]s).", code)
	}
	return p.Refused("%[1]s refused the request (%[3]s).", code)
}

// plainWord keeps a hostile server from showing a text of its own to our
// customer.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,63}$`)
