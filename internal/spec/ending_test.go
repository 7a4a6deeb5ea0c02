package spec

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/webhook"
	"github.com/copra-video/copra/webhook/sns"
)

// end is how the job looks to clients when these events have taken place, and
// which webhooks they cause.
func (w *world) end(t *testing.T, server *server, spec *job.Spec, events []job.Event) (lines []string) {
	t.Helper()
	state := server.jobs[jobID]
	begin := flatten(coconut.EncodeJob(state))
	for i, e := range events {
		e.At = accepted.Add(time.Duration(i+1) * time.Second)
		happened, err := state.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range happened {
			if n := spec.Notification; n != nil && coconut.Sent(h.Kind, *n) {
				lines = append(lines, w.deliver(t, job.Delivery{
					ID: 1, JobID: jobID, N: 1, Event: h.Kind, Notification: *n,
					Body: coconut.EncodeNotification(state, h, n.Metadata),
				})...)
			}
		}
	}
	for _, l := range flatten(coconut.EncodeJob(state)) {
		if !slices.Contains(begin, l) { // which the answer has told
			lines = append(lines, "at last: "+l)
		}
	}
	return lines
}

// deliver sends one webhook with the real worker.
func (w *world) deliver(t *testing.T, d job.Delivery) (lines []string) {
	t.Helper()
	worker := webhook.New(webhook.Config{
		Store: &oneDelivery{d}, Client: w.webhooks, Version: "test", Log: slog.New(slog.DiscardHandler),
		SNS: sns.New(sns.Options{Client: w.webhooks, Endpoint: w.wire.names.Replace("http://recorder:80/sns/")}),
	})
	err := worker.Work(t.Context(), &river.Job[queue.NotifyArgs]{JobRow: &rivertype.JobRow{ID: 1, Attempt: 1}, Args: queue.NotifyArgs{DeliveryID: 1}})
	for _, l := range w.wire.took() {
		lines = append(lines, fmt.Sprintf("webhook %s: %s", d.Event, strings.TrimSpace(l)))
	}
	if err != nil {
		lines = append(lines, fmt.Sprintf("webhook %s fails: %v", d.Event, err))
	}
	return lines
}

// oneDelivery is a webhook.Store.
type oneDelivery struct{ d job.Delivery }

func (o *oneDelivery) LoadDelivery(context.Context, int64) (job.Delivery, error) { return o.d, nil }
func (o *oneDelivery) SaveAttempt(context.Context, int64, job.DeliveryAttempt) error {
	return nil
}
func (o *oneDelivery) MarkGivenUp(context.Context, int64) error  { return nil }
func (o *oneDelivery) Deprioritize(context.Context, int64) error { return nil }
