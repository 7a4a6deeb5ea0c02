package job

import "time"

// LoadedJob is a job as a worker loads it.
type LoadedJob struct {
	State      State
	Request    []byte    // the request as it was sent, unsealed; api/coconut decodes it
	AcceptedAt time.Time // when it was accepted, or last retried
}

// Delivery is one webhook to be sent: the body as it was when the event took
// place, so that a replay sends the same bytes.
type Delivery struct {
	ID           int64
	JobID        string
	N            int // number within the job, from 1
	Event        EventKind
	Body         []byte
	Notification Notification
	Done         bool   // delivered, or given up
	Signing      Secret // the key's signing secret, "whsec_..."; zero: not signed
}

// DeliveryAttempt is one try to deliver a webhook.
type DeliveryAttempt struct {
	At       time.Time
	Status   int    // HTTP status; 0 when there was no answer
	Error    string // "" on success; never holds the URL's secrets
	Duration time.Duration
	Next     time.Time // when it is tried again; zero: not by the schedule
}

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryGivenUp   DeliveryState = "given_up"
)

// DeliveryState is where a delivery stands.
type DeliveryState string

// DeliveryLog is what has become of one webhook.
type DeliveryLog struct {
	N           int // number within the job, from 1
	Event       EventKind
	State       DeliveryState
	CreatedAt   time.Time
	DeliveredAt time.Time         // zero: not yet
	NextAt      time.Time         // zero: no try is planned, or it waits for an earlier one
	Attempts    []DeliveryAttempt // in their order; without Next
}

// RecordedEvent is an event as it was recorded, with its number in the job, from
// 1. It is without what ffprobe found, which State has.
type RecordedEvent struct {
	N int
	Event
}

// History is a job as it stands, without what ffprobe found of its input, and
// events that led there.
type History struct {
	State  State
	Events []RecordedEvent
}

// Reaped says what became of work that nobody continued.
type Reaped struct {
	Requeued int     // pieces of work that were queued again or ended
	Failed   []Event // inputs and outputs that failed, since no attempt was left
}

// Add adds what other says.
func (r *Reaped) Add(other Reaped) {
	r.Requeued += other.Requeued
	r.Failed = append(r.Failed, other.Failed...)
}
