// Package webhook delivers the notifications of jobs: by POST to a customer's
// server, or by publishing to an SNS topic (package sns).
//
// A delivery is made eight times at most, over about 24 hours. The store decides
// the order of a job's deliveries, and queues the next one when the one before
// it has been delivered or has failed often enough. Package hostlimit limits the
// requests to one host, so that a slow host does not delay the others.
//
//	webhook.go   what the worker needs
//	deliver.go   one attempt: load, send, save, retry schedule
//	send.go      the request
//	sign.go      the headers of Standard Webhooks
//	grace.go     a context that survives the stop of the process for a moment
package webhook

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/riverqueue/river"
	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/webhook/hostlimit"
)

// Store is what the worker needs of the database.
type Store interface {
	// LoadDelivery fails with job.ErrNotFound when the delivery does not exist or
	// its job wants no notification.
	LoadDelivery(ctx context.Context, id int64) (job.Delivery, error)
	// SaveAttempt logs an attempt. One without an error marks the delivery as
	// delivered.
	SaveAttempt(ctx context.Context, id int64, a job.DeliveryAttempt) error
	MarkGivenUp(ctx context.Context, id int64) error
	// Deprioritize gives a River job the lowest priority.
	Deprioritize(ctx context.Context, riverID int64) error
}

// SNSPublisher publishes a delivery whose notification names an SNS topic.
// status is 0 when there was no answer. The error holds no secret, since the
// customer sees it.
type SNSPublisher interface {
	Publish(ctx context.Context, d job.Delivery) (status int, err error)
}

// Config is what a Worker is made of.
type Config struct {
	Store Store
	// Client makes the requests. It must come from netguard and must not follow
	// redirects: a redirect would carry the body to an address that the customer
	// has not named.
	Client  *http.Client
	SNS     SNSPublisher // nil: notifications of type sns fail
	Version string       // of Copra, for the User-Agent header
	Log     *slog.Logger
	Metrics *Metrics          // nil: nothing is counted
	Tracer  *telemetry.Tracer // nil: nothing is traced
}

// maxDBCalls bounds the concurrent calls to the store. A process makes up to
// queue.NotifySlots deliveries at once, and API and workers share its database
// connections.
const maxDBCalls = 8

// Worker delivers webhooks. It is the River worker of queue.NotifyArgs.
type Worker struct {
	river.WorkerDefaults[queue.NotifyArgs]
	c       Config
	hosts   *hostlimit.Limiter
	dbCalls *semaphore.Weighted
}

// New returns a Worker.
func New(c Config) *Worker {
	return &Worker{c: c, hosts: hostlimit.New(queue.NotifySlots), dbCalls: semaphore.NewWeighted(maxDBCalls)}
}

// Register adds the worker to those of a River client.
func (w *Worker) Register(workers *river.Workers) { river.AddWorker(workers, w) }
