package storage

import "time"

// Unavailable is the error of a service that still failed after several
// attempts, where a later attempt may succeed. Message is a sentence for the
// customer, used when there is no later attempt.
type Unavailable struct {
	Message string
	About   string // as job.Error.About
	Cause   error  // for the log
	// Busy: the service takes no further request for now. After is how long it asks
	// to wait; 0: it does not say.
	Busy  bool
	After time.Duration
}

// InputUnavailable makes an Unavailable that says something about the input, such as
// "could not be downloaded".
func InputUnavailable(about string, cause error) *Unavailable {
	return &Unavailable{Message: "The input " + about + ".", About: about, Cause: cause}
}

// Error returns the message with its cause.
func (u *Unavailable) Error() string {
	if u.Cause != nil {
		return u.Message + ": " + u.Cause.Error()
	}
	return u.Message
}

// Unwrap returns the cause.
func (u *Unavailable) Unwrap() error { return u.Cause }
