package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Notification is the body of a webhook. One of Input, Output and Job is set,
// whichever the event is about.
type Notification struct {
	JobID    string
	Event    EventName
	Progress Percent      // of the job
	Input    *InputState  // of input.transferred
	Output   *OutputState // of output.completed and output.failed; Format is empty
	Job      *Job         // of job.completed and job.failed
}

// ParseNotification decodes the body of a webhook.
func ParseNotification(body []byte) (*Notification, error) {
	var envelope struct {
		JobID string          `json:"job_id"`
		Event EventName       `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, fmt.Errorf("parse notification: %w", err)
	}
	n := &Notification{JobID: envelope.JobID, Event: envelope.Event}
	var into any
	switch n.Event {
	case EventInputTransferred:
		n.Input = &InputState{}
		into = n.Input
	case EventOutputCompleted, EventOutputFailed, EventStreamPlayable:
		n.Output = &OutputState{}
		into = n.Output
	case EventJobCompleted, EventJobFailed:
		n.Job = &Job{}
		into = n.Job
	default:
		return nil, fmt.Errorf("parse notification: the event %q is not known", n.Event)
	}
	if n.JobID == "" || len(envelope.Data) == 0 {
		return nil, errors.New("parse notification: the job's id or the data is missing")
	}
	var progress struct{ Progress Percent }
	if err := errors.Join(json.Unmarshal(envelope.Data, into), json.Unmarshal(envelope.Data, &progress)); err != nil {
		return nil, fmt.Errorf("parse notification: %w", err)
	}
	n.Progress = progress.Progress
	return n, nil
}

// signatureAge is how old, or how far ahead, a signature may be. Standard
// Webhooks leaves it to the receiver; its own libraries take five minutes.
const signatureAge = 5 * time.Minute

// ErrSignature is for a webhook that was not signed with the secret, or not
// lately.
var ErrSignature = errors.New("the notification is not signed with this secret, or too old")

// VerifyNotification checks the signature of a webhook with the signing secret
// of the API key ("whsec_..."), as Standard Webhooks defines it
// (https://www.standardwebhooks.com). The body must be the bytes as they came.
// A webhook may come more than once, with the same header webhook-id.
func VerifyNotification(secret string, header http.Header, body []byte) error {
	return verify(secret, header, body, time.Now())
}

func verify(secret string, header http.Header, body []byte, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return errors.New("verify notification: the signing secret is not valid")
	}
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > signatureAge {
		return ErrSignature
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	want := mac.Sum(nil)
	for _, signature := range strings.Fields(header.Get("webhook-signature")) {
		encoded, ok := strings.CutPrefix(signature, "v1,")
		if !ok {
			continue
		}
		if got, err := base64.StdEncoding.DecodeString(encoded); err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrSignature
}
