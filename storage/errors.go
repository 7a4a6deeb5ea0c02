package storage

// Unavailable says that a service did not do its part although it was asked
// several times, and that a later try may succeed. Message is a sentence for
// the customer, should there be no later try.
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
