package client

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// EventName says what has happened.
type EventName string

// The events of a job.
const (
	EventJobStarted       EventName = "job.started"
	EventInputProbed      EventName = "input.probed"
	EventInputTransferred EventName = "input.transferred"
	EventInputFailed      EventName = "input.failed"
	EventOutputStage      EventName = "output.stage"
	EventOutputCompleted  EventName = "output.completed"
	EventOutputFailed     EventName = "output.failed"
	EventOutputSkipped    EventName = "output.skipped"
	EventOutputNote       EventName = "output.note"
	EventStreamPlayable   EventName = "stream.playable"
	EventJobCancelled     EventName = "job.cancelled"
	EventJobRetried       EventName = "job.retried"
	EventJobCompleted     EventName = "job.completed"
	EventJobFailed        EventName = "job.failed"
)

// Event is something that has happened to a job. The fields from Output on are
// those that the event is about.
type Event struct {
	ID     int          `json:"id"` // counts within the job, from 1
	Name   EventName    `json:"event"`
	At     time.Time    `json:"at"`
	Output string       `json:"output,omitempty"` // key
	Status OutputStatus `json:"status,omitempty"`
	URL    string       `json:"url,omitempty"`
	URLs   []Address    `json:"urls,omitempty"`
	Error  string       `json:"error,omitempty"`
	Code   string       `json:"error_code,omitempty"` // of input.failed and output.failed, as docs/errors.md lists
	Note   string       `json:"note,omitempty"`       // of output.note: a sentence on how the output is made
}

// JobProgress is how far a job and each of its outputs are.
type JobProgress struct {
	JobID    string           `json:"job_id"`
	Status   JobStatus        `json:"status"`
	Progress Percent          `json:"progress"`
	Outputs  []OutputProgress `json:"outputs"`
}

// OutputProgress is how far one output is.
type OutputProgress struct {
	Key      string       `json:"key"`
	Status   OutputStatus `json:"status"`
	Progress Percent      `json:"progress"` // of this output alone
}

// History is how far a job is, and what has happened to it.
type History struct {
	JobProgress
	Events []Event `json:"events"`
}

func (h *History) check() error {
	if h.JobID == "" {
		return errors.New("it is not the history of a job")
	}
	return nil
}

// Events returns what has happened to a job by now, without the events up to
// the number after; 0 is all of them.
func (c *Client) Events(ctx context.Context, id string, after int) (*History, error) {
	below := "/events"
	if after > 0 {
		below += "?after=" + strconv.Itoa(after)
	}
	return one[History](ctx, c, call{do: "list events", method: http.MethodGet, want: http.StatusOK, repeat: true}, id, below)
}
