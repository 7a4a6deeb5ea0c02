// Package ffmpeg runs ffmpeg and ffprobe. Open finds them and what they can do.
// Probe and Verify examine files. Run runs one command: it reports progress, keeps
// the end of the messages, ends a command that makes no progress, and returns
// within two seconds when its context ends.
package ffmpeg

import (
	"context"
	"time"
)

// Command is one run of ffmpeg.
type Command struct {
	Args []string // without program and global flags
	Dir  string   // working folder, the only one that it may read and write
	// Input is pipe:0 of the arguments; nil: empty. A run that waits for its input
	// does not count as stalled.
	Input Input
	// Progress is called about twice a second from one goroutine; nil: never.
	Progress func(Progress)
	// StallTimeout ends the run when time, frames and size of the output have not
	// advanced for so long. Defaults to DefaultStallTimeout.
	StallTimeout time.Duration
}

// Input is what is piped into a run.
type Input interface {
	// Read is like Read of io.Reader, and returns when ctx ends. An error other
	// than io.EOF ends the run. When it is called, ffmpeg has taken all that was
	// read before.
	Read(ctx context.Context, p []byte) (n int, err error)
}

// Progress is one block of what ffmpeg's -progress writes.
type Progress struct {
	OutTime time.Duration // of the output; 0 while ffmpeg says N/A
	Frame   int64
	FPS     float64
	Speed   float64
	Size    int64 // bytes
}

// DefaultStallTimeout is how long ffmpeg may make no progress. A damaged or very
// large frame can take many seconds to decode, but not a minute.
const DefaultStallTimeout = 60 * time.Second
