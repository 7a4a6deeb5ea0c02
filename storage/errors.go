package storage

// Unavailable is the error of a service that still failed after several
// attempts, where a later attempt may succeed. Message is a sentence for the
// customer, used when there is no later attempt.
type Unavailable struct {
	Message string
	Cause   error // for the log
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
