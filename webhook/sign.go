package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// sign sets the headers of Standard Webhooks v1 (standardwebhooks.com). The id
// is the same for every attempt and replay of a delivery, so that a receiver can
// recognise a repeat. Without a signing secret only the id is set.
func sign(h http.Header, d job.Delivery, now time.Time) error {
	id := fmt.Sprintf("msg_%s_%d", d.JobID, d.N)
	h.Set("Webhook-Id", id)
	if d.Signing.IsZero() {
		return nil
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(d.Signing.Reveal(), "whsec_"))
	if err != nil {
		return errors.New("the signing secret of the API key is not valid") // err would quote the secret
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(d.Body)
	h.Set("Webhook-Timestamp", timestamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}
