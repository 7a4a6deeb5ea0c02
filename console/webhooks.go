package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/copra-video/copra/job"
)

// maxDeliveries is how many webhooks the page lists.
const maxDeliveries = 100

func (c *console) webhooksPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	state := r.URL.Query().Get("state")
	list, err := c.Store.RecentDeliveries(r.Context(), v.Scope, job.DeliveryState(state), maxDeliveries)
	if err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "webhooks", v, "Webhooks", struct {
		State      string
		States     []job.DeliveryState
		Deliveries []job.RecentDelivery
	}{state, []job.DeliveryState{job.DeliveryPending, job.DeliveryDelivered, job.DeliveryGivenUp}, list})
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
