package coconut

import (
	"math"
	"time"

	"github.com/copra-video/copra/job"
)

type historyBody struct {
	progressBody
	Events []eventBody `json:"events"`
}

type progressBody struct {
	JobID    string               `json:"job_id"`
	Status   job.Status           `json:"status"`
	Progress string               `json:"progress"`
	Outputs  []outputProgressBody `json:"outputs"`
}

type outputProgressBody struct {
	Key      string     `json:"key"`
	Status   job.Status `json:"status"`
	Progress string     `json:"progress"` // of this output
}

// eventBody is an event. It has status, error and URLs only if the event sets them.
type eventBody struct {
	ID     int           `json:"id"`
	Event  job.EventKind `json:"event"`
	At     string        `json:"at"`
	Output string        `json:"output,omitempty"` // key
	Status job.Status    `json:"status,omitempty"` // of the output
	URL    *string       `json:"url,omitempty"`
	URLs   any           `json:"urls,omitempty"`
	Error  string        `json:"error,omitempty"`
	Code   job.Reason    `json:"error_code,omitzero"` // of input.failed and output.failed
	Note   string        `json:"note,omitempty"`      // of output.note
}

// EncodeHistory encodes the progress of a job and its events.
func EncodeHistory(h job.History) []byte {
	b := historyBody{progressBody: progressOf(h.State), Events: make([]eventBody, 0, len(h.Events))}
	for _, e := range h.Events {
		b.Events = append(b.Events, eventOf(h.State, e))
	}
	return encode(b)
}

// EncodeEvent encodes an event of a job. s is the current state of the job.
func EncodeEvent(s job.State, e job.RecordedEvent) []byte { return encode(eventOf(s, e)) }

// EncodeProgress encodes the progress of a job and of each output.
func EncodeProgress(s job.State) []byte { return encode(progressOf(s)) }

func progressOf(s job.State) progressBody {
	b := progressBody{
		JobID: s.ID, Status: s.Status, Progress: percent(s.LiveProgress()),
		Outputs: make([]outputProgressBody, 0, len(s.Outputs)),
	}
	for _, o := range s.Outputs {
		done := math.Min(math.Max(o.Progress, 0), 1)
		if o.Stage == job.Done {
			done = 1
		}
		b.Outputs = append(b.Outputs, outputProgressBody{o.Key, o.Type.Status(o.Stage), percent(int(100 * done))})
	}
	return b
}

func eventOf(s job.State, e job.RecordedEvent) eventBody {
	b := eventBody{ID: e.N, Event: e.Kind, At: timestamp(e.At), Output: e.Output, Error: e.Error, Code: e.Reason, Note: e.Note}
	var o job.OutputState
	if found := s.Output(e.Output); found != nil {
		o = *found
	}
	o.Result, o.Error = e.Result, e.Error
	switch e.Kind {
	case job.OutputStageEvent:
		o.Stage = e.Stage
	case job.OutputCompletedEvent:
		o.Stage = job.Done
	case job.OutputFailedEvent:
		o.Stage = job.Failed
	case job.OutputSkippedEvent:
		o.Stage = job.Skipped
	case job.StreamPlayableEvent:
		b.URL = &o.Result.Early
		return b
	default:
		return b
	}
	b.Status = o.Type.Status(o.Stage)
	b.URL, b.URLs, b.Error = resultMembers(o)
	return b
}

// timestamp formats a time in RFC 3339 with milliseconds, for the additions of
// Copra. Members that Coconut defines use date.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func timestampOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := timestamp(t)
	return &s
}
