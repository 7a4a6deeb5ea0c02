package coconut

import (
	"encoding/json"

	"github.com/copra-video/copra/job"
)

// Sent reports whether an event is sent to the webhook. Events of the job always
// are; those of the input and of outputs are if the notification asks for events.
func Sent(k job.EventKind, n job.Notification) bool {
	switch k {
	case job.JobCompletedEvent, job.JobFailedEvent:
		return true
	case job.InputTransferredEvent, job.OutputCompletedEvent, job.OutputFailedEvent, job.StreamPlayableEvent:
		return n.Events
	}
	return false
}

type envelope struct {
	JobID    string        `json:"job_id"`
	Event    job.EventKind `json:"event"`
	Metadata bool          `json:"metadata"` // whether Data has any
	Data     any           `json:"data"`
}

type inputEvent struct {
	Status   job.Status      `json:"status"`
	Progress string          `json:"progress"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type outputEvent struct {
	Type     job.OutputType  `json:"type"`
	Status   job.Status      `json:"status"`
	Progress string          `json:"progress"`
	Key      string          `json:"key"`
	URL      *string         `json:"url,omitempty"`
	URLs     any             `json:"urls,omitempty"`
	Error    string          `json:"error,omitempty"`
	Quality  json.RawMessage `json:"quality_metrics,omitempty"` // an addition, as in outputBody
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type jobEvent struct {
	Type        string       `json:"type"`
	Status      job.Status   `json:"status"`
	Progress    string       `json:"progress"`
	ID          string       `json:"id"`
	CreatedAt   string       `json:"created_at"`
	CompletedAt *string      `json:"completed_at"`
	Error       string       `json:"error,omitempty"`
	Input       inputBody    `json:"input"`
	Outputs     []outputBody `json:"outputs"`
	// Noted is the request's own metadata, an addition of Copra.
	Noted map[string]string `json:"metadata,omitempty"`
}

// EncodeNotification encodes the webhook of event e. s is the state of the job after
// the event. metadata is true if the notification asks for metadata.
func EncodeNotification(s job.State, e job.Event, metadata bool) []byte {
	b := envelope{JobID: s.ID, Event: e.Kind}
	switch e.Kind {
	case job.InputTransferredEvent:
		d := inputEvent{Status: job.InputTransferred, Progress: percent(100)}
		if metadata {
			d.Metadata = document(s.Input.Metadata)
		}
		b.Data, b.Metadata = d, d.Metadata != nil
	case job.OutputCompletedEvent, job.OutputFailedEvent:
		d := outputEventOf(s, e, metadata)
		b.Data, b.Metadata = d, d.Metadata != nil
	case job.StreamPlayableEvent:
		b.Data = playableEventOf(s, e)
	default:
		d := jobEventOf(s, metadata)
		b.Metadata = d.Input.Metadata != nil
		for _, o := range d.Outputs {
			b.Metadata = b.Metadata || o.Metadata != nil
		}
		b.Data = d
	}
	return encode(b)
}

func outputEventOf(s job.State, e job.Event, metadata bool) outputEvent {
	var o job.OutputState
	if found := s.Output(e.Output); found != nil {
		o = *found
	}
	// Stage, result and error are those of the event, since s may be later.
	o.Stage, o.Result, o.Error = job.Done, e.Result, e.Error
	if e.Kind == job.OutputFailedEvent {
		o.Stage = job.Failed
	}
	d := outputEvent{
		Type:     o.Type,
		Status:   o.Type.Status(o.Stage),
		Progress: percent(s.EventProgress()),
		Key:      e.Output,
	}
	d.URL, d.URLs, d.Error = resultMembers(o)
	if o.Stage == job.Done {
		d.Quality = o.Result.Quality
	}
	if metadata {
		d.Metadata = outputMetadata(o)
	}
	return d
}

// playableEventOf is of an output that plays before it is made. Its status is that of the
// moment.
func playableEventOf(s job.State, e job.Event) outputEvent {
	d := outputEvent{Progress: percent(s.EventProgress()), Key: e.Output, URL: &e.Result.Early}
	if o := s.Output(e.Output); o != nil {
		d.Type, d.Status = o.Type, o.Type.Status(o.Stage)
	}
	return d
}

func jobEventOf(s job.State, metadata bool) jobEvent {
	return jobEvent{
		Type:        "job",
		Status:      s.Status,
		Progress:    percent(s.LiveProgress()),
		ID:          s.ID,
		CreatedAt:   date(s.CreatedAt),
		CompletedAt: dateOrNull(s.CompletedAt),
		Error:       s.Error,
		Input:       inputOf(s, metadata),
		Outputs:     outputsOf(s, metadata),
		Noted:       s.Metadata,
	}
}
