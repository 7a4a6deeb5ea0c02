package job

import (
	"errors"
	"fmt"
)

// Error is a failure whose cause a customer may be told. A refused request is
// answered with its reason's status and code and its message. A job keeps the
// message as the error of the input or output, and the reason in its event. The
// message names what was wrong and what would be right. It never holds a secret.
type Error struct {
	Reason  Reason // its code is of coconut-v2.md sections 6 and 12
	Message string // a plain sentence
	// About is what Message says of the input, "is empty" when it is "The input is
	// empty."; "" when it says something else. Whoever reads a file that is no input
	// makes a sentence of its own with it.
	About string
	Cause error // for the log only; nil when there is no more to know
}

// Errorf makes an Error whose message is formatted.
func Errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// InputErrorf makes an Error that says something about the input, such as "is
// empty". The format has neither subject nor full stop.
func InputErrorf(reason Reason, format string, args ...any) *Error {
	about := fmt.Sprintf(format, args...)
	return &Error{Reason: reason, Message: "The input " + about + ".", About: about}
}

// NewError makes an Error with the reason's own sentence.
func NewError(reason Reason) *Error {
	return &Error{Reason: reason, Message: reason.Message()}
}

// Error returns the message and the cause. It is for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithCause returns a copy of e whose cause is err.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

// Message returns what a customer may see of err: the message of the *Error in
// its chain, or fallback if there is none.
func Message(err error, fallback string) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return fallback
}

// Permanent marks err: a retry of the same work cannot help.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether a retry of the same work cannot help: err or an
// error that it wraps was marked so, or is an *Error whose reason does not ask
// for another run.
func IsPermanent(err error) bool {
	if _, ok := errors.AsType[permanent](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && !e.Reason.Requeue()
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

var (
	// ErrNotFound means that there is no such job, key or delivery, or it belongs to another
	// API key. The two cases are not distinguished.
	ErrNotFound = errors.New("not found")
	// ErrLeaseLost means that another run of the job has begun, and this one must stop and
	// publish nothing.
	ErrLeaseLost = errors.New("the job was taken over by another run")
)
