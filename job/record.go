package job

import "time"

// Record is a job as a worker loads it.
type Record struct {
	State   State
	KeyID   string
	Request []byte // the request as it came, unsealed: decode it with api/coconut
	Run     int64
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
	Done         bool // delivered, or given up
}

// DeliveryAttempt is one try to deliver a webhook.
type DeliveryAttempt struct {
	At       time.Time
	Status   int    // HTTP status; 0 when there was no answer
	Error    string // "" on success; never holds the URL's secrets
	Duration time.Duration
}
