// Package queue holds what internal/postgres, which inserts River jobs, and the
// workers, which work them, have to agree on: kinds, queues, priorities and
// limits (queue.go), and every assumption about River that goes beyond its Go
// API (river.go).
//
// fetchlimiter.go keeps River from fetching more transcodes than slots are free;
// local.go is what River hears where the database's notifications do not arrive.
//
// The arguments of River jobs are ids and nothing else. River's rows are visible
// to operators and are deleted after a day; the facts are in Copra's own tables.
package queue

import (
	"slices"
	"time"

	"github.com/riverqueue/river"
)

// The queues. Each has its own number of workers in a process.
const (
	Probe     = "probe"     // light: reads the headers of an input
	Transcode = "transcode" // heavy: takes encode slots
	Notify    = "notify"    // waits for a customer's server
	Task      = "task"      // heavy: a step of another worker's job
)

// backends are those whose cards have a queue of their own.
var backends = []string{"nvenc", "qsv", "vaapi"}

// OnCards returns the queue of transcodes that want a backend's card: those workers serve it
// that have one. The backend is the last word of the names of FFmpeg's encoders.
func OnCards(backend string) string { return Transcode + "_" + backend }

// Cards returns the queues of transcodes that want a card.
func Cards() []string {
	var list []string
	for _, b := range backends {
		list = append(list, OnCards(b))
	}
	return list
}

// UsesSlots reports whether the jobs of a queue take encode slots.
func UsesSlots(queue string) bool {
	return queue == Transcode || queue == Task || slices.Contains(Cards(), queue)
}

// All returns the names of all queues.
func All() []string { return append([]string{Probe, Transcode, Notify, Task}, Cards()...) }

// FetchCooldown is the shortest time between two fetches of a queue. River's
// default of 100 ms would be most of the time from a POST to the start of its job.
const FetchCooldown = 10 * time.Millisecond

// NotifySlots is how many webhooks a process delivers at once at most. A
// delivery that waits for its answer costs only some memory.
const NotifySlots = 400

// MaxAttempts of River jobs. An error that a retry cannot help does not use them
// up: the worker records the failure and cancels the River job.
const (
	ProbeAttempts     = 5
	TranscodeAttempts = 5
	NotifyAttempts    = 8 // over about 24 h, see package webhook
	// TaskAttempts are for faults of the database. Whether a step is tried again is
	// decided by the run that has offered it.
	TaskAttempts = 3
)

// ProbeArgs asks for the probe of a job's input.
type ProbeArgs struct {
	JobID string `json:"job_id"`
}

// TranscodeArgs asks for the outputs of a job that are not final yet.
type TranscodeArgs struct {
	JobID string `json:"job_id"`
}

// NotifyArgs asks for the delivery of one webhook. A replay is one additional
// attempt outside of the retry schedule. It is made even if the delivery has
// been made or given up.
type NotifyArgs struct {
	DeliveryID int64 `json:"delivery_id"`
	Replay     bool  `json:"replay,omitempty"`
}

// TaskArgs asks for a task, unless another worker has it.
type TaskArgs struct {
	TaskID int64 `json:"task_id"`
}

// Kind implements river.JobArgs.
func (ProbeArgs) Kind() string { return "probe" }

// Kind implements river.JobArgs.
func (TranscodeArgs) Kind() string { return "transcode" }

// Kind implements river.JobArgs.
func (NotifyArgs) Kind() string { return "notify" }

// Kind implements river.JobArgs.
func (TaskArgs) Kind() string { return "task" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ProbeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Probe, MaxAttempts: ProbeAttempts}
}

// InsertOpts implements river.JobArgsWithInsertOpts.
func (TranscodeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Transcode, MaxAttempts: TranscodeAttempts}
}

// InsertOpts implements river.JobArgsWithInsertOpts.
func (NotifyArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Notify, MaxAttempts: NotifyAttempts}
}

// InsertOpts implements river.JobArgsWithInsertOpts.
func (TaskArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Task, MaxAttempts: TaskAttempts}
}

// Priority converts settings.priority, from -50 (last) to 50 (first), into a
// priority of River, from 1 (first) to 4 (last). River fetches all jobs of one
// priority before any of the next.
func Priority(p int) int {
	switch {
	case p > 0:
		return HighestPriority
	case p == 0:
		return 2
	case p >= -25:
		return 3
	default:
		return LowestPriority
	}
}
