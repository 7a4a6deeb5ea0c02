// Package nopanic guards calls of parsers that other projects wrote. Some of
// them panic on broken input; for Copra broken input is an error like any other.
//
// Seen: the playlist parser of github.com/Eyevinn/hls-m3u8 v0.6.0 panics with a
// nil pointer on some playlists that RFC 8216 does not allow.
package nopanic

import (
	"errors"
	"fmt"
)

// ErrPanic marks an error that was a panic. What the parser said is in the
// error's text.
var ErrPanic = errors.New("it cannot be parsed")

// Recover turns a panic of the surrounding function into an error that wraps
// ErrPanic. It must be deferred directly: defer nopanic.Recover(&err).
func Recover(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrPanic, r)
	}
}
