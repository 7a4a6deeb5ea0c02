package client

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Delivery is one notification of a job and the tries to deliver it.
type Delivery struct {
	Number      int           `json:"number"`
	Event       EventName     `json:"event"`
	State       DeliveryState `json:"state"`
	CreatedAt   time.Time     `json:"created_at"`
	DeliveredAt *time.Time    `json:"delivered_at"` // nil unless it was received
	NextAt      *time.Time    `json:"next_at"`      // when the next try is due; nil when none is, or another delivery goes first
	Attempts    []Attempt     `json:"attempts"`
}

// DeliveryState is what became of a notification.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryGivenUp   DeliveryState = "given_up"
)

// Attempt is one try to deliver a notification.
type Attempt struct {
	At         time.Time `json:"at"`
	Status     int       `json:"status"`      // of HTTP; 0: there was no answer
	Error      string    `json:"error"`       // "" when it was received
	DurationMS int64     `json:"duration_ms"` // milliseconds
}

func (d *Delivery) check() error {
	if d.Number < 1 {
		return errors.New("it is not a delivery")
	}
	return nil
}

type deliveries struct {
	JobID      string `json:"job_id"`
	Deliveries []Delivery
}

func (d *deliveries) check() error {
	if d.JobID == "" {
		return errors.New("it is not a list of deliveries")
	}
	return nil
}

// Deliveries returns what became of the notifications of a job.
func (c *Client) Deliveries(ctx context.Context, id string) ([]Delivery, error) {
	answer, err := one[deliveries](ctx, c,
		call{do: "list deliveries", method: http.MethodGet, want: http.StatusOK, repeat: true}, id, "/deliveries")
	if err != nil {
		return nil, err
	}
	return answer.Deliveries, nil
}

// Replay has a notification sent once more, whatever its state, and returns it
// as it was before. n is its Number.
func (c *Client) Replay(ctx context.Context, id string, n int) (*Delivery, error) {
	if n < 1 {
		return nil, errors.New("replay delivery: numbers of deliveries begin with 1")
	}
	return one[Delivery](ctx, c, call{do: "replay delivery", method: http.MethodPost, want: http.StatusAccepted},
		id, "/deliveries/"+strconv.Itoa(n)+"/replay")
}
