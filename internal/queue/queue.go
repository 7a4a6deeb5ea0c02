// Package queue names the River jobs: what internal/postgres inserts and the
// worker works. Their arguments are ids and nothing else, since River's rows
// are read by operators and kept for a day; the facts are in our own tables.
package queue

import (
	"time"

	"github.com/riverqueue/river"
)

// The queues. A worker gives each its own slots.
const (
	Probe     = "probe"     // light: reads the input's headers
	Transcode = "transcode" // heavy: takes an encode slot
	Notify    = "notify"    // waits for a customer's server
)

// FetchCooldown of the queues that a person waits for: it, not PostgreSQL, is
// the time from insert to start.
const FetchCooldown = 10 * time.Millisecond

// NotifySlots are how many webhooks a process has under way at once, at most. One
// that waits for its answer costs some memory and nothing else.
const NotifySlots = 400

// Attempts before River gives up. Errors that a retry cannot help never use
// them up: the worker records the failure and ends the River job.
const (
	ProbeAttempts     = 5
	TranscodeAttempts = 5
	NotifyAttempts    = 8 // over about 24 h, by the table of the notify worker
)

// ProbeArgs asks for the probe of a job's input.
type ProbeArgs struct {
	JobID string `json:"job_id"`
}

// TranscodeArgs asks for the outputs of a job that are not done yet.
type TranscodeArgs struct {
	JobID string `json:"job_id"`
}

// NotifyArgs asks for the delivery of one webhook. A replay is one more try
// outside of the schedule, also of what was delivered or given up.
type NotifyArgs struct {
	DeliveryID int64 `json:"delivery_id"`
	Replay     bool  `json:"replay,omitempty"`
}

// Kind names the job to River.
func (ProbeArgs) Kind() string { return "probe" }

// Kind names the job to River.
func (TranscodeArgs) Kind() string { return "transcode" }

// Kind names the job to River.
func (NotifyArgs) Kind() string { return "notify" }

// InsertOpts are the defaults of an insert.
func (ProbeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Probe, MaxAttempts: ProbeAttempts}
}

// InsertOpts are the defaults of an insert.
func (TranscodeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Transcode, MaxAttempts: TranscodeAttempts}
}

// InsertOpts are the defaults of an insert.
func (NotifyArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Notify, MaxAttempts: NotifyAttempts}
}

// Priority turns settings.priority, -50 (last) to 50 (first), into River's 1
// (first) to 4. River takes all of one priority before any of the next.
func Priority(p int) int {
	switch {
	case p > 0:
		return 1
	case p == 0:
		return 2
	case p >= -25:
		return 3
	default:
		return LowestPriority
	}
}

// LowestPriority is the priority of what is to be taken after all else in its queue.
const LowestPriority = 4
