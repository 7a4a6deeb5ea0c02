package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// ListedDelivery is a notification in the list of those of all jobs.
type ListedDelivery struct {
	JobID string `json:"job_id"`
	Delivery
	// Body and Headers are what a receiver gets, byte for byte; empty unless they were
	// asked for. The signature is of the moment of the answer.
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
}

// ID is the id of the notification for its receiver, the header webhook-id.
func (d *ListedDelivery) ID() string { return fmt.Sprintf("msg_%s_%d", d.JobID, d.Number) }

// DeliveryListOptions select notifications.
type DeliveryListOptions struct {
	State  DeliveryState // "": any
	Since  time.Time     // of the recording; zero: any
	Limit  int           // of a page, at most 100; 0: 20
	Cursor string        // Next of the page before; "": the first page
	Bodies bool          // with bodies and headers
}

// DeliveryPage is a page of notifications, newest first. It may be short, or empty, and yet
// have a next one.
type DeliveryPage struct {
	Deliveries []ListedDelivery `json:"deliveries"`
	Next       string           `json:"next_cursor"` // "" after the last page
}

func (p *DeliveryPage) check() error {
	if p.Deliveries == nil {
		return errors.New("it is not a list of deliveries")
	}
	return nil
}

// ListDeliveries returns a page of the notifications of all jobs of the key.
func (c *Client) ListDeliveries(ctx context.Context, o DeliveryListOptions) (*DeliveryPage, error) {
	q := url.Values{}
	set := func(name, value string, given bool) {
		if given {
			q.Set(name, value)
		}
	}
	set("state", string(o.State), o.State != "")
	set("since", o.Since.UTC().Format(time.RFC3339Nano), !o.Since.IsZero())
	set("limit", strconv.Itoa(o.Limit), o.Limit != 0)
	set("cursor", o.Cursor, o.Cursor != "")
	set("bodies", "true", o.Bodies)
	path := "/v2/deliveries"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return decode[DeliveryPage](ctx, c, call{do: "list deliveries", method: http.MethodGet, path: path, want: http.StatusOK, repeat: true})
}

// Position is how far notifications have been followed. It is what a program keeps to go on
// where it was, as JSON for example.
type Position struct {
	// Newest is when the newest notification was recorded, by the server's clock; zero:
	// none was seen.
	Newest time.Time `json:"newest"`
	// Seen are the ids of those of the last minutes before Newest, with their times: one
	// may become visible after one that was recorded later.
	Seen map[string]time.Time `json:"seen"`
}

// positionOverlap is how much later than its neighbours a notification may become visible.
const positionOverlap = 2 * time.Minute

// Add notes a notification.
func (p *Position) Add(d *ListedDelivery) {
	if p.Seen == nil {
		p.Seen = map[string]time.Time{}
	}
	p.Seen[d.ID()] = d.CreatedAt
	if d.CreatedAt.After(p.Newest) {
		p.Newest = d.CreatedAt
	}
	for id, at := range p.Seen {
		if at.Before(p.Newest.Add(-2 * positionOverlap)) {
			delete(p.Seen, id)
		}
	}
}

// earliest is before all notifications.
var earliest = time.Unix(0, 0).Add(24 * time.Hour)

// StartAt sets a position behind which is what was recorded since then.
func (p *Position) StartAt(at time.Time) {
	if at = at.Add(positionOverlap); at.Before(earliest) {
		at = earliest
	}
	*p = Position{Newest: at}
}

// FollowDeliveries iterates over the notifications of the key, oldest first, as they are
// recorded, whatever becomes of them: those behind a position, or, for a zero one, those
// that come from now on. Each comes once. The caller Adds each to p when it is done with
// it; one that it has not added comes again.
//
// The iterator ends when ctx ends or the server refuses. A server that is away is asked
// again for as long as it is.
func (c *Client) FollowDeliveries(ctx context.Context, p *Position) iter.Seq2[*ListedDelivery, error] {
	return func(yield func(*ListedDelivery, error) bool) {
		for failures := 0; ; {
			list, err := c.deliveriesBehind(ctx, p)
			switch {
			case ctx.Err() != nil:
				yield(nil, fmt.Errorf("follow deliveries: %w", context.Cause(ctx)))
				return
			case err != nil && !c.temporary(err):
				yield(nil, fmt.Errorf("follow deliveries: %w", err))
				return
			case err != nil:
				failures++
			default:
				failures = 0
			}
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
			_ = sleep(ctx, c.timing.poll<<min(failures, 5)) // ctx is looked at above
		}
	}
}

// temporary reports whether asking again can help after err.
func (c *Client) temporary(err error) bool {
	_, t := c.timing.wait(err, 1)
	return t
}

// deliveriesBehind returns what is behind a position, oldest first. A zero one is set to
// the newest notification that there is.
func (c *Client) deliveriesBehind(ctx context.Context, p *Position) ([]ListedDelivery, error) {
	if p.Newest.IsZero() {
		return nil, c.begin(ctx, p)
	}
	var list []ListedDelivery
	for o := (DeliveryListOptions{Since: p.Newest.Add(-positionOverlap), Limit: 100, Bodies: true}); ; {
		page, err := c.ListDeliveries(ctx, o)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Deliveries {
			if _, seen := p.Seen[d.ID()]; !seen {
				list = append(list, d)
			}
		}
		if page.Next == "" {
			break
		}
		o.Cursor = page.Next
	}
	slices.Reverse(list)
	return list, nil
}

// begin notes what is there already.
func (c *Client) begin(ctx context.Context, p *Position) error {
	page, err := c.ListDeliveries(ctx, DeliveryListOptions{Limit: 1})
	for err == nil && len(page.Deliveries) == 0 && page.Next != "" {
		page, err = c.ListDeliveries(ctx, DeliveryListOptions{Limit: 1, Cursor: page.Next})
	}
	if err != nil {
		return err
	}
	var begun Position
	begun.StartAt(time.Time{}) // of a key without any, all are new
	if len(page.Deliveries) > 0 {
		begun.Newest = page.Deliveries[0].CreatedAt
		old, err := c.deliveriesBehind(ctx, &begun)
		if err != nil {
			return err
		}
		for i := range old {
			begun.Add(&old[i])
		}
	}
	*p = begun
	return nil
}
