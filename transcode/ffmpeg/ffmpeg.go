// Package ffmpeg runs ffmpeg and ffprobe. Open finds them and what they can do.
// Probe and Verify examine files. Run runs one command: it reports progress, keeps
// the end of the messages, ends a command that makes no progress, and returns
// within two seconds when its context ends.
package ffmpeg

import (
	"context"
	"time"

	"github.com/copra-video/copra/transcode"
)

// Command is one run of ffmpeg.
type Command struct {
	Args []string // without program and global flags
	Dir  string   // working folder, the only one that it may read and write
	// Input is pipe:0 of the arguments; nil: empty. A run that waits for its input
	// does not count as stalled.
	Input Input
	// Devices are those that it encodes on. It waits until each has room for its
	// sessions.
	Devices []transcode.DeviceUse
	// Served is an input that ffmpeg reads from a range server; nil: none.
	Served *Served
	// Progress is called about twice a second from one goroutine; nil: never.
	Progress func(Progress)
	// StallTimeout ends the run when time, frames and size of the output have not
	// advanced for so long. Defaults to DefaultStallTimeout.
	StallTimeout time.Duration
	// Ended is called when the run has ended, before Run returns; nil: never.
	Ended func(Report)
}

// Report says how a run of ffmpeg went.
type Report struct {
	Args  []string      // of the process
	Said  string        // the end of its messages
	Start time.Time     //
	Took  time.Duration // by the clock
	CPU   time.Duration // of all cores
	Err   error         // what Run returns
}

// Input is what is piped into a run.
type Input interface {
	// Read is like Read of io.Reader, and returns when ctx ends. An error other
	// than io.EOF ends the run. When it is called, ffmpeg has taken all that was
	// read before.
	Read(ctx context.Context, p []byte) (n int, err error)
}

// Served is a file that is read from a range server while it arrives.
type Served struct {
	Name string // in the arguments, behind -i
	URL  string // http://127.0.0.1:PORT/...
	// Activity returns how many bytes were read so far, and whether ffmpeg waits for
	// some. A run that reads or waits does not count as stalled: whoever fetches the
	// file watches over that.
	Activity func() (bytes int64, waiting bool)
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
