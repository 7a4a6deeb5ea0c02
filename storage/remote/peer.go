// Package remote is what the backends share that have no SDK to speak for
// them: the sentences for what goes wrong, and requests that are repeated.
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

// Peer names a service in the sentences of errors.
type Peer struct {
	Sentence string // "The storage of bucket 'b'" or "The server files.example.com": begins a sentence
	Noun     string // "bucket 'b'", "the server files.example.com"
}

// Bucket is the Peer for a bucket, a container or what else kind says.
func Bucket(kind, name string) Peer {
	place := fmt.Sprintf("%s '%s'", kind, name)
	return Peer{Sentence: "The storage of " + place, Noun: place}
}

// Host is the Peer for a server.
func Host(name string) Peer {
	return Peer{Sentence: "The server " + name, Noun: "the server " + name}
}

// Refused is the *job.Error with a sentence, in which %[1]s is the subject,
// %[2]s the place, and %[3]s the code of the service.
func (p Peer) Refused(sentence, code string) *job.Error {
	return job.Errorf(job.StorageRefused, sentence, p.Sentence, p.Noun, code)
}

// Explain turns the error of a connection into a *job.Error when a retry
// cannot help, and into a *storage.Unavailable when it can. What is explained
// already stays as it is.
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

// statusSentences are for the statuses that have a cause worth naming.
var statusSentences = map[int]string{
	http.StatusUnauthorized:          "%[1]s does not accept the credentials (%[3]s).",
	http.StatusForbidden:             "The credentials have no access to %[2]s or may not do this in it (%[3]s).",
	http.StatusNotFound:              "%[1]s knows no such place (%[3]s).",
	http.StatusRequestEntityTooLarge: "%[1]s does not take files of this size (%[3]s).",
	http.StatusInsufficientStorage:   "%[1]s is full (%[3]s).",
}

// Status is the error for an answer that is no success. code is the service's
// word for it, if it has one; it is not shown when it is more than a word.
// special has sentences for codes of the service, and may be nil.
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

// plainWord keeps a hostile server from putting a text of its own before our
// customer.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,63}$`)
