package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

var deliveryStates = []job.DeliveryState{job.DeliveryPending, job.DeliveryDelivered, job.DeliveryGivenUp}

// listAllDeliveries is GET /v2/deliveries: the webhooks of the key, newest first.
func (s *server) listAllDeliveries(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "state", "since", "limit", "cursor", "bodies")
	if err != nil {
		return err
	}
	l := job.DeliveryQuery{State: job.DeliveryState(q.Get("state")), Cursor: q.Get("cursor"), Limit: defaultPageSize}
	if l.State != "" && !slices.Contains(deliveryStates, l.State) {
		return job.Errorf(job.QueryNotValid, "The parameter 'state' is %q, expected one of pending, delivered and given_up.", l.State)
	}
	if err := wholeNumber(q, "limit", maxPageSize, &l.Limit); err != nil {
		return err
	}
	if text := q.Get("since"); text != "" {
		if l.Since, err = time.Parse(time.RFC3339, text); err != nil || l.Since.Year() < 1970 {
			return job.Errorf(job.QueryNotValid, "The parameter 'since' is %q, expected a time such as 2026-11-30T14:30:00Z.", text)
		}
	}
	if text := q.Get("bodies"); text != "" {
		if l.Bodies, err = strconv.ParseBool(text); err != nil {
			return job.Errorf(job.QueryNotValid, "The parameter 'bodies' is %q, expected true or false.", text)
		}
	}
	list, next, err := s.Jobs.ListDeliveries(r.Context(), keyID(r), l)
	if err != nil {
		return err
	}
	body, err := coconut.EncodeListedDeliveries(list, next, time.Now())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}
