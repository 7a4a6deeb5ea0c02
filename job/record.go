package job

import "time"

// LoadedJob is what a worker loads of a job.
type LoadedJob struct {
	State      State
	Request    []byte    // the request as it was sent, unsealed; api/coconut decodes it
	AcceptedAt time.Time // when it was accepted, or last retried
	KeyName    string    // the name of its API key
	// Traceparent is the span of the request that made or retried it; "": not traced.
	Traceparent string
}

// Delivery is one webhook to be sent. Its body is made when the event is recorded,
// so that a replay sends the same bytes.
type Delivery struct {
	ID           int64
	JobID        string
	N            int // number within the job, from 1
	Event        EventKind
	Body         []byte
	Notification Notification
	Done         bool   // delivered or given up
	Signing      Secret // the key's signing secret, "whsec_..."; zero: not signed
	KeyName      string
	Traceparent  string // of its job
}

// DeliveryAttempt is one attempt to deliver a webhook.
type DeliveryAttempt struct {
	At       time.Time
	Status   int    // HTTP status; 0: no answer
	Error    string // "" on success; never holds the URL's secrets
	Duration time.Duration
	Next     time.Time // when the next attempt is due; zero: there is none
}

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryGivenUp   DeliveryState = "given_up"
)

// DeliveryState is the state of a delivery.
type DeliveryState string

// DeliveryLog is the history of one webhook.
type DeliveryLog struct {
	N           int // number within the job, from 1
	Event       EventKind
	State       DeliveryState
	CreatedAt   time.Time
	DeliveredAt time.Time         // zero: not yet
	NextAt      time.Time         // zero: no attempt is due, or an earlier delivery comes first
	Attempts    []DeliveryAttempt // oldest first; without Next
}

// RecordedEvent is a stored event with its number in the job, from 1. It has no
// Metadata, which is in the State.
type RecordedEvent struct {
	N int
	Event
}

// History is the state of a job, without the input's metadata, and its events.
type History struct {
	State  State
	Events []RecordedEvent
}

// Unattended is what the database says of work when a node renews its heartbeat.
type Unattended struct {
	// Orphans: there is work of nodes that have been silent for too long.
	Orphans bool
	// Due: a River job waits in one of the node's queues, or is to be tried again in a moment.
	Due bool
}

// Reaped is the result of a search for work that nobody continues.
type Reaped struct {
	Requeued int     // number of River jobs and deliveries that were requeued or ended
	Failed   []Event // inputs and outputs that failed because no attempt was left
}

// Add adds other to r.
func (r *Reaped) Add(other Reaped) {
	r.Requeued += other.Requeued
	r.Failed = append(r.Failed, other.Failed...)
}
