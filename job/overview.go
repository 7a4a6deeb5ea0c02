package job

import "time"

// Listed is a job of a list, with what its state does not say.
type Listed struct {
	State
	KeyID, KeyName string
	Node           string // of the latest run; "": none has begun
}

// Detail is a job with its events and what is known of its runs.
type Detail struct {
	Listed
	Priority int
	Runs     int64 // how many runs have begun or were ended by a cancel, a retry or the reaper
	Events   []RecordedEvent
	Tasks    []TaskState // of the latest run, while it lasts
	Log      []FFmpegRun // without commands and messages, oldest first
}

// Node is a worker process.
type Node struct {
	ID      string
	Version string // of the program; "": not known
	Slots   int    // jobs that it transcodes at once; 0: not known
	// Encoders are those of cards that work, by FFmpeg's names; none: it encodes in
	// software.
	Encoders  []string
	Queues    []string // that it serves
	StartedAt time.Time
	SeenAt    time.Time // its last heartbeat
	Alive     bool      // the heartbeat is fresh
	Running   int       // jobs that it works on
}

// Overview is what a deployment, or an API key in it, does and has done.
type Overview struct {
	Starting, Processing int // jobs that have not ended
	Hours                []Hour
	Failures             []FailureCount // of the last 24 hours, the most frequent first
}

// Hour is what ended within an hour.
type Hour struct {
	At                time.Time // when it began
	Completed, Failed int       // jobs
	Seconds           float64   // of finished files and streams
}

// FailureCount counts the failures of inputs and outputs for a reason.
type FailureCount struct {
	Reason Reason // zero: failures of older versions
	Count  int
	JobID  string // the latest job that failed so
}

// QueueCount counts what waits or runs in a queue.
type QueueCount struct {
	Queue, State string        // in River's words
	Count        int64         // River jobs
	Oldest       time.Duration // age of the oldest
}
