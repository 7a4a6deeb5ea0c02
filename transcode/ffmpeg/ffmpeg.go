// Package ffmpeg runs ffmpeg and ffprobe: it finds them and what they can do,
// probes files, and runs one command with progress, a tail of its messages, a
// watchdog that ends what no longer advances, and a certain end when the
// context ends.
package ffmpeg

import (
	"context"
	"time"
)

// Command is one run of ffmpeg.
type Command struct {
	Args []string // without program and global flags
	Dir  string   // working folder; the only one it may read and write
	// Input is what the arguments call pipe:0; nil: nothing. A run that waits for
	// it does not count as stalled.
	Input Input
	// Progress is called about twice a second from one goroutine; nil: not.
	Progress func(Progress)
	// StallTimeout ends the run when out_time and frame have not advanced for so long;
	// 0: DefaultStallTimeout.
	StallTimeout time.Duration
}

// Input is what is piped into a run.
type Input interface {
	// Read is io.Reader's, which returns when ctx ends. An error other than
	// io.EOF ends the run. A call means that ffmpeg has taken all that was read
	// before.
	Read(ctx context.Context, p []byte) (n int, err error)
}

// Progress is one block of ffmpeg's -progress.
type Progress struct {
	OutTime time.Duration // of the output; 0 when ffmpeg says N/A
	Frame   int64
	FPS     float64
	Speed   float64
	Size    int64 // bytes
}

// DefaultStallTimeout is how long ffmpeg may show no progress. Decoding a damaged
// or very large frame can take a while; a minute of silence is no work.
const DefaultStallTimeout = 60 * time.Second
