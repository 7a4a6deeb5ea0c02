package webhook

import (
	"net/http"
	"time"

	"github.com/copra-video/copra/job"
)

// sign sets the headers of a delivery.
func sign(h http.Header, d job.Delivery, now time.Time) error {
	headers, err := job.WebhookHeaders(d.JobID, d.N, d.Body, d.Signing, now)
	for name, value := range headers {
		h.Set(name, value)
	}
	return err
}
