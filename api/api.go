// Package api is the HTTP side of the server: the endpoints of the Coconut API
// v2 under /v2, the files of the built-in storage under /storage, and what an
// operator asks for (/healthz, /readyz, /metrics, /openapi.yaml).
//
// A tour: routes.go has the whole map of paths. auth.go turns Basic
// credentials into the id of a key. jobs.go has the handlers of Coconut's
// endpoints, control.go and events.go those that this project adds; they call api/coconut for every byte of JSON that a client sees and the
// interfaces below for everything that is remembered. respond.go turns errors
// into answers, body.go bounds what is read, path.go reads addresses the way
// the published clients write them, observe.go logs and counts, serve.go runs
// the whole until it is told to stop.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/copra-video/copra/job"
)

// Jobs remembers jobs.
type Jobs interface {
	// CreateJob accepts a job and returns its first state. A *job.Error with
	// the reason job.IdempotencyKeyReused says that the idempotency key was used
	// before with another body; with the same body it returns the same job. One
	// with job.TooManyJobs says that the key has as many jobs as it may.
	CreateJob(ctx context.Context, s job.Submission) (job.State, error)
	// GetJob returns a job of the key, or job.ErrNotFound when there is none
	// or it belongs to another key.
	GetJob(ctx context.Context, keyID, id string) (job.State, error)
	// ListJobs returns a page of the key's jobs, newest first, and the cursor
	// of the next one, "" after the last. A cursor that is none of its own is
	// a *job.Error.
	ListJobs(ctx context.Context, keyID string, q job.ListQuery) (jobs []job.State, next string, err error)
	// CancelJob ends a job of the key and RetryJob has it begin again, or they
	// return a *job.Error whose status is 409.
	CancelJob(ctx context.Context, keyID, id string) (job.State, error)
	RetryJob(ctx context.Context, keyID, id string) (job.State, error)
	// History returns a job of the key with its events behind number after.
	History(ctx context.Context, keyID, id string, after int) (job.History, error)
	// Watch returns a channel that gets a value whenever the job, of whichever
	// key, may have changed, until stop.
	Watch(id string) (changed <-chan struct{}, stop func())
	// Deliveries returns the log of a job's webhooks, and Replay sends one of
	// them once more.
	Deliveries(ctx context.Context, keyID, id string) ([]job.DeliveryLog, error)
	Replay(ctx context.Context, keyID, id string, n int) (job.DeliveryLog, error)
}

// Keys knows the API keys.
type Keys interface {
	// Authenticate returns the id of the key with this token, or
	// job.ErrNotFound. Comparing in constant time is its business.
	Authenticate(ctx context.Context, token string) (keyID string, err error)
}

// Check is one thing that must work for the server to be of use.
type Check struct {
	Name string // "database"
	Run  func(ctx context.Context) error
}

// Config is what the API is made of.
type Config struct {
	Jobs Jobs
	Keys Keys
	// Storage serves what is under /storage/, without authentication; it gets
	// the request with its path as it came. Defaults to nothing there.
	Storage http.Handler
	// Uploads serves PUT /v2/uploads/{name} to those who have a key. The name,
	// decoded, is the request's PathValue("name"). Defaults to nothing there.
	Uploads http.Handler
	// Ready is what /readyz looks at. Defaults to nothing, which is ready.
	Ready []Check
	// Metrics is the registry that /metrics shows and that the API's own
	// metrics are added to. Defaults to a new one.
	Metrics *prometheus.Registry
	// BodyTime is how long a client may take to send a job. Defaults to 30 s.
	BodyTime time.Duration
	// RateLimit is how many requests a second each key may make. Defaults to 0,
	// no limit.
	RateLimit float64
	// Heartbeat is how often a stream of events gives a sign of life. Defaults
	// to 15 s.
	Heartbeat time.Duration
	// Region is shown by /healthz and labels the metrics. Defaults to none.
	Region string
	// Version is shown by /healthz and the landing page.
	Version string
	// Log gets a line for each request. Defaults to nowhere.
	Log *slog.Logger
}

// server is the configuration with its defaults filled in.
type server struct {
	Config
	metrics *metrics
}

// New returns the handler of all endpoints.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BodyTime == 0 {
		c.BodyTime = 30 * time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	s := &server{Config: c, metrics: newMetrics(c.Metrics, c.Region)}
	return s.routes()
}
