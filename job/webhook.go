package job

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// WebhookID is the id of a webhook for its receiver. It is the same for every attempt and
// replay, so that a receiver can recognise a repeat.
func WebhookID(jobID string, n int) string { return fmt.Sprintf("msg_%s_%d", jobID, n) }

// WebhookHeaders returns the headers of a webhook by their names: the content type, and
// those of Standard Webhooks v1 (standardwebhooks.com). Without a signing secret, that is a
// zero one, only the id is among them.
func WebhookHeaders(jobID string, n int, body []byte, signing Secret, now time.Time) (map[string]string, error) {
	id := WebhookID(jobID, n)
	h := map[string]string{"content-type": "application/json", "webhook-id": id}
	if signing.IsZero() {
		return h, nil
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signing.Reveal(), "whsec_"))
	if err != nil {
		return nil, errors.New("the signing secret of the API key is not valid") // err would quote the secret
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	h["webhook-timestamp"] = timestamp
	h["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return h, nil
}

// DeliveryQuery selects webhooks for a list.
type DeliveryQuery struct {
	State  DeliveryState // "": any
	Since  time.Time     // of the recording; zero: any
	Cursor string        // of the page before; "": the first page
	Limit  int           // of a page
	Bodies bool          // with bodies, and the secret to sign them with
}

// ListedDelivery is a webhook in a list of those of many jobs.
type ListedDelivery struct {
	JobID string
	DeliveryLog
	Body    []byte // nil unless they were asked for
	Signing Secret // as Delivery.Signing
}

// Tries is the number of attempts.
func (d DeliveryLog) Tries() int { return len(d.Attempts) }

// Last is the last attempt; zero: none was made.
func (d DeliveryLog) Last() DeliveryAttempt {
	if len(d.Attempts) == 0 {
		return DeliveryAttempt{}
	}
	return d.Attempts[len(d.Attempts)-1]
}
