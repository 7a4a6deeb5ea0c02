package coconut

import (
	"time"

	"github.com/copra-video/copra/job"
)

type deliveriesBody struct {
	JobID      string         `json:"job_id"`
	Deliveries []deliveryBody `json:"deliveries"`
}

type deliveryBody struct {
	Number      int               `json:"number"`
	Event       job.EventKind     `json:"event"`
	State       job.DeliveryState `json:"state"`
	CreatedAt   string            `json:"created_at"`
	DeliveredAt *string           `json:"delivered_at"`
	NextAt      *string           `json:"next_at"`
	Attempts    []attemptBody     `json:"attempts"`
}

type attemptBody struct {
	At         string  `json:"at"`
	Status     *int    `json:"status"` // null: there was no answer
	Error      *string `json:"error"`  // null: it succeeded
	DurationMS int64   `json:"duration_ms"`
}

// EncodeDeliveries encodes the log of a job's webhooks.
func EncodeDeliveries(id string, all []job.DeliveryLog) []byte {
	b := deliveriesBody{JobID: id, Deliveries: make([]deliveryBody, 0, len(all))}
	for _, d := range all {
		b.Deliveries = append(b.Deliveries, deliveryOf(d))
	}
	return encode(b)
}

// EncodeDelivery encodes the log of one webhook.
func EncodeDelivery(d job.DeliveryLog) []byte { return encode(deliveryOf(d)) }

func deliveryOf(d job.DeliveryLog) deliveryBody {
	b := deliveryBody{
		Number: d.N, Event: d.Event, State: d.State,
		CreatedAt: timestamp(d.CreatedAt), DeliveredAt: timestampOrNull(d.DeliveredAt), NextAt: timestampOrNull(d.NextAt),
		Attempts: make([]attemptBody, 0, len(d.Attempts)),
	}
	for _, a := range d.Attempts {
		t := attemptBody{At: timestamp(a.At), DurationMS: a.Duration.Milliseconds()}
		if a.Status != 0 {
			t.Status = &a.Status
		}
		if a.Error != "" {
			t.Error = &a.Error
		}
		b.Attempts = append(b.Attempts, t)
	}
	return b
}

type listedDeliveriesBody struct {
	Deliveries []listedDeliveryBody `json:"deliveries"`
	NextCursor *string              `json:"next_cursor"`
}

type listedDeliveryBody struct {
	JobID string `json:"job_id"`
	deliveryBody
	// Body and Headers are what a receiver gets now; nil unless they were asked for.
	Body    *string           `json:"body,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// EncodeListedDeliveries encodes a page of the webhooks of a key. Those with a body have
// the headers with which they would be sent now.
func EncodeListedDeliveries(list []job.ListedDelivery, next string, now time.Time) ([]byte, error) {
	b := listedDeliveriesBody{Deliveries: make([]listedDeliveryBody, 0, len(list))}
	for _, d := range list {
		l := listedDeliveryBody{JobID: d.JobID, deliveryBody: deliveryOf(d.DeliveryLog)}
		if d.Body != nil {
			headers, err := job.WebhookHeaders(d.JobID, d.N, d.Body, d.Signing, now)
			if err != nil {
				return nil, err
			}
			text := string(d.Body)
			l.Body, l.Headers = &text, headers
		}
		b.Deliveries = append(b.Deliveries, l)
	}
	if next != "" {
		b.NextCursor = &next
	}
	return encode(b), nil
}
