package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/copra-video/copra/job"
)

// deliveryPageSize is how many webhooks a page lists.
const deliveryPageSize = 50

// webhooksPage lists all webhooks of the viewer, newest first.
func (c *console) webhooksPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	state, cursor := r.URL.Query().Get("state"), r.URL.Query().Get("cursor")
	list, next, err := c.Store.ListDeliveries(r.Context(), v.Scope, job.DeliveryQuery{State: job.DeliveryState(state), Cursor: cursor, Limit: deliveryPageSize})
	if err != nil {
		return err
	}
	newest := url.Values{}
	if state != "" {
		newest.Set("state", state)
	}
	older := ""
	if next != "" {
		older = "/console/webhooks?" + url.Values{"state": {state}, "cursor": {next}}.Encode()
	}
	c.show(w, r, http.StatusOK, "webhooks", v, "Webhooks", struct {
		State, Cursor, Newest, Older string
		States                       []job.DeliveryState
		Deliveries                   []job.ListedDelivery
		Receiver                     string
		Statuses                     []int
	}{state, cursor, "/console/webhooks?" + newest.Encode(), older, []job.DeliveryState{job.DeliveryPending, job.DeliveryDelivered, job.DeliveryGivenUp}, list, c.PublicURL + ReceiverPath, receiverStatuses})
	return nil
}

// deliveryNumber returns the number of the delivery in the path.
func deliveryNumber(r *http.Request) (int, error) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 32)
	if err != nil || n < 1 {
		return 0, job.ErrNotFound
	}
	return int(n), nil
}

// deliveryPage shows a webhook: its body, and each attempt with its answer.
func (c *console) deliveryPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	n, err := deliveryNumber(r)
	if err != nil {
		return err
	}
	body, err := c.Store.DeliveryBody(r.Context(), v.Scope, id, n)
	if err != nil {
		return err
	}
	all, err := c.Store.Deliveries(r.Context(), v.Scope, id)
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") != nil {
		indented.Reset()
		indented.Write(body)
	}
	for _, d := range all {
		if d.N == n {
			c.show(w, r, http.StatusOK, "delivery", v, "Webhook "+strconv.Itoa(n)+" of job "+id, struct {
				ID, Body string
				Delivery job.DeliveryLog
			}{id, indented.String(), d})
			return nil
		}
	}
	return job.ErrNotFound
}

func (c *console) replay(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	n, err := deliveryNumber(r)
	if err != nil {
		return err
	}
	if _, err := c.Store.Replay(r.Context(), v.Scope, id, n); err != nil {
		return err
	}
	return done(w, r, "/console/jobs/"+id+"/deliveries/"+strconv.Itoa(n), "replayed")
}
