package ffmpeg

import (
	"errors"
	"strings"
	"syscall"
)

// Failed is what a customer is told when there is nothing better to say; the
// sentence is Coconut's.
const Failed = "The media file couldn't be encoded because of a FFmpeg error."

// Explain says in one plain sentence why a run failed, for a customer.
func Explain(err error) string {
	switch {
	case errors.Is(err, ErrStalled):
		return "The media file couldn't be encoded: FFmpeg made no progress any more and was ended."
	case errors.Is(err, errLevel):
		return "The media file couldn't be encoded: the H.264 level that was asked for is too low for the size of the video."
	}
	e, ok := errors.AsType[*RunError](err)
	if !ok {
		return Failed
	}
	for _, k := range known {
		if strings.Contains(e.Tail, k.text) {
			return k.sentence
		}
	}
	switch e.Signal {
	case syscall.SIGKILL:
		return outOfMemory
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGILL, syscall.SIGFPE, syscall.SIGBUS:
		return "The media file couldn't be encoded: FFmpeg crashed on it."
	}
	return Failed
}

const (
	outOfMemory = "The media file couldn't be encoded: the server ran out of memory."
	outOfSpace  = "The media file couldn't be encoded: the server ran out of disk space."
	damaged     = "The media file couldn't be encoded: it is damaged, or not complete."
)

// known are texts of ffmpeg with what they mean, the surest first.
var known = []struct{ text, sentence string }{
	{"No space left on device", outOfSpace},
	{"Disk quota exceeded", outOfSpace},
	{"File too large", outOfSpace}, // the limit of a confined run is what was free
	{"Cannot allocate memory", outOfMemory},
	{"malloc of size", outOfMemory}, // x264 and x265
	{"moov atom not found", damaged},
	{"Unknown encoder", "The media file couldn't be encoded: this server's FFmpeg lacks the encoder for the codec that was asked for."},
	{"not on whitelist", "The media file couldn't be encoded: it refers to other files or addresses, which is not accepted."},
	{"matches no streams", "The media file couldn't be encoded: it has no stream of the kind that was asked for."},
	{"Invalid data found when processing input", damaged},
}

// Transient reports whether the same run may succeed another time or on
// another machine: what failed was the server, not the command or its input.
func Transient(err error) bool {
	e, ok := errors.AsType[*RunError](err)
	if !ok {
		return false
	}
	switch Explain(e) {
	case outOfMemory, outOfSpace:
		return true
	}
	return e.Cause != nil && !errors.Is(e.Cause, ErrStalled) && !errors.Is(e.Cause, errLevel)
}
